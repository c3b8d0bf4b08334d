"""Soft prompts: trained vectors before the embedded input.

- `soft_prompt`: many prompts in one batch, each row with its own.
- `initializers`: where a prompt starts.
"""

"""Soft prompts: trained vectors before the embedded input.

- `soft_prompt`: many prompts in one batch, each row with its own.
- `initializers`: where a prompt starts. `neighbours`: what it is near to.

Outside a model, without torch:

- `vectors`: a prompt as an array, and what makes it a plain one.
- `peft_format`, `npy_format`: the files of PEFT and of T5X; `formats` picks one.
- `winners`: the best trial of each task or cell; `listing` shows them.
- `exporting`: prompts of trials as files. `base_model` is the frozen model that
  goes with one, `card` the README.md of a shared one.
- `importing`: prompts of others as trials.
"""

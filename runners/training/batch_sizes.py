"""How much goes through a model at once.

A leaf, so that a forecast can read it without torch.
"""

TOKENS_A_BATCH = 24_576
"""Prompt and input positions of one evaluation batch, which bounds its memory."""
WORTHWHILE = 2e10
"""Floating-point operations of a part of a step, on cores, that make up for its start.

Measured on one core: rows of a T5 of 2 million parameters cost the same in parts of 32
as of 128, and a tenth more in parts of 16; smaller models lose by being divided.
"""
FEWEST_POSITIONS = 256
"""Positions of a part, at least: weights are read once for all of them."""

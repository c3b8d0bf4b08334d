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
ROWS_A_PROMPT = 2
"""Rows of a batch for each of its prompts, from which on a decoder-only model reads prompts first.

One pass more reads each prompt once for all of its rows. Measured on one core: a step of
SmolLM2 135M on 16 rows of 27 tokens behind prompts of 100 takes 4.4 s in place of 16.1 with
one prompt, and 11.3 in place of 20.4 with eight.
"""

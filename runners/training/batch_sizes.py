"""How much goes through a model at once.

A leaf, so that a forecast can read it without torch.
"""

TOKENS_A_BATCH = 24_576
"""Prompt and input positions of one evaluation batch at most, which bounds its memory."""
FEWEST_ANSWERED = 4_096
"""Positions of an evaluation batch on cores, at least."""
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
TOGETHER, TOGETHER_ON_GPU = 4, 8
"""Trials that share a batch; those on GPUs were not measured."""
GAIN_NOTHING = 10_000_000
"""Parameters, between those of the nano 2m and of T5 small, from which on trials train alone."""


def answered_at_once(parameters: int, *, on_gpu: bool, reads_prompts_once: bool) -> int:
    """Prompt and input positions of one evaluation batch: as many as are worth its start.

    On cores what a batch computes leaves their caches the sooner the larger it is. Dev rows a
    second of the nano ladder, one core, float32, in batches of 4,096 and of 24,576 positions: 316
    and 241 at 2m, 1,502 and 1,247 at 200k, 3,491 and 4,457 at 60k.
    """
    if on_gpu or reads_prompts_once:
        return TOKENS_A_BATCH
    worthwhile = int(WORTHWHILE / (2 * parameters))
    return min(TOKENS_A_BATCH, max(FEWEST_ANSWERED, worthwhile))


def trained_at_once(parameters: int, *, on_gpu: bool) -> int:
    """K, the trials of one frozen model that share a batch: as many as make each of them quicker.

    On cores they share the start of layers, of which large models have less. Milliseconds a step
    and trial of the nano ladder, one core, float32, 1, 2, 4 and 8 at once: 12.1, 9.4, 7.2, 8.0 at
    60k, 26.7, 20.6, 20.2, 20.2 at 200k, 45, 42, 42, 44 at 600k, 100, 90, 89, 97 at 2m. At T5
    small's shape 1, 2 and 4 cost the same (4.9, 5.3, 4.8 s), of SmolLM2 135M 4 cost more than 1.
    """
    if on_gpu:
        return TOGETHER_ON_GPU
    return TOGETHER if parameters < GAIN_NOTHING else 1

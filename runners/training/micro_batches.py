"""The rows of a step in parts of like length, so that few of their positions are padding.

Rows never mix and gradients add up, so a step over parts has the gradients of
the whole, within rounding.
"""

from collections.abc import Sequence

WORTHWHILE = 2e10
"""Floating-point operations of a part that make up for its start.

Measured on one core: rows of a T5 of 2 million parameters cost the same in parts of 32
as of 128, and a tenth more in parts of 16; smaller models lose by being divided.
"""
FEWEST_POSITIONS = 256
"""Positions of a part, at least: weights are read once for all of them."""


def micro_batches(
    lengths: Sequence[int], *, prompt_length: int, parameters: int
) -> list[list[int]]:
    """Row numbers by falling length, in parts; a single part keeps the rows as they are.

    `lengths` are input positions of each row without the prompt. Every part has
    work enough to be worth its start: with forward and backward passes to the
    prompt at four operations a parameter and position.
    """
    needed = max(FEWEST_POSITIONS, WORTHWHILE / (4 * parameters))
    parts: list[list[int]] = [[]]
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        longest = lengths[parts[-1][0]] if parts[-1] else lengths[row]
        if len(parts[-1]) * (prompt_length + longest) >= needed:
            parts.append([])
        parts[-1].append(row)
    if len(parts) > 1 and _positions(parts[-1], lengths, prompt_length) < needed:
        parts[-2:] = [parts[-2] + parts[-1]]
    return parts if len(parts) > 1 else [list(range(len(lengths)))]


def _positions(part: Sequence[int], lengths: Sequence[int], prompt_length: int) -> int:
    return len(part) * (prompt_length + lengths[part[0]])

"""The rows of a step in parts of like length, so that few of their positions are padding.

Rows never mix and gradients add up, so a step over parts has the gradients of
the whole, within rounding.
"""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from runners.training.batch_sizes import FEWEST_POSITIONS, WORTHWHILE
from runners.training.memory import Room

Result = TypeVar("Result")
Parts = Sequence[Sequence[int]]
"""Of each part the numbers of its rows."""


def in_parts(
    work: Callable[[Parts], Result], widths: Sequence[int], *, parameters: int,
    device: torch.device, room: Room, owners: Sequence[int] | None = None,
) -> Result:  # fmt: skip
    """What `work` makes of the rows in parts that have room; it starts anew at each attempt.

    `widths`, `parameters`, `device` and `owners` are those of `micro_batches`.
    """

    def divided(most: int | None) -> Parts:
        return micro_batches(widths, parameters=parameters, device=device, most=most, owners=owners)

    return room.fit(
        divided,
        work,
        largest=lambda parts: max(
            (padded(part, widths) for part in parts if len(part) > 1), default=0
        ),
    )


def micro_batches(
    widths: Sequence[int], *, parameters: int, device: torch.device, most: int | None = None,
    owners: Sequence[int] | None = None,
) -> list[list[int]]:  # fmt: skip
    """Row numbers by falling width, in parts; a single part keeps the rows as they are.

    `widths` are the positions of each row (`Encoded.width`), those of a prompt that goes along
    with it included. Every part has work enough to be worth its start, with forward and backward
    passes to the prompt at four operations a parameter and position; and none that can be
    divided has more than `most` positions, padding included. A GPU is not filled by small
    parts, so that there only `most` divides.

    With `owners`, the trial of each row, rows of a trial stay together by falling width, since
    every part reads the prompts of its rows; a part of half the work may end with a trial.
    """
    needed = max(FEWEST_POSITIONS, WORTHWHILE / (4 * parameters))
    if device.type != "cpu":
        needed = math.inf
    full = needed if most is None else min(needed, most)
    parts: list[list[int]] = [[]]
    rank = owners or [0] * len(widths)
    for row in sorted(range(len(widths)), key=lambda row: (rank[row], -widths[row])):
        part = parts[-1]
        is_over = most is not None and padded([*part, row], widths) > most
        ends = 2 if part and rank[part[-1]] != rank[row] else 1
        if part and (ends * padded(part, widths) >= full or is_over):
            parts.append([])
        parts[-1].append(row)
    if len(parts) > 1 and padded(parts[-1], widths) < needed:
        together = parts[-2] + parts[-1]
        if most is None or padded(together, widths) <= most:
            parts[-2:] = [together]
    return parts if len(parts) > 1 else [list(range(len(widths)))]


def padded(part: Sequence[int], widths: Sequence[int]) -> int:
    """Positions of a part, all rows as wide as the widest."""
    return len(part) * max(widths[row] for row in part)

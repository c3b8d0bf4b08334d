"""What is done where memory runs out: the same work in smaller parts, and a note of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import torch

Division = TypeVar("Division")
Result = TypeVar("Result")
_CPU_ALLOCATOR = "can't allocate memory"
"""What torch's allocator for cores says, in a RuntimeError like any other."""


@dataclass(kw_only=True)
class Room:
    """How many positions, prompt and padding included, may go through the model at once.

    `most` is None where nothing has been found out. It shrinks where memory
    runs out; results stay the same within rounding.
    """

    most: int | None = None
    halvings: int = 0
    """How often memory ran out."""
    is_fixed: bool = False
    """Whether it stays as it is, because other ranks would not know of a change."""
    is_static: bool = False
    """Whether lengths are padded to few, so that batches have few shapes."""

    def fit(
        self,
        divide: Callable[[int | None], Division],
        work: Callable[[Division], Result],
        *,
        largest: Callable[[Division], int],
    ) -> Result:
        """What `work` makes of what `divide` gives for `most`, halved where memory runs out.

        `largest` tells the positions of the largest part that can be divided, and
        0 where none can: the error then goes on to the caller. `work` starts anew
        at each attempt.
        """
        while True:
            division = divide(self.most)
            try:
                return work(division)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or self.is_fixed:
                    raise
                if not largest(division):
                    raise
            # Here the error is gone, and with it what its frames held.
            self.most = max(1, largest(division) // 2)
            self.halvings += 1
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


@dataclass(kw_only=True)
class Rooms:
    """Training needs more memory than answering, so each finds its own room."""

    training: Room = field(default_factory=Room)
    evaluation: Room = field(default_factory=Room)

    def noted(self) -> dict[str, int]:
        """What a record says of a bound that memory set, or that was given."""
        rooms = {"training": self.training, "evaluation": self.evaluation}
        return {name: room.most for name, room in rooms.items() if room.most is not None}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, of a GPU or of the machine."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or (isinstance(error, RuntimeError) and _CPU_ALLOCATOR in str(error))

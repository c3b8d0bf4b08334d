"""What is wrong with a store, said so that nobody can overlook it."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Defect:
    """A file of a store that is not what it should be, and the way out."""

    path: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.remedy}"


class DefectError(ValueError):
    """Every defect that a reading of a store met."""

    def __init__(self, root: str, defects: Iterable[Defect]) -> None:
        self.root = root
        self.defects = tuple(defects)
        count = f"{len(self.defects)} defect{'s' * (len(self.defects) != 1)}"
        lines = "\n".join(str(defect) for defect in self.defects)
        super().__init__(f"store {root}: {count}\n{lines}")

    def __reduce__(self) -> tuple[type["DefectError"], tuple[str, tuple[Defect, ...]]]:
        return type(self), (self.root, self.defects)


def hand_over(root: str, found: Iterable[Defect], taker: list[Defect] | None) -> None:
    """Put `found` where the caller asked for it; raise DefectError where nobody did."""
    defects = list(found)
    if taker is not None:
        taker += defects
    elif defects:
        raise DefectError(root, defects)

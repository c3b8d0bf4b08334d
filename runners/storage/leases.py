"""Who may drive work on a store: generations of one small file, of which the highest counts.

A generation is created only where none of that number is, so that of several who
find the same one given up, one alone gets the next.
"""

from collections.abc import Callable

from runners.storage import layout
from runners.storage.files import Files


class Leases:
    """The leases of one store; what is written in them is the caller's."""

    def __init__(self, files: Files, claim: Callable[[], None]) -> None:
        self._files = files
        self._claim = claim

    def latest(self) -> tuple[int, bytes] | None:
        """The highest generation and what stands in it, or None where there never was one."""
        for generation in reversed(self._generations()):
            data = self._files.read(layout.lease_path(generation))
            # Between the listing and the reading it may have made room for the next.
            if data is not None:
                return generation, data
        return None

    def take(self, generation: int, data: bytes) -> bool:
        """Begin a generation; False where somebody else has begun this or a later one."""
        self._claim()
        path = layout.lease_path(generation)
        # An answer that got lost makes the place be asked twice, and what stands be ours.
        if not self._files.create(path, data) and self._files.read(path) != data:
            return False
        generations = self._generations()
        # A listing out of a cache may have hidden a later one, and a new file renews it.
        if generations and generations[-1] > generation:
            self._files.remove(layout.lease_path(generation))
            return False
        for old in generations:
            if old < generation:
                self._files.remove(layout.lease_path(old))
        return True

    def renew(self, generation: int, data: bytes) -> bool:
        """Write a generation anew; False, and nothing is written, where there is a later one."""
        generations = self._generations()
        if generations and generations[-1] > generation:
            return False
        self._files.replace(layout.lease_path(generation), data)
        return True

    def _generations(self) -> list[int]:
        """Numbers of all generations, rising."""
        # Walked and not measured, for a file may go between being listed and being looked at.
        names = (path.rpartition("/")[2] for path in self._files.walk("leases"))
        stems = (name.removesuffix(".json") for name in names)
        return sorted(int(stem) for stem in stems if stem.isdecimal())

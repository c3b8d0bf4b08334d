"""A Tune search algorithm that hands out packs as their parents appear.

Tune asks `suggest` whenever it has room. It is given the most urgent pack whose
milestone is in the store, so no waiting pack holds a core, and no size waits
for the adaptation of another.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ray.tune.search import Searcher

from sweeps.packs import Pack


class PackSearch(Searcher):
    """Hands out each pack once; what came of it is told by `on_trial_complete`.

    `is_there` says whether a milestone is committed. `on_lost` is called with a
    pack that died for good and its error. A pack of several trials that
    dies is handed out again trial by trial, so that only who fails alone is lost.
    """

    def __init__(
        self,
        packs: Sequence[Pack],
        *,
        is_there: Callable[[str], bool],
        on_lost: Callable[[Pack, BaseException], None],
    ) -> None:
        super().__init__(metric="progress", mode="max")
        self._waiting = list(packs)
        self._given: dict[str, Pack] = {}
        self._is_there = is_there
        self._on_lost = on_lost
        self._there: set[str] = set()
        self.errors: dict[str, BaseException] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next ready pack, None where all wait for a parent, or FINISHED."""
        if not self._waiting and not self._given:
            return str(Searcher.FINISHED)
        for place, pack in enumerate(self._waiting):
            if self._ready(pack):
                self._given[trial_id] = self._waiting.pop(place)
                return {"pack": pack}
        return None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Forget a finished pack; split one that died, or give it up where it is a single trial."""
        pack = self._given.pop(trial_id)
        if not error:
            return
        if len(pack.trials) > 1:
            self._waiting[:0] = pack.singles()
            return
        self._on_lost(pack, self.errors[trial_id])
        self._drop_children(pack)

    def _drop_children(self, pack: Pack) -> None:
        """Give up the packs that wait for a milestone which will never come."""
        if pack.adaptation is None:
            return
        lost = {pack.adaptation.milestone_id(steps) for steps in pack.milestones}
        for child in [
            p for p in self._waiting if p.parent in lost and not self._is_there(str(p.parent))
        ]:
            self._waiting.remove(child)
            self._on_lost(child, LookupError(f"{pack.name} failed, so its checkpoint is missing"))

    def _ready(self, pack: Pack) -> bool:
        if pack.parent is None or pack.parent in self._there:
            return True
        if self._is_there(pack.parent):
            self._there.add(pack.parent)
            return True
        return False

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the store knows what is done, and a new driver plans anew."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, as for `save`."""

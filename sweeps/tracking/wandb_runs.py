"""Writes runs with wandb, and knows which of them are written already.

A run that is there in part is written anew: without `resume`, wandb starts a run
of the same id over. Only this module calls wandb.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ablation.run_tags import is_ours
from sweeps.tracking import offline
from sweeps.tracking.run import Row, Run
from sweeps.tracking.settings import Tracking, mode_of

if TYPE_CHECKING:
    import wandb

PAGE = 500
"""Runs that the server is asked for at a time."""
_ENDED = {"finished": 0, "failed": 1}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A run that is there: its group, its tags, and the attempt and exit code that it shows.

    Both are None of a run that is not closed or that stands twice.
    """

    group: str
    tags: tuple[str, ...]
    attempt: str | None
    exit_code: int | None

    def is_whole(self, run: Run) -> bool:
        """Whether it shows all of `run`; its group may be that of another sweep."""
        tags = {tag for tag in self.tags if is_ours(tag)}
        return (self.attempt, self.exit_code, tags) == (run.attempt, run.exit_code, set(run.tags))


class Runs:
    """The runs of one sweep, as `tracking` has them written."""

    def __init__(self, tracking: Tracking) -> None:
        self.tracking = tracking
        self.root = Path(tracking.folder).absolute()

    @cached_property
    def mode(self) -> Literal["online", "offline"]:
        """Where runs go. Found out when it is needed, for it takes the import of wandb."""
        return mode_of(self.tracking)

    def there(self, ids: Iterable[str]) -> dict[str, Shown]:
        """Those of these runs that are there, by id, in whatever group."""
        if self.mode == "online":
            return self._on_server(list(ids))
        found = ((key, self._offline(key)) for key in ids)
        return {key: shown for key, shown in found if shown}

    def open(self, run: Run) -> "wandb.Run":
        """Begin a run, anew where it is there in part."""
        import wandb

        if self.mode == "offline":
            for folder in offline.folders(self.root, run.id):
                shutil.rmtree(folder)
        self.root.mkdir(parents=True, exist_ok=True)
        opened = wandb.init(
            project=self.tracking.project, entity=self.tracking.entity, mode=self.mode,
            id=run.id, name=run.name, group=run.group, job_type=run.job_type, tags=run.tags,
            config=dict(run.config), dir=str(self.root),
            # Many runs of one process are open at once.
            reinit="create_new",
            settings=_settings(),
        )  # fmt: skip
        # Else the last point of the history is written over the summary, and not the best.
        opened.define_metric("*", summary="none")
        return opened

    def write(self, run: Run) -> None:
        """A whole run, from its beginning to its end."""
        opened = self.open(run)
        log(opened, run.history)
        close(opened, run)

    def settle(self) -> None:
        """Wait until everything is in its files, which wandb ends to write in the background."""
        import wandb

        wandb.teardown()

    def _offline(self, key: str) -> Shown | None:
        found = [offline.read(folder) for folder in offline.folders(self.root, key)]
        if not found:
            return None
        run, is_one = found[0], len(found) == 1
        return Shown(
            group=run.group, tags=run.tags, attempt=run.config.get("attempt") if is_one else None,
            exit_code=run.exit_code if is_one else None,
        )  # fmt: skip

    def _on_server(self, ids: list[str]) -> dict[str, Shown]:
        import wandb

        tracking = self.tracking
        path = "/".join(part for part in (tracking.entity, tracking.project) if part)
        api = wandb.Api()
        api.create_project(tracking.project, tracking.entity or api.default_entity or "")
        there = {}
        for start in range(0, len(ids), PAGE):
            # W&B's filters call a run's id its name. Lazily loaded runs would be asked for
            # their config one by one.
            asked = {"name": {"$in": ids[start : start + PAGE]}}
            for run in api.runs(path, asked, per_page=PAGE, lazy=False):
                there[run.id] = Shown(
                    group=run.group or "", tags=tuple(run.tags or ()),
                    attempt=run.config.get("attempt"), exit_code=_ENDED.get(run.state),
                )  # fmt: skip
        return there


def log(opened: "wandb.Run", rows: Iterable[Row]) -> None:
    """The metrics of some steps, which go up from call to call."""
    for step, metrics in rows:
        opened.log(dict(metrics), step=step)


def close(opened: "wandb.Run", run: Run) -> None:
    """End a run with what its trial came to: the best point and not the last."""
    assert run.summary is not None
    opened.config.update(dict(run.config), allow_val_change=True)
    opened.summary.update(dict(run.summary))
    opened.finish(exit_code=run.exit_code)


def _settings() -> "wandb.Settings":
    """Only what we log: no output of the terminal, no hardware, no code, no packages."""
    import wandb

    return wandb.Settings(
        console="off", silent=True, disable_git=True, disable_code=True, save_code=False,
        x_disable_stats=True, x_disable_meta=True, x_save_requirements=False,
        x_disable_machine_info=True, init_timeout=30.0,
    )  # fmt: skip


def errors() -> tuple[type[Exception], ...]:
    """What wandb raises where it is refused or not answered."""
    from wandb.errors import Error

    return (Error, OSError)

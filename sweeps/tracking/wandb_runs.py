"""Writes runs with wandb, and knows which of them are written already.

A run that is there in part is written anew: without `resume`, wandb starts a run
of the same id over. Only this module calls wandb.
"""

import shutil
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sweeps.tracking import offline
from sweeps.tracking.run import Row, Run
from sweeps.tracking.settings import Tracking, mode_of

if TYPE_CHECKING:
    import wandb

PAGE = 500
"""Runs that the server is asked for at a time."""
_ENDED = {"finished": 0, "failed": 1}


class Runs:
    """The runs of one sweep, as `tracking` has them written."""

    def __init__(self, tracking: Tracking) -> None:
        self.tracking = tracking
        self.root = Path(tracking.folder).absolute()

    @cached_property
    def mode(self) -> Literal["online", "offline"]:
        """Where runs go. Found out when it is needed, for it takes the import of wandb."""
        return mode_of(self.tracking)

    def whole(self, wanted: Iterable[Run]) -> set[str]:
        """The ids of those runs that are closed and show the attempt that is wanted."""
        runs = list(wanted)
        if self.mode == "offline":
            return {run.id for run in runs if self._is_whole(run)}
        there = self._on_server({run.group for run in runs})
        return {run.id for run in runs if there.get(run.id) == (run.attempt, run.exit_code)}

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

    def _is_whole(self, run: Run) -> bool:
        found = [offline.read(folder) for folder in offline.folders(self.root, run.id)]
        shown = [(each.config.get("attempt"), each.exit_code) for each in found]
        return shown == [(run.attempt, run.exit_code)]

    def _on_server(self, groups: set[str]) -> dict[str, tuple[Any, int | None]]:
        """Attempt and exit code by id of the runs of these groups."""
        import wandb

        tracking = self.tracking
        path = "/".join(part for part in (tracking.entity, tracking.project) if part)
        api = wandb.Api()
        api.create_project(tracking.project, tracking.entity or api.default_entity or "")
        # Lazily loaded runs would be asked for their config one by one.
        found = api.runs(path, {"group": {"$in": sorted(groups)}}, per_page=PAGE, lazy=False)
        return {run.id: (run.config.get("attempt"), _ENDED.get(run.state)) for run in found}


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

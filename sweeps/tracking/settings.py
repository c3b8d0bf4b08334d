"""Where the runs of a sweep go: the section `execution.tracking` of a spec."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from runners.rules import Rule
from runners.section import Section

MODES = ("auto", "online", "offline")


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """How the runs of a sweep are written; changes no number."""

    project: str = "promptscale"
    """The project of W&B that the runs are in."""
    entity: str | None = None
    """The user or team that it belongs to; None is the one that the key belongs to."""
    mode: str = "auto"
    """One of `MODES`; `auto` is online where there is a key, and offline elsewhere."""
    folder: str = "results"
    """Where wandb makes its own folder `wandb`, in which offline runs lie."""
    live: bool = False
    """Whether workers write runs while trials train; else `track` mirrors them afterwards."""

    def absolute(self) -> "Tracking":
        """The same, for a process that starts in another folder."""
        return replace(self, folder=str(Path(self.folder).absolute()))


RULES = {
    "project": Rule(type=str),
    "entity": Rule(type=str, optional=True),
    "mode": Rule(type=str, choices=MODES),
    "folder": Rule(type=str),
    "live": Rule(type=bool),
}


def read(section: Section) -> Tracking | None:
    """The settings as written, or None where one is not legal, which is reported."""
    section.only(RULES)
    before = len(section.problems)
    values = {name: section.value(name, RULES[name]) for name in RULES if name in section.values}
    return Tracking(**values) if len(section.problems) == before else None


def mode_of(tracking: Tracking) -> Literal["online", "offline"]:
    """What `auto` comes to on this machine; WANDB_MODE decides before the key does."""
    if tracking.mode == "auto":
        asked = os.environ.get("WANDB_MODE")
        is_online = asked == "online" if asked else has_key()
        return "online" if is_online else "offline"
    return "online" if tracking.mode == "online" else "offline"


def has_key() -> bool:
    """Whether wandb finds a key, in the environment or where `wandb login` put one."""
    import wandb

    return bool(wandb.login(prompt=False, verify=False))

"""Where the runs of a sweep go: the section `execution.tracking` of a spec."""

import netrc
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

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
    """Whether wandb will find a key: in WANDB_API_KEY, or in the netrc file for its server."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    server = urlsplit(_server()).hostname
    files = [os.environ.get("NETRC"), Path.home() / ".netrc", Path.home() / "_netrc"]
    path = next((Path(file) for file in files if file and Path(file).is_file()), None)
    if path is None or server is None:
        return False
    try:
        return netrc.netrc(path).authenticators(server) is not None
    except netrc.NetrcParseError:
        # wandb could not read it either.
        return False


def _server() -> str:
    """The server that wandb would speak to, by its own files and the environment."""
    from wandb import Settings

    settings = Settings()
    settings.update_from_system_settings()
    settings.update_from_env_vars(dict(os.environ))
    return settings.base_url

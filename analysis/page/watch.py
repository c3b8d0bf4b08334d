"""Keeps a page current while its sweep runs, and ends when every trial is done."""

import time
from collections.abc import Callable
from pathlib import Path

from analysis.page.build import Page, build, write
from analysis.page.details import Reader
from analysis.source import Sweep, open_sweep


def watch(
    where: str, name: str | None, path: Path, seconds: int, show: Callable[[Page, Path], None],
    *, sleep: Callable[[float], None] = time.sleep,
) -> None:  # fmt: skip
    """Write the page of a sweep every so many seconds, where it has changed, until all is done.

    `show` is told of every page that is written. The manifest is read each time,
    for a sweep that is run again may have grown. Raises what `open_sweep` raises.
    """
    reader: Reader | None = None
    shown = ""
    while True:
        sweep: Sweep = open_sweep(where, name)
        reader = reader or Reader(store=sweep.store)
        page = build(sweep, reader, refresh=seconds)
        if page.html != shown:
            write(page.html, path)
            show(page, path)
            shown = page.html
        if not page.open:
            return
        sleep(seconds)

"""`python -m analysis report`: writes the page of a sweep, once or while it runs."""

import time
from pathlib import Path

from analysis.output import check
from analysis.page.build import Page, build, write
from analysis.page.details import Reader
from analysis.page.watch import watch
from analysis.source import open_sweep

FOLDER = Path("results/reports")
"""Where the page of a sweep goes, under its name, unless `--out` says otherwise."""


def report_page(
    where: str, spec: str | None = None, out: str | None = None, seconds: int | None = None
) -> None:
    """Write the page of a sweep and say where it is; again every `seconds`, until all is done.

    Raises ValueError where the store or the manifest is missing, or the interval is none.
    """
    if seconds is not None and seconds < 1:
        raise ValueError(f"--watch {seconds}: is not a whole number of 1 or more; give seconds")
    sweep = open_sweep(where, spec)
    path = Path(out) if out else FOLDER / f"{sweep.manifest.name}.html"
    if path.is_dir():
        raise ValueError(f"--out {out}: is a folder; give the name of a file, such as report.html")
    check(path.parent)
    if seconds is not None:
        watch(where, spec, path, seconds, _show)
        return
    page = build(sweep, Reader(store=sweep.store))
    write(page.html, path)
    _show(page, path)


def _show(page: Page, path: Path) -> None:
    size = path.stat().st_size
    counts = ", ".join(f"{count:,} {state}" for state, count in page.counts.items() if count)
    now = time.strftime("%H:%M:%S")
    print(f"{now} {path}: {counts} of {page.planned:,} trials, {size / 1e6:.1f} MB", flush=True)

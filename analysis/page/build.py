"""One page of HTML from a sweep: the same bytes from the same store."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from analysis.findings import panels_of
from analysis.frame import load_trials
from analysis.page import chart
from analysis.page.details import EXAMPLES, Reader, chunks, shared_fields
from analysis.page.grid_map import STATES, grid_map
from analysis.page.pictures import further
from analysis.page.sections import study_of
from analysis.source import Sweep

HERE = Path(__file__).parent
_ORIGINS = {
    "code": "Code of the runners", "device": "Device", "versions.python": "Python",
    "versions.torch": "torch", "versions.transformers": "transformers",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page, and how many trials it shows by state."""

    html: str
    counts: dict[str, int]

    @property
    def planned(self) -> int:
        """All trials of the sweep."""
        return sum(self.counts.values())

    @property
    def open(self) -> bool:
        """Whether a running sweep may still change it."""
        return self.counts["done"] < self.planned


def build(sweep: Sweep, reader: Reader, refresh: int | None = None) -> Page:
    """The page of a sweep; with `refresh`, one that looks for a newer one so often, in seconds."""
    manifest, store = sweep.manifest, sweep.store
    trials = load_trials(manifest, store)
    grid = grid_map(trials.frame, store.running())
    read = reader.trials(set(trials.frame["trial_id"]))
    drawable = panels_of(trials.frame)
    study = study_of(manifest, trials, drawable)
    is_open = grid.counts["done"] < len(trials.frame)
    more = further(sweep, trials, drawable, study.notes, reader.lines)
    html = _environment().get_template("page.html").render(
        name=manifest.name, design=manifest.design, spec=manifest.spec, study=study, grid=grid,
        further=more.groups, findings=more.findings, tables=(*study.tables, *more.tables),
        states=STATES, planned=len(trials.frame), shared=shared_fields(trials.frame),
        chunks=chunks(trials.frame, read), origins=list(_origins(sweep, trials.frame)),
        notes=[*sweep.notes, *study.notes, *_unread(read)], latest=_latest(trials.frame),
        refresh=refresh if is_open else None, chart=chart, examples=EXAMPLES,
        style=_asset("style.css"), script=_asset("script.js"),
    )  # fmt: skip
    return Page(html=html, counts=dict(grid.counts))


def write(html: str, path: Path) -> None:
    """Put a page in the place of an older one, whole at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(html, encoding="utf-8", newline="\n")
    draft.replace(path)


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


def _asset(name: str) -> Markup:
    return Markup((HERE / name).read_text(encoding="utf-8"))


def _latest(frame: pd.DataFrame) -> str:
    """When the newest attempt began, or '' where there is none."""
    if "attempt" not in frame or frame["attempt"].dropna().empty:
        return ""
    stamp = str(frame["attempt"].dropna().max())
    return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]} {stamp[9:11]}:{stamp[11:13]} UTC"


def _origins(sweep: Sweep, frame: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """What the numbers come from, each thing with its versions and how many trials have them."""
    yield "Store", sweep.store.root
    yield "Spec (SHA-256)", sweep.manifest.spec_sha256
    yield "Planned by code", sweep.manifest.code
    done = frame[frame["status"] == "done"]
    for column, words in _ORIGINS.items():
        if column in done:
            yield words, _versions(done[column])
    for task, rows in done.groupby("task", sort=False):
        yield f"Data: {task}", _versions(rows["data"])
    for (size, steps), rows in done.groupby(["model_size", "lm_adaptation_steps"], sort=False):
        adapted = f" after {steps:,} steps" if steps != 0 else ""
        yield f"Checkpoint: {size}{adapted}", _versions(rows["base_checkpoint"])


def _versions(values: pd.Series) -> str:
    counted = Counter(map(str, values.dropna()))
    if len(counted) == 1:
        return next(iter(counted))
    return ", ".join(f"{version} ({count})" for version, count in sorted(counted.items()))


def _unread(read: dict[str, Any]) -> Iterator[str]:
    for trial_id, trial in read.items():
        if trial.defect:
            yield f"trial {trial_id}: {trial.defect}"

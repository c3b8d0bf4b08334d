"""The report of a sweep in W&B: a section for each figure, over the runs that `track` wrote.

    python -m analysis wandb-report results/laptop                # its spec as JSON, or published
    python -m analysis wandb-report results/laptop --entity me    # with a key

Each figure has a set of runs for each of its lines, plots of W&B over them, and our
own numbers, which are over tasks and seeds where W&B's plots show runs.
"""

import importlib
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablation.axis import Value
from ablation.grid import SCALE
from ablation.run_tags import panel_tag, sweep_tag
from analysis.findings import panels_of
from analysis.frame import Trials, load_trials
from analysis.manifest import Manifest
from analysis.page.pictures import Further, Group, further
from analysis.page.sections import Finding, PanelFigure, Study, Table, study_of
from analysis.source import Sweep
from analysis.tables.printed import Printed, markdown_lines

TITLE_LETTERS = 128
"""The longest title of a report that W&B takes."""
_IDS = ("id", "__id__")
_COLUMNS = ["run:displayName", "summary:score", "config:task.value", "config:model_size.value"]

_STEPS = {
    "figure_curves": (("Dev score", "score"), ("Training loss", "train_loss")),
    "figure_vocabulary": (("Cosine to the nearest piece", "neighbour_similarity"),),
}
"""What W&B can plot over steps for a further figure: titles, and the keys of the runs."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a report goes, and where images of the figures are served, if they are."""

    project: str = "promptscale"
    entity: str | None = None
    images: str | None = None


def _wr() -> Any:
    """The blocks and panels of wandb-workspaces, which not everybody has installed."""
    with warnings.catch_warnings():
        # It is written for an older pydantic, which says so at its import.
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module("wandb_workspaces.reports.v2")


def title_of(manifest: Manifest) -> str:
    """The title, by which a report that is published again is found."""
    return f"Prompt tuning: {manifest.name}"[:TITLE_LETTERS]


def report_of(sweep: Sweep, place: Place) -> Any:
    """The report of a sweep; nothing is asked of a server."""
    trials = load_trials(sweep.manifest, sweep.store)
    drawable = panels_of(trials.frame)
    study = study_of(sweep.manifest, trials, drawable)
    more = further(sweep, trials, drawable, study.notes)
    return _wr().Report(
        # W&B asks its server for an entity that is left out.
        entity=place.entity or "me",
        project=place.project,
        title=title_of(sweep.manifest),
        description=f"Sweep {sweep.manifest.name}, spec {sweep.manifest.spec_sha256[:16]}",
        width="fluid",
        blocks=[*_opening(sweep, trials, study), *_body(sweep.manifest, study, more, place)],
    )


def spec_of(report: Any) -> dict[str, Any]:
    """What W&B keeps of a report, the same every time: ids that it draws by lot are numbered."""
    text = report._to_model().spec.model_dump_json(by_alias=True, exclude_none=True)
    spec: dict[str, Any] = json.loads(text)
    _number_ids(spec, [0])
    return spec


def publish(report: Any, place: Place) -> str:
    """Put a report online, in the place of one of the same title; returns its address.

    Raises what wandb raises.
    """
    import wandb

    api = wandb.Api()
    report.entity = place.entity or str(api.default_entity)
    path = f"{report.entity}/{report.project}"
    api.create_project(report.project, report.entity)
    there = [each for each in api.reports(path) if each.display_name == report.title]
    if there:
        report.id = there[0].id
    report.save()
    return str(report.url)


def write_spec(report: Any, path: Path) -> None:
    """The spec of a report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(spec_of(report), indent=1) + "\n", encoding="utf-8")


def _opening(sweep: Sweep, trials: Trials, study: Study) -> Iterator[Any]:
    done = int((trials.frame["status"] == "done").sum())
    words = [f"{done:,} of {len(trials.frame):,} trials are done."]
    if study.headline:
        words.insert(0, f"Prompt tuning is {' and '.join(study.headline)}.")
    notes = [f"- {note}" for note in (*sweep.notes, *study.notes)]
    yield _wr().MarkdownBlock(text="\n".join([" ".join(words), "", *notes]))
    yield _wr().TableOfContents()


def _body(manifest: Manifest, study: Study, more: Further, place: Place) -> Iterator[Any]:
    for figure in study.figures:
        yield from _section(manifest, figure, place)
    for group in more.groups:
        yield from _grouped(manifest, group, place)
    if more.findings:
        yield _wr().H2(text="Claims")
        yield _wr().MarkdownBlock(text=markdown(_claims(more.findings)))
    tables: list[Table | Printed] = [*study.tables, *more.tables]
    for table in tables:
        yield _wr().H2(text=table.title)
        yield _wr().MarkdownBlock(text=markdown(table))
    yield _wr().H2(text="Every trial")
    runs = _wr().Runset(
        name=manifest.name, filters=_filters(sweep_tag(manifest.name)), pinned_columns=_COLUMNS
    )
    yield _wr().PanelGrid(runsets=[runs], panels=[_wr().RunComparer(diff_only=True)])
    yield _wr().H2(text="Origin")
    yield _wr().MarkdownBlock(
        text=f"Store `{manifest.name}`, spec {manifest.spec_sha256}, planned by code "
        f"{manifest.code}.\n\n```yaml\n{manifest.spec}\n```"
    )


def _section(manifest: Manifest, figure: PanelFigure, place: Place) -> Iterator[Any]:
    yield _wr().H2(text=f"{figure.axis.figure}: {figure.title}")
    yield _wr().P(text=figure.question)
    yield from _image(_stem(figure), figure.title, place)
    runsets = [_runset(manifest, figure, value) for value in figure.values]
    yield _wr().PanelGrid(runsets=runsets, panels=_plots())
    yield _wr().MarkdownBlock(text=markdown(figure.table))
    yield _wr().P(text=" ".join(part for part in (figure.made_of, figure.partial) if part))


def _grouped(manifest: Manifest, group: Group, place: Place) -> Iterator[Any]:
    """A further figure: our image, or where it is, and W&B's plot of what it is drawn from."""
    yield _wr().H2(text=group.title)
    yield from _image(group.name, group.title, place)
    if not place.images:
        yield _wr().P(text=f"`python -m analysis figures` draws it as {group.name}.png.")
    plots = [
        _wr().LinePlot(
            title=title, x="Step", y=[key], groupby_aggfunc="mean", groupby_rangefunc="stddev",
            layout=_wr().Layout(x=12 * column, y=0, w=12, h=8),
        )
        for column, (title, key) in enumerate(_STEPS.get(group.name, ()))
    ]  # fmt: skip
    if plots:
        runs = _wr().Runset(
            name=manifest.name, filters=_filters(panel_tag(manifest.name, SCALE)),
            groupby=["config.model_size"], pinned_columns=_COLUMNS,
        )  # fmt: skip
        yield _wr().PanelGrid(runsets=[runs], panels=plots)


def _image(stem: str, caption: str, place: Place) -> Iterator[Any]:
    """Our image of a figure, where somebody serves it: W&B takes images by address only."""
    if place.images:
        yield _wr().Image(url=f"{place.images.rstrip('/')}/{stem}.png", caption=caption)


def _runset(manifest: Manifest, figure: PanelFigure, value: Value) -> Any:
    """The runs of one line, grouped by the size of their model."""
    axis = figure.axis
    tag = panel_tag(manifest.name, str(axis.panel))
    filters = _filters(tag, f"Config('{axis.name}') = {value!r}")
    return _wr().Runset(
        name=axis.label_of(value),
        filters=filters,
        groupby=["config.model_size"],
        pinned_columns=_COLUMNS,
    )


def _filters(tag: str, *more: str) -> str:
    """Runs by a tag of the sweep, for those that it shares may be in the group of another."""
    return " and ".join([f"Tags in ['{tag}']", "JobType = 'tuning'", *more])


def _plots() -> list[Any]:
    """W&B's own plots of a set of runs: score by parameters, and by step."""
    return [
        _wr().ScatterPlot(
            title="Score by parameters of the frozen model", x=_wr().Config("model_parameters"),
            y=_wr().SummaryMetric("score"), log_x=True, layout=_wr().Layout(x=0, y=0, w=12, h=8),
        ),
        _wr().LinePlot(
            title="Dev score while training", x="Step", y=["score"], groupby_aggfunc="mean",
            groupby_rangefunc="stddev", layout=_wr().Layout(x=12, y=0, w=12, h=8),
        ),
    ]  # fmt: skip


def _stem(figure: PanelFigure) -> str:
    """The name under which `python -m analysis figures` writes a figure."""
    return f"{figure.axis.figure.lower().replace(' ', '_')}_{figure.axis.panel}"


def _claims(findings: Sequence[Finding]) -> Table:
    rows = tuple(
        (f.claim, f.effect, f"{f.value} {f.rule}", f.holds + (", sure" if f.certain else ""))
        for f in findings
    )
    return Table(title="Claims", heads=("Claim", "Effect", "Measured", "Verdict"), rows=rows)


def markdown(table: Table | Printed) -> str:
    """A table as Markdown."""
    text = "\n".join(markdown_lines(table.heads, table.rows))
    return f"{text}\n\n{table.note}".rstrip()


def _number_ids(part: Any, count: list[int]) -> None:
    """Give everything with an id of W&B's lot the next number in its place."""
    values = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    if isinstance(part, dict):
        for name in _IDS:
            if name in part:
                count[0] += 1
                part[name] = str(count[0])
    for value in values:
        _number_ids(value, count)

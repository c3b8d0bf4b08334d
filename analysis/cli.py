"""The command line of the analysis.

python -m analysis figures results/laptop                  # a store with one sweep in it
python -m analysis figures results/laptop --spec laptop    # one of several sweeps
python -m analysis figures sweeps/specs/laptop.yaml        # the store and sweep of a spec
python -m analysis figures results/laptop --out figures    # into another folder
python -m analysis figures results/laptop --overlay gpt3 xxl   # published points over Figure 1
python -m analysis tables results/laptop                   # on the terminal, in Markdown
python -m analysis compare results/laptop                  # against what is published
python -m analysis report results/laptop                   # one page, results/reports/laptop.html
python -m analysis report results/laptop --watch 30        # kept current while the sweep runs
python -m analysis wandb-report results/laptop             # a report of W&B over its runs
"""

import argparse
import os
import sys
from collections.abc import Sequence

WATCH_SECONDS = 30
"""How often a watched page is written."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or 1 with the reason on stderr.

    `compare` returns 3 where a claim fails that the spec says must hold; 141 is returned where
    nobody reads on, as shells say of a process that a closed pipe ended.
    """
    options = _parser().parse_args(arguments)
    try:
        code: int | None = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still to be written at the exit would fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, OSError) as error:
        print(f"analysis: {error}", file=sys.stderr)
        return 1
    return code or 0


def figures(
    where: str,
    spec: str | None = None,
    out: str | None = None,
    *,
    assume: Sequence[str] = (),
    family: str | None = None,
    overlay: Sequence[str] = (),
    digitised: str | None = None,
) -> None:
    """Draw every figure of a sweep, print its scale curve, and say where the files lie.

    What could not be read or drawn is told, and stands in `notes.txt` in full.

    `assume` and `family` are of Figure 4, `overlay` and `digitised` lie over Figure 1.
    Raises ValueError where the store or the manifest is missing, nothing can be drawn, or
    an assumption or an overlay is none.
    """
    # Loading pandas and matplotlib takes a second that `--help` should not.
    from ablation.task_parameters import read_assumptions
    from analysis.draw import draw_sweep
    from analysis.findings import find
    from analysis.frame import load_trials
    from analysis.output import folder_for
    from analysis.overlays import read_overlays
    from analysis.report import notes_on, report
    from analysis.source import open_sweep
    from analysis.tables.every import write_notes

    assumptions = read_assumptions(assume)
    overlays = read_overlays(overlay, digitised)
    sweep = open_sweep(where, spec)
    folder = folder_for(out, sweep.manifest.name)
    trials = load_trials(sweep.manifest, sweep.store)
    found = find(
        sweep.manifest, trials, sweep.store, assumptions=assumptions, family=family,
        overlays=overlays,
    )  # fmt: skip
    drawing = draw_sweep(found, folder)
    write_notes(notes_on(sweep, trials, drawing), folder)
    print(report(sweep, trials, drawing, folder))


def _figures(options: argparse.Namespace) -> None:
    figures(
        options.where, options.spec, options.out, assume=options.assume, family=options.family,
        overlay=options.overlay, digitised=options.digitised,
    )  # fmt: skip


def _tables(options: argparse.Namespace) -> None:
    from analysis.tables.command import tables

    tables(options.where, options.spec, options.out, as_latex=options.latex)


def _report(options: argparse.Namespace) -> None:
    from analysis.page.command import report_page

    report_page(options.where, options.spec, options.out, options.watch)


def _wandb_report(options: argparse.Namespace) -> None:
    from analysis.wandb_command import wandb_report

    wandb_report(options.where, options.spec, options.out, vars(options))


def _compare(options: argparse.Namespace) -> int:
    from analysis.comparing import compare

    return compare(options.where, options.spec, options.out, options.tolerance, options.digitised)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m analysis", description="What came out of a sweep."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    draw = commands.add_parser("figures", help="draw every figure and table of a sweep")
    draw.set_defaults(run=_figures)
    draw.add_argument("--out", metavar="DIR", help="folder of the files [results/figures/NAME]")
    draw.add_argument(
        "--family", metavar="FAMILY", help="the ladder of Figure 4, such as t5 [the sweep's]"
    )
    draw.add_argument(
        "--assume", metavar="NAME=N", nargs="+", default=[],
        help="what Figure 4 assumes, such as prefix_places=3 (ablation/task_parameters.py)",
    )  # fmt: skip
    draw.add_argument(
        "--overlay", metavar="NAME", nargs="+", default=[],
        help="published points over Figure 1: gpt3 (few-shot), xxl (prompt tuning of T5 XXL)",
    )  # fmt: skip
    draw.add_argument(
        "--digitised", metavar="CSV", help="your reading of the published Figure 1, over ours"
    )
    numbers = commands.add_parser("tables", help="print the tables of a sweep, or write them")
    numbers.set_defaults(run=_tables)
    numbers.add_argument(
        "--out", metavar="DIR", help="write them there, as CSV, Markdown and LaTeX; print nothing"
    )
    numbers.add_argument("--latex", action="store_true", help="print LaTeX, for booktabs")
    page = commands.add_parser("report", help="write one HTML page with all of a sweep in it")
    page.set_defaults(run=_report)
    page.add_argument("--out", metavar="FILE", help="the page [results/reports/NAME.html]")
    page.add_argument(
        "--watch", metavar="SECONDS", type=int, nargs="?", const=WATCH_SECONDS,
        help=f"write it again so often while the sweep runs [{WATCH_SECONDS}]",
    )  # fmt: skip
    online = commands.add_parser(
        "wandb-report", help="publish the report of a sweep in W&B, or write its spec"
    )
    online.set_defaults(run=_wandb_report)
    online.add_argument("--out", metavar="FILE", help="write the spec there, whatever keys are")
    online.add_argument("--entity", help="user or team [that of the key]")
    online.add_argument("--project", default="promptscale", help="project of the runs")
    online.add_argument("--images", metavar="URL", help="where the PNG files of `figures` are")
    beside = commands.add_parser("compare", help="hold a sweep against what is published")
    beside.set_defaults(run=_compare)
    beside.add_argument("--out", metavar="DIR", help="folder of compare.csv [results/figures/NAME]")
    beside.add_argument("--tolerance", metavar="POINTS", type=float, help="points off [1]")
    beside.add_argument("--digitised", metavar="CSV", help="your reading of a published figure")
    for command in (draw, numbers, page, online, beside):
        command.add_argument(
            "where", metavar="STORE", help="a store, a manifest in one, or the spec of the sweep"
        )
        command.add_argument(
            "--spec", metavar="NAME", help="the sweep, where the store holds several"
        )
    return parser

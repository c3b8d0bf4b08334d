"""Tuned prompts: the best of a store, and their way out of it and into it.

    python -m runners.prompts best results/laptop task=boolq model_size=2m --out best
    python -m runners.prompts export results/laptop TRIAL --format peft --out boolq --with-model
    python -m runners.prompts import results/laptop FOLDER task=rte ... --score accuracy=68.6

Families and tasks of a user's own are those of the spec that `--catalogue` names, or of
the sweep that trained the prompt. Formats are PEFT folders and T5X `.npy` files
(docs/prompts.md). Nothing is unpickled. A best prompt is chosen by its dev score,
which is biased upward by the choice.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from runners.catalogue import Catalogue
from runners.catalogue_section import load_catalogue
from runners.config import parse_overrides
from runners.prompt.exporting import export_chosen, export_npy, export_peft, prompt_trial
from runners.prompt.formats import FORMATS
from runners.prompt.importing import Stated, import_prompt
from runners.prompt.listing import choice, folder_names, listing
from runners.prompt.naming import catalogue_for
from runners.prompt.npy_format import FORMAT as NPY
from runners.prompt.winners import GROUPINGS, find_winners
from runners.rules import nearest
from runners.store import Store

_WITH_MODEL = "write the frozen model beside the prompt, as a folder of transformers"


def main(words: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code: 0, or 2 with every reason on stderr."""
    given = list(sys.argv[1:] if words is None else words)
    if not given or given[0] in ("-h", "--help"):
        print(_usage())
        return 0 if given else 2
    if given[0] not in VERBS:
        near = nearest(given[0], VERBS)
        remedy = f"did you mean {near!r}?" if near else f"use one of {', '.join(VERBS)}"
        print(f"python -m runners.prompts: {given[0]!r} is not a verb; {remedy}", file=sys.stderr)
        return 2
    run, parser, _ = VERBS[given[0]]
    options = parser(given[0]).parse_intermixed_args(given[1:])
    try:
        run(options)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _best(options: argparse.Namespace) -> None:
    store = _existing(options.store)
    contest = find_winners(store, parse_overrides(options.filters), options.by)
    print(listing(contest))
    if options.out is None:
        return
    chosen = {
        name: (winner.record, choice(winner))
        for name, winner in folder_names(contest, options.by).items()
    }
    winners = [winner.record for winner in contest.winners]
    catalogue = catalogue_for(winners, store, options.catalogue)
    paths = export_chosen(chosen, store, catalogue, options.out, with_model=options.with_model)
    print("\n".join(f"written: {path}" for path in paths))


def _export(options: argparse.Namespace) -> None:
    store = _existing(options.store)
    record = prompt_trial(store, options.trial)
    if options.format == NPY:
        if options.with_model:
            raise ValueError("--with-model: does not apply to --format npy; leave it out")
        print(f"written: {export_npy(record, store, options.out)}")
        return
    catalogue = catalogue_for([record], store, options.catalogue)
    path = export_peft(record, store, catalogue, options.out, with_model=options.with_model)
    print(f"written: {path}")
    if options.with_model:
        print(f"written: {options.out / 'base'}")


def _import(options: argparse.Namespace) -> None:
    stated = Stated(words=options.words, scores=options.score, note=options.note)
    catalogue = load_catalogue(options.catalogue) if options.catalogue else Catalogue()
    record = import_prompt(options.path, stated, Store(options.store), catalogue)
    print(f"imported: {options.path} as trial {record.trial_id} ({record.label})")
    print(f"score {record.metrics['score']:.2f}, as stated and not measured")


def _existing(root: str) -> Store:
    """The store at `root`; raises ValueError where there is none."""
    if "://" not in root and not Path(root).exists():
        raise ValueError(
            f"{root}: there is no such store; give the folder that a sweep has written"
        )
    return Store(root)


def _best_parser(verb: str) -> argparse.ArgumentParser:
    parser = _parser(verb)
    parser.add_argument("filters", nargs="*", metavar="key=value", help="fields of a TrialConfig")
    parser.add_argument(
        "--by", choices=GROUPINGS, default="task",
        help="what has a winner: a task, or a cell (all but the seed) (default %(default)s)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="write each winner as a PEFT folder into this one")
    parser.add_argument("--with-model", action="store_true", help=_WITH_MODEL)
    return parser


def _export_parser(verb: str) -> argparse.ArgumentParser:
    parser = _parser(verb)
    parser.add_argument("trial", metavar="TRIAL", help="an id of 16 hex digits")
    formats = "; ".join(f"{name}: {words}" for name, words in FORMATS.items())
    parser.add_argument("--format", choices=FORMATS, required=True, help=formats)
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--with-model", action="store_true", help=_WITH_MODEL)
    return parser


def _import_parser(verb: str) -> argparse.ArgumentParser:
    parser = _parser(verb)
    parser.add_argument("path", type=Path, metavar="PATH", help="a PEFT folder or a .npy file")
    parser.add_argument(
        "words", nargs="*", metavar="key=value", help="the fields of a TrialConfig that was run"
    )
    parser.add_argument(
        "--score", action="append", default=[], metavar="NAME=VALUE",
        help="a dev metric in percent; their mean is the score. May be given several times",
    )  # fmt: skip
    parser.add_argument("--note", help="kept in the record, such as another optimizer's name")
    return parser


def _parser(verb: str) -> argparse.ArgumentParser:
    words = VERBS[verb][2]
    parser = argparse.ArgumentParser(
        prog=f"python -m runners.prompts {verb}", description=f"{words[0].upper()}{words[1:]}."
    )
    parser.add_argument("store", metavar="STORE", help="folder or URL of a store")
    parser.add_argument(
        "--catalogue", type=Path, metavar="SPEC",
        help="a spec, or a YAML file with its keys families, tasks and data, for more names",
    )  # fmt: skip
    return parser


VERBS: Mapping[
    str,
    tuple[Callable[[argparse.Namespace], None], Callable[[str], argparse.ArgumentParser], str],
] = {
    "best": (_best, _best_parser, "name the winning prompt of each task or cell"),
    "export": (_export, _export_parser, "write a trial's prompt for other programs"),
    "import": (_import, _import_parser, "commit a prompt of another program as a trial"),
}
"""Each verb, what runs it, what reads its words, and what it does."""


def _usage() -> str:
    lines = [f"  {verb:<8} {words}" for verb, (_, _, words) in VERBS.items()]
    return "\n".join(["usage: python -m runners.prompts VERB ...", "", *lines])


if __name__ == "__main__":
    sys.exit(main())

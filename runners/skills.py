"""What a nano model has learned of its world, before any prompt: a table of skills.

    python -m runners.skills                                    # every pre-trained size
    python -m runners.skills --milestones ID ... --store STORE  # adapted models of a sweep

A span-corruption model is asked to fill a masked reply, an adapted one to go
on with it. A skill is the share of `--items` questions, right reply against
wrong one, in which the right one is likelier; 0.5 is chance.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from runners.catalogue import Catalogue
from runners.microworld.skills import SKILLS, sample_items
from runners.model.family import shipped
from runners.store import Store

if TYPE_CHECKING:
    from runners.model.backbone import Backbone


def main(words: Sequence[str] | None = None) -> int:
    """Show the skills of the sizes that are asked for; returns the exit code."""
    options = _parser().parse_args(words)
    from runners.training.skills import skill

    try:
        models = _models(options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(_row("share of right replies, chance 0.50", models))
    for name in SKILLS:
        items = sample_items(name, options.seed, options.items)
        shares = (skill(m, items, masked=not options.milestones) for m in models.values())
        print(_row(name, (f"{share:.2f}" for share in shares)), flush=True)
    return 0


def _models(options: argparse.Namespace) -> "dict[str, Backbone]":
    """The models to ask, by the names of their columns."""
    from runners.model.loading import load_milestone, load_pretrained

    if not options.milestones:
        return {
            size: load_pretrained(Catalogue(), "nano", size, "float32") for size in options.size
        }
    store = Store(options.store)
    models: dict[str, Backbone] = {}
    for milestone in options.milestones:
        record = store.get(milestone)
        if record is None or record.stage != "lm_adaptation":
            raise ValueError(
                f"{milestone}: is no milestone of the store {store.root}; "
                "python -m runners.lm_adaptation prints the ids of those it makes"
            )
        models[record.label] = load_milestone(record, store, Catalogue(), "float32")
    return models


def _row(name: str, cells: Iterable[str]) -> str:
    return f"{name:<36}" + "".join(f"{cell:>12}" for cell in cells)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runners.skills", description="What nano models have learned of their world."
    )
    sizes = list(shipped()["nano"].rungs)
    parser.add_argument("--size", nargs="+", choices=sizes, default=sizes)
    parser.add_argument("--milestones", nargs="+", default=[], metavar="ID")
    parser.add_argument("--store", default="results/alone", help="where the milestones are")
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    sys.exit(main())

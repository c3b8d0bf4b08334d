"""What a nano model has learned of its world, before any prompt: a table of skills.

    python -m runners.skills                                    # every pre-trained size
    python -m runners.skills --milestones ID ... --store STORE  # adapted models of a sweep

A span-corruption model is asked to fill a masked reply, an adapted one to go
on with it. A skill is the share of `--items` questions, right reply against
wrong one, in which the right one is likelier; 0.5 is chance.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from runners.catalogue import Catalogue
from runners.data.batching import Encoded, collate
from runners.microworld.skills import SKILLS, Item, sample_items
from runners.model.backbone import Backbone
from runners.model.family import shipped
from runners.model.loading import load_milestone, load_pretrained
from runners.store import Store

ROWS = 256
"""Rows of a batch."""
MASK, NEXT = "<extra_id_0>", "<extra_id_1>"


@torch.no_grad()
def skill(backbone: Backbone, items: Sequence[Item], *, masked: bool) -> float:
    """The share of items, 0 to 1, whose right reply is likelier than the wrong one.

    `masked` asks as span corruption does, else as a text that goes on.
    """
    right, wrong = (
        torch.cat([_losses(backbone, part, masked=masked) for part in _batches(pairs)])
        for pairs in ([(i.text, i.right) for i in items], [(i.text, i.wrong) for i in items])
    )
    return float((right < wrong).float().mean())


def _batches(pairs: Sequence[tuple[str, str]]) -> Iterator[Sequence[tuple[str, str]]]:
    return (pairs[start : start + ROWS] for start in range(0, len(pairs), ROWS))


def _losses(backbone: Backbone, pairs: Sequence[tuple[str, str]], *, masked: bool) -> Tensor:
    """The summed loss of each reply in nats [B]."""

    def encode(text: str) -> list[int]:
        return backbone.codec.words([text])[0]

    end = [backbone.codec.end_id]
    before, after = (encode(MASK), encode(NEXT)) if masked else ([], [])
    rows = [
        Encoded(
            input_ids=np.array(encode(text) + before + end),
            target_ids=np.array(before + encode(reply) + after + end),
        )
        for text, reply in pairs
    ]
    batch = collate(rows, backbone.codec)
    embedded = backbone.embed(backbone.weights, batch.input_ids)
    return backbone.losses(backbone.weights, embedded, batch.mask, batch.targets).sum(dim=1)


def main(words: Sequence[str] | None = None) -> int:
    """Show the skills of the sizes that are asked for; returns the exit code."""
    options = _parser().parse_args(words)
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


def _models(options: argparse.Namespace) -> dict[str, Backbone]:
    """The models to ask, by the names of their columns."""
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

"""Span-corruption pre-training from nothing: of the nano ladder, or of your own on your own text.

    python -m runners.pretraining --family mine.yaml --size small --text FOLDER --steps 20000
    python -m runners.pretraining --family mine.yaml --size large --text FOLDER --steps 5000 \\
        --start mine/small
    python -m runners.pretraining --size 60k --stages primer:10000 world:30000 --out ladder
    python -m runners.pretraining --size 60k --stages school:40000 --out ladder \\
        --start ladder/60k

The first writes a `transformers` checkpoint in bfloat16 where the family file says
that it is, and before that the tokenizer, where there is none: the family can be
used at once (docs/own_ladder.md). The second begins with what a smaller size has
learned: its checkpoint is grown (`runners.model.growth`), and trained with a learning
rate and moments of its own.

The others are how the shipped ladder was made (docs/ladder.md). The third writes
`ladder/60k/`, and `ladder/tokenizer/` where that is missing. The fourth goes on from
that checkpoint, or grows one, in the same way.

Beside a checkpoint, `training.jsonl` has what decided it and a line of losses every
so many steps. A run that is cut off goes on from its state in `--work` when the same
command is given again.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runners.catalogue import Catalogue
from runners.catalogue_section import add_family
from runners.config import DTYPES
from runners.data.span_corruption import LONGEST, SHORTEST
from runners.data.text import WINDOW, read_text
from runners.microworld.exchanges import MIXES
from runners.model.checkpoint import LADDER
from runners.model.device import DEVICES, choose
from runners.model.family import Place, Rung, shipped
from runners.model.sizes import T5Shape
from runners.rules import ConfigError, Problem, Rule, violations

NANO = "nano"
"""The family that reads the embedded world."""
WORLD_DEFAULTS: dict[str, Any] = {"stages": None, "batches": 20, "salient": 0.9}
"""Options that only the embedded world has."""
TEXT_DEFAULTS: dict[str, Any] = {
    "family": None, "text": None, "steps": None, "window": WINDOW, "pieces": None, "every": 200,
}  # fmt: skip
"""Options that only a text has."""
_COUNT = Rule(type=int, minimum=1)
_RULES = {
    "steps": _COUNT, "batch_size": _COUNT, "batches": _COUNT, "pieces": _COUNT, "every": _COUNT,
    "threads": _COUNT, "seed": Rule(type=int, minimum=0), "salient": Rule(type=float, minimum=0),
    "learning_rate": Rule(type=float, above=0),
    "window": Rule(type=int, minimum=SHORTEST, below=LONGEST + 1),
}  # fmt: skip


def main(words: Sequence[str] | None = None) -> int:
    """Parse, pre-train, write; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(words)
    try:
        reads_text = _check(options)
    except ConfigError as error:
        parser.error(str(error))
    import torch

    from runners.training.trial import Diverged

    try:
        torch.set_num_threads(options.threads)
        (_on_text if reads_text else _on_world)(options)
    except ValueError as error:
        parser.error(str(error))
    except Diverged as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _check(options: argparse.Namespace) -> bool:
    """Whether a text is read, with defaults filled in; raises ConfigError with all mistakes."""
    reads_text = options.text is not None or options.family is not None
    needed: tuple[str, ...] = ("stages",)
    mine, others = WORLD_DEFAULTS, TEXT_DEFAULTS
    if reads_text:
        mine, others = TEXT_DEFAULTS, WORLD_DEFAULTS
        needed = ("family", "text", "steps")
    given = {name: value for name, value in vars(options).items() if value is not None}
    problems = [_foreign(name, given[name], reads_text) for name in others if name in given]
    problems += [_missing(name, reads_text) for name in needed if name not in given]
    for name, default in mine.items():
        setattr(options, name, given.get(name, default))
    for name in (name for name in _RULES if name in given):
        problems += violations(_flag(name), given[name], _RULES[name])
    if problems:
        raise ConfigError(problems)
    return reads_text


def _foreign(name: str, value: object, reads_text: bool) -> Problem:
    words = " ".join(value) if isinstance(value, list) else str(value)
    rule = f"does not apply to {'your own text' if reads_text else 'the embedded world'}"
    return Problem(key=_flag(name), value=words, rule=rule, remedy="leave it out")


def _missing(name: str, reads_text: bool) -> Problem:
    remedy = "give --family FILE, --text FOLDER and --steps NUMBER"
    if not reads_text:
        remedy = f"give MIX:UNTIL for the embedded world; for your own text {remedy}"
    return Problem(key=_flag(name), value=None, rule="is missing", remedy=remedy)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _on_world(options: argparse.Namespace) -> None:
    from runners.training import world_pretraining as world

    Catalogue().rung(NANO, options.size)
    begin = 0 if options.start is None else world.last_step(options.start)
    recipe = world.Recipe(
        size=options.size, stages=world.stages_of(options.stages, begin), begin=begin,
        batch_size=options.batch_size, batches=options.batches,
        learning_rate=options.learning_rate,
        salient=options.salient, seed=options.seed, compute_dtype=options.compute_dtype,
    )  # fmt: skip
    world.pretrain(
        recipe, start=options.start, out=options.out or LADDER, work=options.work,
        device=choose(options.device),
    )  # fmt: skip


def _on_text(options: argparse.Namespace) -> None:
    """Pre-train one rung, telling what is read and how far it is."""
    from runners.training import text_pretraining as own

    device = choose(options.device)
    catalogue, name = add_family(Catalogue(), options.family)
    rung = catalogue.rung(name, options.size)
    if catalogue.architecture(name) != "t5":
        raise ValueError(
            f"{options.family}: architecture {catalogue.architecture(name)} is not made here; "
            "write architecture: t5"
        )
    shape, checkpoint, tokenizer = _places(rung, options)
    text = read_text(options.text)
    print(f"text: {text.describe()}", flush=True)
    recipe = own.TextRecipe(
        shape=shape, steps=options.steps, batch_size=options.batch_size, window=options.window,
        learning_rate=options.learning_rate, seed=options.seed, compute_dtype=options.compute_dtype,
    )  # fmt: skip
    codec = own.tokenizer_of(tokenizer, text, pieces=options.pieces, shape=shape)
    reading = own.reading_of(recipe, text, codec)
    print(own.describe(recipe, reading, tokenizer), flush=True)
    origin = own.origin_of(recipe, text, codec, options.start)
    if own.is_made(checkpoint, origin):
        print(f"{checkpoint}: is made by this command already; nothing was done")
        return
    state = options.work / f"{name}-{rung.name}.safetensors"
    for line in own.pretrain(
        recipe, reading, origin, out=checkpoint, state=state, every=options.every,
        start=options.start, device=device,
    ):  # fmt: skip
        print(f"{rung.name}: {own.progress(line, recipe)}", flush=True)
    print(f"{rung.name}: written to {checkpoint}")


def _places(rung: Rung, options: argparse.Namespace) -> tuple[T5Shape, Path, Place]:
    """The shape of a rung, the folder of its checkpoint, and the place of its tokenizer.

    Raises ValueError for a rung without a shape, and for one that is no folder
    of the user's own.
    """
    if rung.shape is None:
        raise ValueError(
            f"{options.family}: size {rung.name} has no shape, which a new model needs; write "
            "shape: {vocabulary: 4100, d_model: 64, d_ff: 128, heads: 4, d_kv: 16, "
            "encoder_layers: 2, decoder_layers: 2} in place of parameters and width"
        )
    if options.out is not None:
        return rung.shape, options.out / rung.name, Place(path=options.out / "tokenizer")
    if rung.checkpoint.path is None or options.family in shipped():
        raise ValueError(
            f"{options.family}: the checkpoint of size {rung.name}, {rung.checkpoint}, is not "
            "yours to write; name a folder that begins with ./ in a family file, or give --out"
        )
    return rung.shape, rung.checkpoint.path, rung.tokenizer


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runners.pretraining", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--size", required=True, help="a rung of the family, such as 60k")
    parser.add_argument(
        "--start", type=Path, help="checkpoint to go on from, of this size or a smaller one"
    )
    parser.add_argument("--batch-size", type=int, default=64, help="rows a step (%(default)s)")
    parser.add_argument("--learning-rate", type=float, default=0.002, help="AdamW's (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compute-dtype", choices=DTYPES, default="float32")
    parser.add_argument("--threads", type=int, default=1, help="cores to compute on (%(default)s)")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="(%(default)s)")
    parser.add_argument("--out", type=Path, help="folder to write <size>/ and tokenizer/ into")
    parser.add_argument(
        "--work", type=Path, default=Path("results/pretraining"),
        help="where the state of a run is kept (%(default)s)",
    )  # fmt: skip
    text = parser.add_argument_group("your own text")
    text.add_argument("--family", help="a family file, whose places are written to")
    text.add_argument("--text", type=Path, help="folder of .txt and .jsonl files")
    text.add_argument("--steps", type=int)
    text.add_argument("--window", type=int, help=f"tokens of a row ({TEXT_DEFAULTS['window']})")
    text.add_argument("--pieces", type=int, help="of the tokenizer (vocabulary less sentinels)")
    text.add_argument(
        "--every", type=int, help=f"steps between two lines and states ({TEXT_DEFAULTS['every']})"
    )
    nano = parser.add_argument_group("the nano ladder")
    nano.add_argument(
        "--stages", nargs="+", metavar="MIX:UNTIL",
        help=f"what is read until which step; mixes: {', '.join(MIXES)}",
    )  # fmt: skip
    nano.add_argument(
        "--batches", type=int,
        help=f"batches among which documents are sorted by length ({WORLD_DEFAULTS['batches']})",
    )  # fmt: skip
    nano.add_argument(
        "--salient", type=float,
        help=f"share of documents that lose answers ({WORLD_DEFAULTS['salient']})",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())

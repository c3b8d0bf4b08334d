"""LM adaptation: a span-corruption model learns to continue text (Lester et al. 2021, 2.2).

    python -m runners.lm_adaptation --size 60k --steps 100 500 1000 --store results/alone
    python -m runners.lm_adaptation --family mine.yaml --size small --text FOLDER \\
        --steps 100 1000

The first reads the embedded world, the second a model of a user's own and the
user's own text (docs/own_ladder.md). What a run does is in `runners.training.adaptation`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from runners.catalogue import Catalogue
from runners.catalogue_section import add_family, add_text
from runners.config import DTYPES, AdaptationConfig
from runners.model.device import DEVICES, choose
from runners.rules import count
from runners.store import Store


def main(words: Sequence[str] | None = None) -> int:
    """Adapt one size, show its milestones, and return the exit code."""
    parser = _parser()
    options = parser.parse_args(words)
    import torch

    from runners.training.adaptation import adapt
    from runners.training.layout import Layout
    from runners.training.trial import Diverged

    try:
        catalogue, family = add_family(Catalogue(), options.family)
        catalogue.rung(family, options.size)
        if catalogue.architecture(family) == "causal":
            raise ValueError(
                f"--family: {family!r} is decoder-only, and has learned to go on from a text "
                "already; tune prompts on it as it is (pretraining_objective=causal_lm)"
            )
        text = None
        if options.text is not None:
            catalogue, text = add_text(catalogue, options.text)
        config = AdaptationConfig(
            model_family=family,
            model_size=options.size,
            batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            seed=options.seed,
            compute_dtype=options.compute_dtype,
            text=text,
        )
        store = Store(options.store)
        torch.set_num_threads(options.threads)
        device = choose(options.device)
        steps = adapt(
            config, options.steps, store, catalogue, device=device,
            layout=Layout(recomputes=options.activation_checkpointing),
        )  # fmt: skip
        for step, last in steps:
            if step * 10 // last > (step - 1) * 10 // last:
                print(f"LM adaptation: step {step} of {last}", file=sys.stderr, flush=True)
    except ValueError as error:
        parser.error(str(error))
    except Diverged as error:
        print(error, file=sys.stderr)
        return 1
    for steps in sorted(set(options.steps)):
        print(_describe(config, steps, store))
    return 0


def _describe(config: AdaptationConfig, steps: int, store: Store) -> str:
    record = store.get(config.milestone_id(steps))
    assert record is not None
    loss = record.metrics["held_out_loss"]
    return f"{record.label}  held-out loss {loss:.3f} nats a token  (milestone {record.trial_id})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runners.lm_adaptation",
        description="LM adaptation of one model; one run yields every milestone.",
    )
    parser.add_argument(
        "--family", default="nano", help="ladder of models, or a family file (default %(default)s)"
    )
    parser.add_argument("--size", required=True, help="a rung of it, such as 60k")
    parser.add_argument(
        "--text", type=Path, help="folder of .txt and .jsonl files; none is the embedded world"
    )
    parser.add_argument("--steps", type=count, nargs="+", required=True, help="milestones")
    parser.add_argument("--batch-size", type=count, default=32)
    parser.add_argument("--learning-rate", type=float, default=0.003)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compute-dtype", choices=DTYPES, default="float32")
    parser.add_argument(
        "--threads", type=count, default=1, help="cores to compute on (%(default)s)"
    )
    parser.add_argument("--device", choices=DEVICES, default="auto", help="(%(default)s)")
    parser.add_argument(
        "--activation-checkpointing", action="store_true",
        help="layers compute again what the backward pass needs, to save memory",
    )  # fmt: skip
    parser.add_argument("--store", default="results/alone", help="folder or URL (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Several prompts of one task as one: all asked in the same batches, and their answers voted on.

    python -m runners.evaluation --ensemble results/laptop TRIAL TRIAL TRIAL

Families and tasks of a user's own are those of the spec that `--catalogue` names, or of
the sweep that trained the prompts.

Lester et al. 2021, 6: N prompts on one frozen model cost one model and N rows a
question. The vote over answers that are given now is compared with the vote over
those that the trials recorded.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from runners.catalogue import Catalogue
from runners.data.source import load_task_data
from runners.evaluation import Questions, answer
from runners.model.backbone import device_of
from runners.model.device import DEVICES
from runners.prompt.exporting import prompt_trial
from runners.prompt.naming import catalogue_for
from runners.serving.frozen import load_frozen
from runners.serving.models import ServedPrompt
from runners.serving.sources import PREDICTIONS, model_of
from runners.store import Store
from runners.tasks.voting import TIE_RULE, Vote, vote_each


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What an ensemble scores, and each of its voters alone."""

    prompts: tuple[ServedPrompt, ...]
    metrics: dict[str, float]
    alone: tuple[float, ...]
    """The score of each voter."""
    votes: tuple[Vote, ...]
    recorded: tuple[Vote, ...]
    """The votes over the answers that the trials recorded."""

    @property
    def differing(self) -> list[int]:
        """The dev examples where the vote is not the one over recorded answers."""
        pairs = zip(self.votes, self.recorded, strict=True)
        return [place for place, (now, then) in enumerate(pairs) if now.answer != then.answer]


def judge_ensemble(
    trials: Sequence[str], store: Store, catalogue: Catalogue, *, device: str = "cpu"
) -> Judged:
    """Ask the prompts of committed trials the dev examples of their task, and vote.

    `device` is one of `runners.model.device.DEVICES`. Raises ValueError where they are
    not of one task, one frozen model and the same dev examples, or choose their answers
    by likelihood, and where a store lacks one of them or its answers.
    """
    prompts = model_of("ensemble", trials, store, catalogue).prompts
    first = prompts[0]
    for prompt in prompts:
        if prompt.frozen != first.frozen:
            raise ValueError(
                f"trial {prompt.id}: was tuned on {prompt.frozen}, and {first.id} on "
                f"{first.frozen}; let prompts of one frozen model vote"
            )
        if prompt.config.answer_by != "generation":
            raise ValueError(
                f"trial {prompt.id}: answers by {prompt.config.answer_by}; give trials that "
                "answer by generation"
            )
    backbone = load_frozen(first.frozen, catalogue, device=device)
    place = device_of(backbone.weights)
    data = [load_task_data(prompt.config, backbone.codec, catalogue) for prompt in prompts]
    if len({each.fingerprint for each in data}) > 1:
        raise ValueError("the trials have other examples; give trials with equal data settings")
    asked = [
        Questions(
            prompt=torch.tensor(p.vectors, device=place), rows=each.dev, limit=each.target_limit
        )
        for p, each in zip(prompts, data, strict=True)
    ]
    answers = answer(backbone, backbone.weights, asked)
    scored = [each.score(ids) for each, ids in zip(data, answers, strict=True)]
    canonical = data[0].task.canonical
    votes = vote_each([predictions for _, predictions in scored], canonical)
    metrics, _ = data[0].judge([vote.answer for vote in votes])
    return Judged(
        prompts=prompts, metrics=metrics, votes=tuple(votes),
        alone=tuple(metrics["score"] for metrics, _ in scored),
        recorded=tuple(vote_each([_recorded(store, p.id) for p in prompts], canonical)),
    )  # fmt: skip


def _recorded(store: Store, trial: str) -> list[str]:
    lines = store.read(trial, PREDICTIONS).decode().splitlines()
    return [json.loads(line)["prediction"] for line in lines]


def main(words: Sequence[str] | None = None) -> int:
    """Judge an ensemble; returns 0 where it votes as the recorded answers do, else 1.

    2 where it cannot be judged.
    """
    parser = argparse.ArgumentParser(
        prog="python -m runners.evaluation", description="Judge an ensemble of prompts on dev."
    )
    parser.add_argument(
        "--ensemble", nargs="+", required=True, metavar=("STORE", "TRIAL"),
        help="a store, and the trials that vote; their order decides ties",
    )  # fmt: skip
    parser.add_argument(
        "--device", choices=DEVICES, default="auto", help="auto is a GPU where one is (%(default)s)"
    )
    parser.add_argument(
        "--catalogue", type=Path, metavar="FILE", help="a spec, or YAML, with more names"
    )
    options = parser.parse_args(words)
    root, *trials = options.ensemble
    try:
        store = Store(root)
        records = [prompt_trial(store, trial) for trial in trials]
        catalogue = catalogue_for(records, store, options.catalogue)
        judged = judge_ensemble(trials, store, catalogue, device=options.device)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    for prompt, score in zip(judged.prompts, judged.alone, strict=True):
        print(f"{prompt.label} ({prompt.id}): {score:.2f}")
    tied = sum(vote.tied for vote in judged.votes)
    print(f"vote of {len(judged.prompts)}: {judged.metrics['score']:.2f}")
    print(f"{tied} of {len(judged.votes)} examples tied; {TIE_RULE}")
    print(f"other than the vote over recorded answers: {len(judged.differing)}")
    return 1 if judged.differing else 0

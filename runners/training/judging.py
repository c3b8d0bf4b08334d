"""How far trials have come: their answers on dev, and what their best points say of other tasks."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from runners.data.source import DevData
from runners.evaluation import Questions, answer, log_likelihoods, tokens_a_batch
from runners.model.backbone import Backbone, Weights, device_of
from runners.model.sharded_t5 import ShardedT5
from runners.prompt.neighbours import near_prompt
from runners.training.memory import Room
from runners.training.method import METHODS, Method
from runners.training.trial import TrialRun


def evaluate(backbone: Backbone, runs: Sequence[TrialRun], room: Room | None = None) -> None:
    """Score every trial on its dev rows and let it note the result."""
    if not runs:
        return
    method = method_of(runs)
    exams = [
        (_detached(method.prompt(run.parameters)), member.data)
        for run in runs
        for member in run.members
    ]
    weights = method.weights(backbone, runs[0].parameters)
    judged = iter(_judged(backbone, weights, exams, runs[0].config.answer_by, room))
    for run in runs:
        run.evaluated(list(itertools.islice(judged, len(run.members))))
        if "prompt" in run.parameters:
            near = near_prompt(run.parameters["prompt"], backbone).similarity
            for member in run.members:
                member.history[-1]["neighbour_similarity"] = round(near, 6)


def evaluate_transfer(
    backbone: Backbone, runs: Sequence[TrialRun], room: Room | None = None
) -> None:
    """Judge the best points of finished runs on the transfer tasks of their members."""
    members = [member for run in runs for member in run.members if member.transfer]
    if not members:
        return
    method = method_of(runs)
    # Where the model trains, members that are at their best at other steps have other models.
    for group in [members] if method.shares_model else [[member] for member in members]:
        bests = [_on_device(member.best.parameters, backbone) for member in group if member.best]
        exams = [
            (method.prompt(best), data)
            for member, best in zip(group, bests, strict=True)
            for data in member.transfer.values()
        ]
        weights = method.weights(backbone, bests[0])
        judged = iter(_judged(backbone, weights, exams, group[0].config.answer_by, room))
        for member in group:
            found = itertools.islice(judged, len(member.transfer))
            member.transferred = dict(zip(member.transfer, found, strict=True))


Judged = list[tuple[dict[str, float], list[str]]]
"""Metrics and predictions of each trial."""


def _judged(
    backbone: Backbone,
    weights: Weights,
    exams: Sequence[tuple[Tensor | None, DevData]],
    answer_by: str,
    room: Room | None,
) -> Judged:
    """What comes of asking each prompt, or the bare model, the questions beside it."""
    asked = [
        Questions(prompt=prompt, rows=data.dev, limit=data.target_limit) for prompt, data in exams
    ]
    answering = _chosen if answer_by == "likelihood" else _generated
    data = [each for _, each in exams]
    whole = tokens_a_batch(backbone)
    return (room or Room()).fit(
        lambda most: min(most or whole, whole),
        lambda tokens: answering(backbone, weights, asked, data, tokens),
        # With one token a batch every row is alone.
        largest=lambda tokens: tokens if tokens > 1 else 0,
    )


def _generated(
    backbone: Backbone, weights: Weights, asked: Sequence[Questions], data: Sequence[DevData],
    tokens: int,
) -> Judged:  # fmt: skip
    answers = answer(backbone, weights, asked, tokens=tokens)
    return [each.score(generated) for each, generated in zip(data, answers, strict=True)]


def _chosen(
    backbone: Backbone, weights: Weights, asked: Sequence[Questions], data: Sequence[DevData],
    tokens: int,
) -> Judged:  # fmt: skip
    """Judges the likeliest choice of each dev row; of equals, the first."""
    choices = [each.choices() for each in data]
    found = log_likelihoods(backbone, weights, asked, choices, tokens=tokens)
    return [
        each.judge(
            [
                example.choices[scores.index(max(scores))]
                for example, scores in zip(each.dev_examples, rows, strict=True)
            ]
        )
        for each, rows in zip(data, found, strict=True)
    ]


def _on_device(parameters: Mapping[str, Tensor], backbone: Backbone) -> dict[str, Tensor]:
    """Parameters that were kept on the cores, where the model computes."""
    if isinstance(backbone, ShardedT5):
        # Each rank moves its own part of them, when they are lent to the model.
        return dict(parameters)
    device = device_of(backbone.weights)
    return {name: parameter.to(device) for name, parameter in parameters.items()}


def _detached(prompt: Tensor | None) -> Tensor | None:
    return None if prompt is None else prompt.detach()


def method_of(runs: Sequence[TrialRun]) -> Method:
    """The method that all of some runs share, as packs have it."""
    method = METHODS[runs[0].config.method]
    assert all(METHODS[run.config.method] is method for run in runs)
    assert len({run.config.answer_by for run in runs}) == 1
    assert method.shares_model or len(runs) == 1
    return method


def answer_rows(data: DevData, answers: Sequence[str]) -> Iterator[dict[str, Any]]:
    """A line of `predictions.jsonl` for each dev example and its answer."""
    for example, given in zip(data.dev_examples, answers, strict=True):
        yield {
            "key": example.key,
            "input": example.input,
            "target": example.target,
            "prediction": given,
            # What a score needs beside the answer, so that votes can be scored without the data.
            "references": example.references,
            "holds": example.holds,
        }

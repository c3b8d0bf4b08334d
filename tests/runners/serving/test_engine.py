"""One batch of questions: mixed as it may be, the answers are those of each question alone."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig

from runners.catalogue import Catalogue
from runners.model.backbone import Backbone
from runners.model.codec import Codec
from runners.model.loading import load_pretrained
from runners.model.t5_backbone import T5Backbone
from runners.serving.engine import Asked, respond
from runners.serving.protocol import Query
from tests.runners.conftest import Wrap
from tests.runners.model.decoders import random_model

LENGTHS = (1, 2, 5, 11, 20)
END = 1

_question = st.tuples(
    st.sampled_from(LENGTHS), st.integers(1, 60), st.integers(0, 10**6), st.integers(1, 9)
)


@pytest.fixture(scope="module", params=["t5", "decoder"])
def either(request: pytest.FixtureRequest, loud: T5Backbone, as_causal: Wrap) -> Backbone:
    """A T5 and a decoder-only model, random, of the width of the prompts."""
    if request.param == "t5":
        return loud
    config = LlamaConfig(
        vocab_size=700, hidden_size=loud.width, intermediate_size=40, num_hidden_layers=2,
        num_attention_heads=3, max_position_embeddings=128, bos_token_id=END, eos_token_id=END,
    )  # fmt: skip
    decoder = random_model(config)
    decoder.lm_head.weight[END] *= 3
    return as_causal(decoder)


@settings(max_examples=15, deadline=None)
@given(st.lists(_question, min_size=1, max_size=12))
def test_written_answers_of_any_mix_are_those_of_each_question_alone(
    either: Backbone, make_asked: Callable[..., Asked], questions: list[tuple[int, int, int, int]]
) -> None:
    """Catches a neighbour, a padding or a limit of another row that is felt, in any mix."""
    asked = [make_asked(p, t, seed=s, limit=n) for p, t, s, n in questions]
    together = respond(either, asked)
    assert [each.ids for each in together] == [respond(either, [each])[0].ids for each in asked]
    assert {each.batch for each in together} == {len(asked)}
    assert {each.prompts for each in together} == {len({p for p, *_ in questions})}


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(_question, st.integers(1, 4)), min_size=1, max_size=8))
def test_chosen_answers_of_any_mix_are_those_of_each_question_alone(
    either: Backbone,
    make_asked: Callable[..., Asked],
    questions: list[tuple[tuple[int, int, int, int], int]],
) -> None:
    """Catches a likelihood that is of another row's choice, or that counts padding."""
    asked = [make_asked(p, t, seed=s, choices=c) for (p, t, s, _), c in questions]
    for each, found in zip(asked, respond(either, asked), strict=True):
        alone = respond(either, [each])[0].log_likelihoods
        assert found.log_likelihoods == pytest.approx(alone, rel=1e-5, abs=1e-5)
        assert len(alone) == len(each.query.choices)


@settings(max_examples=5, deadline=None)
@given(st.lists(_question, min_size=2, max_size=8))
def test_a_shipped_model_answers_any_mix_as_it_answers_alone(
    questions: list[tuple[int, int, int, int]],
) -> None:
    """Catches what a random model does not show: trained weights with large activations."""
    backbone = load_pretrained(Catalogue(), "nano", "60k", "float32")
    generator = torch.Generator().manual_seed(0)
    prompts = {n: torch.rand(n, backbone.width, generator=generator) for n in LENGTHS}
    asked = [
        Asked(
            query=Query(
                prompt=str(p), limit=n,
                input_ids=(*torch.randint(3, 600, (t,), generator=generator).tolist(), END),
            ),
            prompt=prompts[p],
        )
        for p, t, _, n in questions
    ]  # fmt: skip
    together = respond(backbone, asked)
    assert [each.ids for each in together] == [respond(backbone, [each])[0].ids for each in asked]


def test_tokens_are_told_as_they_are_written(
    loud: T5Backbone, make_asked: Callable[..., Asked]
) -> None:
    """Catches tokens told to the wrong asker, after the end, or beyond a row's own limit."""
    asked = [make_asked(LENGTHS[n % 5], n, seed=n, limit=n % 4 + 3) for n in range(2, 40)]
    told: list[tuple[int, int]] = []
    answers = respond(loud, asked, lambda place, token: told.append((place, token)))
    for place, answer in enumerate(answers):
        assert tuple(token for where, token in told if where == place) == answer.ids
        assert len(answer.ids) <= asked[place].query.limit
    assert any(answer.ids[-1] == END for answer in answers)
    assert any(answer.ids[-1] != END for answer in answers)
    # Step by step, and not row by row.
    assert [place for place, _ in told[: len(asked)]] == list(range(len(asked)))


def test_a_batch_ends_with_its_last_row(
    backbone: T5Backbone, prompts: Mapping[int, torch.Tensor], make_asked: Callable[..., Asked]
) -> None:
    """Catches rows that are computed on after everybody has what they asked for."""
    steps: list[int] = []

    class Counted(T5Backbone):
        def continuations(self, *given: Any, **more: Any) -> Iterator[torch.Tensor]:
            for step in super().continuations(*given, **more):
                steps.append(1)
                yield step

    counted = Counted(**{**vars(backbone), "codec": _Endless(backbone.codec)})
    asked = [make_asked(5, 4, limit=3), make_asked(2, 4, limit=5)]
    answers = respond(counted, asked)
    assert [len(each.ids) for each in answers] == [3, 5]
    assert len(steps) == 5


class _Endless:
    """A codec whose end-of-sequence no model writes."""

    end_id = -7

    def __init__(self, codec: Codec) -> None:
        self.pad_id = codec.pad_id
        self.continues = codec.continues


def test_a_chosen_answer_is_the_likeliest_written_one(
    loud: T5Backbone, make_asked: Callable[..., Asked]
) -> None:
    """Catches scores of a choice that are not those of the model that writes."""
    asked = make_asked(5, 9, seed=3, limit=4)
    written = respond(loud, [asked])[0].ids
    other = (*written[:-1], 17)
    query = dataclasses.replace(asked.query, choices=(other, written, (5, 5, 5, END)))
    scores = respond(loud, [dataclasses.replace(asked, query=query)])[0].log_likelihoods
    assert scores.index(max(scores)) == 1

"""Answers of many trials in shared batches."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from runners.data.batching import Encoded
from runners.evaluation import Questions, answer, log_likelihoods
from runners.model.backbone import Backbone, Weights
from runners.model.causal_backbone import CausalBackbone
from runners.model.t5_backbone import T5Backbone
from runners.prompt.soft_prompt import Prompted
from tests.runners.conftest import Wrap
from tests.runners.model.decoders import alone, random_decoder

END = 1
LIMIT = 6


@pytest.fixture(scope="module")
def weights(backbone: T5Backbone) -> Weights:
    """The model with a loud end-of-sequence, so that some answers end early."""
    output = backbone.weights["lm_head.weight"].clone()
    output[END] *= 3
    return {**backbone.weights, "lm_head.weight": output}


def _rows(count: int, seed: int) -> list[Encoded]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, 30, size=count)
    nothing = np.array([END])
    return [Encoded(input_ids=rng.integers(3, 600, size=n), target_ids=nothing) for n in lengths]


def _asked(backbone: Backbone) -> list[Questions]:
    """Three trials with prompts of different lengths, of which the second is the least patient."""
    generator = torch.Generator().manual_seed(2)
    return [
        Questions(
            prompt=torch.randn(length, backbone.width, generator=generator),
            rows=_rows(15, seed=length),
            limit=limit,
        )
        for length, limit in ((1, LIMIT), (9, 2), (4, LIMIT))
    ]


def _choices(asked: Sequence[Questions]) -> list[list[list[list[int]]]]:
    """One to three choices of each row, of one to three tokens."""
    rng = np.random.default_rng(0)
    return [
        [
            [[*rng.integers(3, 600, size=size), END] for size in rng.integers(1, 4, size=n % 3 + 1)]
            for n in range(len(questions.rows))
        ]
        for questions in asked
    ]


def _alone(backbone: Backbone, weights: Weights, questions: Questions) -> list[list[int]]:
    """Each row in a batch of its own."""
    single = (dataclasses.replace(questions, rows=[row]) for row in questions.rows)
    return [answer(backbone, weights, [each])[0][0] for each in single]


def test_an_answer_depends_on_its_own_prompt_and_input_alone(
    backbone: T5Backbone, weights: Weights
) -> None:
    """Catches a neighbour that is felt, padding that is kept, or rows in another order."""
    asked = _asked(backbone)
    together = answer(backbone, weights, asked)
    assert together == [_alone(backbone, weights, questions) for questions in asked]
    ended = [ids[-1] == END for answers in together for ids in answers]
    assert any(ended)
    assert not all(ended)


@pytest.mark.parametrize("tokens", [1, 100, 400])
def test_the_cut_into_batches_changes_no_answer(
    backbone: T5Backbone, weights: Weights, tokens: int
) -> None:
    """Catches a row that is lost or doubled where one batch ends and the next begins."""
    whole = answer(backbone, weights, _asked(backbone))
    assert answer(backbone, weights, _asked(backbone), tokens=tokens) == whole


def test_no_batch_holds_more_tokens_than_allowed(backbone: T5Backbone, weights: Weights) -> None:
    """Catches a bound that forgets the prompts or the padding, and then memory on long inputs."""
    shapes: list[Sequence[int]] = []

    class Noted(T5Backbone):
        def generate(
            self, weights: Weights, embedded: torch.Tensor, mask: torch.Tensor, *, limit: int,
            prompts: Prompted | None = None,
        ) -> torch.Tensor:  # fmt: skip
            assert prompts is not None
            shapes.append(prompts.before(embedded, mask)[1].shape)
            return super().generate(weights, embedded, mask, limit=limit, prompts=prompts)

    answer(Noted(**vars(backbone)), weights, _asked(backbone), tokens=200)
    assert sum(rows for rows, _ in shapes) == 45
    assert max(rows * positions for rows, positions in shapes) <= 200
    assert max(rows for rows, _ in shapes) > 1


def test_an_answer_is_the_start_of_a_longer_one(backbone: T5Backbone, weights: Weights) -> None:
    """Catches a limit that is another trial's, or that counts something else than tokens."""
    asked = _asked(backbone)
    longer = answer(backbone, weights, [dataclasses.replace(q, limit=LIMIT) for q in asked])
    for questions, found, full in zip(asked, answer(backbone, weights, asked), longer, strict=True):
        assert found == [ids[: questions.limit] for ids in full]
        assert max(map(len, found)) == questions.limit


def test_without_prompts_the_model_is_asked_as_it_is(
    backbone: T5Backbone, weights: Weights
) -> None:
    """Catches a prompt, or a padding in its place, before the inputs of model tuning."""
    rows = _rows(5, seed=0)
    found = answer(backbone, weights, [Questions(prompt=None, rows=rows, limit=LIMIT)])[0]
    for row, ids in zip(rows, found, strict=True):
        inputs = torch.from_numpy(row.input_ids)[None]
        embedded = backbone.embed(weights, inputs)
        expected = backbone.generate(weights, embedded, torch.ones_like(inputs), limit=LIMIT)
        assert ids == expected[0].tolist()


def test_likelihoods_are_those_of_each_choice_alone(backbone: T5Backbone, weights: Weights) -> None:
    """Catches a choice scored behind another row's input or prompt, or with padding in its sum."""
    asked = _asked(backbone)
    choices = _choices(asked)
    found = log_likelihoods(backbone, weights, asked, choices, tokens=300)
    for questions, rows, scores in zip(asked, choices, found, strict=True):
        for row, ids, likelihoods in zip(questions.rows, rows, scores, strict=True):
            assert questions.prompt is not None
            embedded = backbone.embed(weights, torch.tensor(row.input_ids)[None])
            whole = torch.cat((questions.prompt[None], embedded), dim=1)
            mask = torch.ones(whole.shape[:2], dtype=torch.int64)
            expected = [
                -float(backbone.losses(weights, whole, mask, torch.tensor([choice])).sum())
                for choice in ids
            ]
            assert likelihoods == pytest.approx(expected, rel=1e-4)


def test_no_rows_have_no_answers(backbone: T5Backbone, weights: Weights) -> None:
    """Catches the longest of nothing."""
    asked = [dataclasses.replace(questions, rows=[]) for questions in _asked(backbone)]
    assert answer(backbone, weights, asked) == [[], [], []]
    assert log_likelihoods(backbone, weights, asked, [[], [], []]) == [[], [], []]


@pytest.fixture(scope="module")
def module() -> PreTrainedModel:
    """A decoder-only model with a loud end-of-sequence, so that some answers end early."""
    made = random_decoder("untied")
    made.get_output_embeddings().weight[END] *= 3
    return made


@pytest.fixture(scope="module")
def causal(module: PreTrainedModel, as_causal: Wrap) -> CausalBackbone:
    """The same model behind the interface."""
    return as_causal(module)


def test_answers_of_a_decoder_only_model_are_those_of_generate(
    module: PreTrainedModel, causal: CausalBackbone
) -> None:
    """Catches a prompt that is read once for rows of another trial, or for other positions."""
    asked = _asked(causal)
    embed = module.get_input_embeddings()
    expected = []
    for questions in asked:
        assert questions.prompt is not None
        for row in questions.rows:
            whole = torch.cat((questions.prompt, embed(torch.tensor(row.input_ids))))[None]
            said = module.generate(
                inputs_embeds=whole, attention_mask=torch.ones(whole.shape[:2]), do_sample=False,
                max_new_tokens=questions.limit, eos_token_id=END, pad_token_id=0,
            )  # fmt: skip
            expected.append(said[0].tolist())
    for tokens in (None, 100):
        found = answer(causal, causal.weights, asked, tokens=tokens)
        assert [ids for answers in found for ids in answers] == expected
    ended = [ids[-1] == END for ids in expected]
    assert any(ended)
    assert not all(ended)


def test_likelihoods_of_a_decoder_only_model_are_those_of_each_choice_alone(
    module: PreTrainedModel, causal: CausalBackbone
) -> None:
    """Catches a choice that goes on from a cache of another row, prompt or choice."""
    asked = _asked(causal)
    choices = _choices(asked)
    found = log_likelihoods(causal, causal.weights, asked, choices, tokens=600)
    for questions, rows, scores in zip(asked, choices, found, strict=True):
        for row, offered, likelihoods in zip(questions.rows, rows, scores, strict=True):
            assert questions.prompt is not None
            ids = torch.tensor(row.input_ids)
            expected = [
                -float(alone(module, questions.prompt, ids, torch.tensor(each)).sum())
                for each in offered
            ]
            assert likelihoods == pytest.approx(expected, rel=1e-4)


def test_a_prompt_alone_is_gone_on_from(causal: CausalBackbone) -> None:
    """Catches a last position that is looked for among no inputs, where all are empty."""
    empty = Encoded(input_ids=np.array([], dtype=np.int64), target_ids=np.array([END]))
    (questions, *_) = _asked(causal)
    asked = dataclasses.replace(questions, rows=[empty] * 4)
    single = dataclasses.replace(questions, rows=[empty])
    found = answer(causal, causal.weights, [asked])[0]
    assert found == answer(causal, causal.weights, [single])[0] * 4
    choices = [[[7, END], [9, 8, END]]] * 4
    scores = log_likelihoods(causal, causal.weights, [asked], [choices])[0]
    expected = log_likelihoods(causal, causal.weights, [single], [choices[:1]])[0][0]
    assert scores == [pytest.approx(expected, rel=1e-5)] * 4

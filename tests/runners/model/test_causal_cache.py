"""Decoder-only models that read a prompt once for all its rows, and a row for all its choices.

The reference is plain `transformers`, one unpadded row at a time.
"""

import math

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from runners.model.backbone import IGNORED
from runners.model.causal_backbone import CausalBackbone
from runners.model.recomputation import recomputing
from runners.prompt.soft_prompt import Prompted, stack
from runners.training import batch_sizes
from tests.runners.model.decoders import alone, padded, rows

OWNERS = (1, 0, 1, 1, 0, 1)
"""Prompts of two lengths, of which each is read once for all of its rows; a third has none."""


def _together(causal: CausalBackbone) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Rows [6] of unlike length, three prompts, and targets [6, D] of unlike length."""
    inputs, prompts, targets = rows(causal.width)
    return (
        [*inputs, *(row.flip(0) for row in inputs)],
        prompts,
        torch.cat((targets, targets.flip(0))),
    )


@pytest.fixture
def passes(module: PreTrainedModel) -> list[tuple[int, ...]]:
    """Rows and positions of every pass through the first layer."""
    seen: list[tuple[int, ...]] = []
    layers = next(m for m in module.modules() if isinstance(m, torch.nn.ModuleList))
    layers[0].register_forward_pre_hook(lambda _, read: seen.append(tuple(read[0].shape[:2])))
    return seen


def test_a_prompt_is_read_once_for_all_of_its_rows(
    module: PreTrainedModel, causal: CausalBackbone, passes: list[tuple[int, ...]]
) -> None:
    """Catches a prompt computed for every row, or one whose gradient is of one row alone."""
    inputs, prompts, targets = _together(causal)
    ours = [prompt.clone().requires_grad_() for prompt in prompts]
    before = Prompted(bank=stack(ours), of_row=torch.tensor(OWNERS))
    embedded, mask = padded(causal, inputs)
    losses = causal.losses(causal.weights, embedded, mask, targets, prompts=before)
    assert passes == [(2, 5), (6, 9 + 3)]
    losses.sum().backward()
    theirs = [prompt.clone().requires_grad_() for prompt in prompts]
    for row, (own, ids) in enumerate(zip(OWNERS, inputs, strict=True)):
        expected = alone(module, theirs[own], ids, targets[row])
        expected.sum().backward()
        torch.testing.assert_close(losses[row, : len(expected)], expected, rtol=1e-4, atol=1e-4)
    for mine, other in zip(ours[:2], theirs[:2], strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=1e-4)
    assert ours[2].grad is not None and not ours[2].grad.any()


def test_answers_go_on_from_a_prompt_that_was_read_once(
    causal: CausalBackbone, passes: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a cache of prompts at other positions, or one that is not each row's own."""
    inputs, prompts, _ = _together(causal)
    before = Prompted(bank=stack(prompts), of_row=torch.tensor(OWNERS))
    embedded, mask = padded(causal, inputs)
    limits = (1, 6, 2, 6, 1, 3)
    steps = [*causal.continuations(
        causal.weights, embedded, mask, limits=limits, prompts=before
    )]  # fmt: skip
    assert passes[:2] == [(2, 5), (6, 9)]
    monkeypatch.setattr(batch_sizes, "ROWS_A_PROMPT", math.inf)
    del passes[:]
    alike = [*causal.continuations(
        causal.weights, embedded, mask, limits=limits, prompts=before
    )]  # fmt: skip
    assert passes[0] == (6, 5 + 9)
    assert torch.equal(torch.stack(steps), torch.stack(alike))


def test_a_prompt_that_few_rows_have_goes_along_with_them(
    causal: CausalBackbone, passes: list[tuple[int, ...]]
) -> None:
    """Catches a pass of its own for prompts of one row each, as in a batch of many tasks."""
    inputs, prompts, targets = rows(causal.width)
    before = Prompted(bank=stack(prompts), of_row=torch.arange(3))
    causal.losses(causal.weights, *padded(causal, inputs), targets, prompts=before)
    assert passes == [(3, 5 + 9 + 3)]


def test_training_that_runs_layers_twice_has_no_cache(
    causal: CausalBackbone, passes: list[tuple[int, ...]]
) -> None:
    """Catches a cache that a layer writes once more in its backward pass."""
    inputs, prompts, targets = _together(causal)
    embedded, mask = padded(causal, inputs)
    found = []
    for each in (causal, recomputing(causal)):
        ours = [prompt.clone().requires_grad_() for prompt in prompts]
        before = Prompted(bank=stack(ours), of_row=torch.tensor(OWNERS))
        each.losses(each.weights, embedded, mask, targets, prompts=before).sum().backward()
        found.append(torch.cat([prompt.grad for prompt in ours if prompt.grad is not None]))
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-4)
    assert passes == [(2, 5), (6, 9 + 3), (6, 5 + 9 + 3)]


@pytest.mark.parametrize("tokens", [1, 4])
def test_a_row_is_read_once_for_all_of_its_choices(
    module: PreTrainedModel, causal: CausalBackbone, passes: list[tuple[int, ...]], tokens: int
) -> None:
    """Catches an input computed for every choice, or a choice that goes on from another row."""
    inputs, prompts, _ = _together(causal)
    before = Prompted(bank=stack(prompts), of_row=torch.tensor(OWNERS))
    of_row = torch.tensor([0, 0, 1, 2, 2, 2, 3, 4, 5, 5])
    targets = torch.randint(3, 600, (10, tokens), generator=torch.Generator().manual_seed(2))
    targets[::3, tokens // 2 + 1 :] = IGNORED
    with torch.no_grad():
        losses = causal.losses(
            causal.weights, *padded(causal, inputs), targets, prompts=before, of_row=of_row
        )
        assert passes == [(2, 5), (6, 9)] + [(10, tokens - 1)] * (tokens > 1)
        for choice, row in enumerate(of_row.tolist()):
            expected = alone(module, prompts[OWNERS[row]], inputs[row], targets[choice])
            found = losses[choice, : len(expected)]
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
            assert not losses[choice, len(expected) :].any()

"""Decoder-only models that tell distance by place: no row feels the padding before its input.

The reference is plain `transformers`, one unpadded row at a time.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from runners.model.causal_backbone import CausalBackbone
from runners.model.causal_loading import APART, load_causal, reach_of
from runners.model.family import Place
from runners.model.recomputation import recomputing
from runners.prompt.soft_prompt import Prompted, stack
from tests.runners.conftest import Wrap
from tests.runners.model.decoders import (
    CONFIGS,
    LENGTHS,
    WINDOWED,
    alone,
    mpt,
    padded,
    random_model,
    rows,
    said_alone,
)

SHORT = 6
"""A window that no row of `rows` fits into behind its prompt, the shortest but for its padding."""
CASES: dict[str, Callable[[], Any]] = {
    **{kind: (lambda kind=kind: WINDOWED[kind](SHORT)) for kind in WINDOWED}, "mpt": mpt,
}  # fmt: skip
OWNERS = {"a prompt each": (0, 1, 2), "few prompts": (1, 0, 1, 1, 0, 1)}


@pytest.fixture(params=CASES)
def module(request: pytest.FixtureRequest) -> PreTrainedModel:
    """A random model of each kind."""
    return random_model(CASES[request.param]())


@pytest.fixture
def causal(module: PreTrainedModel, as_causal: Wrap) -> CausalBackbone:
    """The same model behind the interface, as it is loaded."""
    return _placed(as_causal(module))


@pytest.fixture(params=OWNERS)
def owners(request: pytest.FixtureRequest) -> tuple[int, ...]:
    """The prompt of each row: few enough to be read once for their rows, or not."""
    return OWNERS[request.param]


def _placed(causal: CausalBackbone) -> CausalBackbone:
    return dataclasses.replace(causal, reach=reach_of(causal))


def _asked(
    causal: CausalBackbone, owners: tuple[int, ...]
) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Rows of unlike length, a short one beside a long one; prompts; targets."""
    inputs, prompts, targets = rows(causal.width)
    inputs = [inputs[place % 3] for place in range(len(owners))]
    return inputs, prompts, targets[[place % 3 for place in range(len(owners))]]


def test_losses_and_gradients_are_those_of_rows_alone(
    module: PreTrainedModel, causal: CausalBackbone, owners: tuple[int, ...]
) -> None:
    """Catches a short row that loses its prompt to a window, for long rows beside it."""
    inputs, prompts, targets = _asked(causal, owners)
    theirs = [prompt.clone().requires_grad_() for prompt in prompts]
    expected = [
        alone(module, theirs[own], ids, target)
        for own, ids, target in zip(owners, inputs, targets, strict=True)
    ]
    torch.cat(expected).sum().backward()
    for each in (causal, recomputing(causal)):
        ours = [prompt.clone().requires_grad_() for prompt in prompts]
        before = Prompted(bank=stack(ours), of_row=torch.tensor(owners))
        losses = each.losses(each.weights, *padded(each, inputs), targets, prompts=before)
        losses.sum().backward()
        for found, wanted in zip(losses, expected, strict=True):
            torch.testing.assert_close(found[: len(wanted)], wanted, rtol=1e-4, atol=1e-4)
        for mine, other in zip(ours, theirs, strict=True):
            wanted = torch.zeros_like(other) if other.grad is None else other.grad
            torch.testing.assert_close(mine.grad, wanted, rtol=1e-3, atol=1e-3)


def test_answers_are_those_of_rows_alone(
    module: PreTrainedModel, causal: CausalBackbone, owners: tuple[int, ...]
) -> None:
    """Catches a cache that has lost what a window still sees, or has what it does not."""
    inputs, prompts, _ = _asked(causal, owners)
    before = Prompted(bank=stack(prompts), of_row=torch.tensor(owners))
    found = causal.generate(causal.weights, *padded(causal, inputs), limit=5, prompts=before)
    for row, (own, ids) in enumerate(zip(owners, inputs, strict=True)):
        said = said_alone(module, prompts[own], ids, 5)
        assert found[row, : len(said)].tolist() == said


@torch.no_grad()
def test_choices_are_those_of_rows_alone(
    module: PreTrainedModel, causal: CausalBackbone, owners: tuple[int, ...]
) -> None:
    """Catches choices that go on from a row at other places than it was read at."""
    inputs, prompts, _ = _asked(causal, owners)
    before = Prompted(bank=stack(prompts), of_row=torch.tensor(owners))
    of_row = torch.tensor([0, 1, 1, 2])
    targets = torch.randint(3, 600, (4, 4), generator=torch.Generator().manual_seed(2))
    losses = causal.losses(
        causal.weights, *padded(causal, inputs), targets, prompts=before, of_row=of_row
    )
    for choice, row in enumerate(of_row.tolist()):
        expected = alone(module, prompts[owners[row]], inputs[row], targets[choice])
        torch.testing.assert_close(losses[choice], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", WINDOWED)
def test_prompts_are_read_once_where_a_window_has_all_positions(kind: str, as_causal: Wrap) -> None:
    """Catches a model that computes a prompt along with every row for its window of thousands."""
    whole = 5 + max(LENGTHS) + 3
    for window, passes in ((whole, [(2, 5), (6, whole - 5)]), (whole - 1, [(6, whole)])):
        module = random_model(WINDOWED[kind](window))
        causal = dataclasses.replace(as_causal(module), reach=window)
        seen: list[tuple[int, ...]] = []
        layers = next(m for m in module.modules() if isinstance(m, torch.nn.ModuleList))
        layers[0].register_forward_pre_hook(
            lambda _, read, seen=seen: seen.append(tuple(read[0].shape[:2]))
        )
        owners = OWNERS["few prompts"]
        inputs, prompts, targets = _asked(causal, owners)
        before = Prompted(bank=stack(prompts), of_row=torch.tensor(owners))
        losses = causal.losses(causal.weights, *padded(causal, inputs), targets, prompts=before)
        assert seen == passes
        for row, (own, ids) in enumerate(zip(owners, inputs, strict=True)):
            expected = alone(module, prompts[own], ids, targets[row])
            torch.testing.assert_close(losses[row, : len(expected)], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", APART)
def test_a_model_is_known_by_its_window(as_causal: Wrap, dtype: torch.dtype) -> None:
    """Catches a window that nobody asks for, and a rounding that is taken for one."""
    configs = {
        **{kind: (make(), None) for kind, make in CONFIGS.items()},
        **{kind: (make(64), 64) for kind, make in WINDOWED.items()},
        "mpt": (mpt(), 0),
    }
    found = {}
    for kind, (config, _) in configs.items():
        module = random_model(config).to(dtype)  # type: ignore[arg-type]
        found[kind] = reach_of(dataclasses.replace(as_causal(module), dtype=dtype))
    assert found == {kind: reach for kind, (_, reach) in configs.items()}


def test_a_model_is_loaded_with_its_window(as_causal: Wrap, tmp_path: Path) -> None:
    """Catches a checkpoint whose window is asked for by nobody but tests."""
    module = random_model(WINDOWED["mistral"](64))
    module.save_pretrained(tmp_path)
    loaded = load_causal(
        Place(path=tmp_path), codec=as_causal(module).codec, fingerprint="f", dtype=torch.float32
    )
    assert loaded.reach == 64
    assert loaded.reads_prompts_once
    assert not dataclasses.replace(loaded, reach=0).reads_prompts_once

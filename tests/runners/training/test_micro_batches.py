"""Parts of a step: every row once, few positions wasted, the gradients of the whole."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.model.causal_backbone import CausalBackbone
from runners.model.recomputation import recomputing
from runners.model.t5_backbone import T5Backbone
from runners.training import micro_batches as module
from runners.training.batch_sizes import FEWEST_POSITIONS, WORTHWHILE
from runners.training.micro_batches import micro_batches, padded
from runners.training.pack import start, train_step
from tests.runners.conftest import Wrap
from tests.runners.model.decoders import random_decoder

Make = Callable[..., TrialConfig]
CPU = torch.device("cpu")
LARGE = 10**9
"""Parameters of a model whose parts are worth their start at the fewest positions."""


WIDTHS = st.lists(st.integers(1, 500), min_size=1, max_size=80)
PARAMETERS = st.sampled_from([10**4, 2 * 10**6, LARGE])


@given(widths=WIDTHS, parameters=PARAMETERS)
def test_every_row_is_in_one_part_that_is_worth_its_start(
    widths: list[int], parameters: int
) -> None:
    """Catches a row that trains twice or never, and parts too small to pay."""
    parts = micro_batches(widths, device=CPU, parameters=parameters)
    assert sorted(row for part in parts for row in part) == list(range(len(widths)))
    needed = max(FEWEST_POSITIONS, WORTHWHILE / (4 * parameters))
    for part in parts if len(parts) > 1 else ():
        assert len(part) * max(widths[row] for row in part) >= needed


@given(widths=WIDTHS, parameters=PARAMETERS, most=st.integers(1, 5_000))
def test_no_part_is_larger_than_there_is_room_for(
    widths: list[int], parameters: int, most: int
) -> None:
    """Catches a part over the bound that could have been divided, and one merged past it."""
    parts = micro_batches(widths, device=CPU, parameters=parameters, most=most)
    assert sorted(row for part in parts for row in part) == list(range(len(widths)))
    for part in parts:
        assert len(part) == 1 or padded(part, widths) <= most


def test_rows_of_like_length_are_together() -> None:
    """Catches parts that pad short rows to the longest of the step."""
    widths = [100, 10, 90, 12] * 20
    parts = micro_batches(widths, device=CPU, parameters=LARGE)
    assert sum(padded(part, widths) for part in parts) < 1.1 * sum(widths)


def test_a_gpu_is_given_all_that_it_has_room_for() -> None:
    """Catches a GPU that starts its kernels for a row at a time."""
    gpu, widths = torch.device("cuda"), [100, 10, 90, 12] * 20
    assert len(micro_batches(widths, parameters=LARGE, device=gpu)) == 1
    bounded = micro_batches(widths, parameters=LARGE, device=gpu, most=2_000)
    assert len(bounded) == 3
    assert all(padded(part, widths) <= 2_000 for part in bounded)


def test_a_small_model_is_not_divided_and_keeps_its_order() -> None:
    """Catches a start paid many times over, and results that differ from those before parts."""
    assert micro_batches([25, 29, 27], device=CPU, parameters=60_000) == [[0, 1, 2]]


@pytest.mark.parametrize("changes", [{}, {"dropout": 0.2}, {"method": "model_tuning"}])
def test_a_step_in_parts_is_the_step_of_the_whole(
    backbone: T5Backbone, config: Make, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    """Catches losses averaged over parts, gradients of the last part, and shuffled dropout."""
    tasks = ("cb",) if changes.get("method") else ("cb", "copa", "wsc")
    nulls = {"prompt_length": None, "prompt_init": None} if changes.get("method") else {}
    configs = [config(task=task, batch_size=8, **changes, **nulls) for task in tasks]
    found = []
    for worthwhile, fewest in ((WORTHWHILE, FEWEST_POSITIONS), (0.0, 60)):
        monkeypatch.setattr(module, "WORTHWHILE", worthwhile)
        monkeypatch.setattr(module, "FEWEST_POSITIONS", fewest)
        runs = [start([each], backbone, Catalogue()) for each in configs]
        losses = train_step(backbone, runs)
        grads = [p.grad for run in runs for p in run.parameters.values()]
        found.append((losses, grads))
    widths = [5 + len(row.input_ids) for run in runs for row in run.rows()]
    assert len(micro_batches(widths, device=CPU, parameters=backbone.parameter_count)) > 2
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-6)


@given(widths=WIDTHS, trials=st.integers(1, 6))
def test_rows_of_a_trial_stay_together_where_parts_read_prompts(
    widths: list[int], trials: int
) -> None:
    """Catches a prompt that is read by every part, for rows of all trials lie in each."""
    owners = [row % trials for row in range(len(widths))]
    parts = micro_batches(widths, device=CPU, parameters=LARGE, owners=owners)
    assert sorted(row for part in parts for row in part) == list(range(len(widths)))
    if len(parts) > 1:
        read = sum(len({owners[row] for row in part}) for part in parts)
        assert read < len(parts) + len({*owners})
        assert all(2 * padded(part, widths) >= FEWEST_POSITIONS for part in parts)


def test_prompts_of_a_decoder_only_model_are_no_work_of_its_rows(
    as_causal: Wrap, config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches parts of two rows behind a long prompt, which each of them then reads."""
    monkeypatch.setattr(module, "WORTHWHILE", 0.0)
    monkeypatch.setattr(module, "FEWEST_POSITIONS", 60)
    causal = as_causal(random_decoder("llama"))
    seen: list[tuple[int, int]] = []

    class Noted(CausalBackbone):
        def losses(self, *given: Any, prompts: Any = None, **more: Any) -> torch.Tensor:
            seen.append((len(prompts.of_row), len(prompts.of_row.unique())))
            return super().losses(*given, prompts=prompts, **more)

    configs = [
        config(task=task, batch_size=16, prompt_length=60, prompt_init="random_uniform")
        for task in ("cb", "copa")
    ]
    found = []
    for backbone in (Noted(**vars(causal)), recomputing(causal)):
        runs = [start([each], backbone, Catalogue()) for each in configs]
        losses = train_step(backbone, runs)
        found.append((losses, [run.parameters["prompt"].grad for run in runs]))
    assert sum(rows for rows, _ in seen) == 32
    assert len(seen) > 2
    assert all(rows >= 2 * prompts for rows, prompts in seen)
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-5)

"""Devices: which one is taken, and that every tensor of a run follows the weights to it.

No GPU is needed. Two stand-ins show a tensor that is left on the cores. Where the
default device is `meta`, whose tensors hold no numbers, whatever is made without
naming a device is one, and the run fails or gives other numbers. Where the weights
are on `meta`, no operation may take one tensor from there and one from the cores.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoModelForCausalLM, LlamaConfig

from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.data.batching import Encoded, collate
from runners.evaluation import Questions, answer
from runners.model import device
from runners.model.backbone import device_of
from runners.model.causal_backbone import CausalBackbone
from runners.model.family import shipped
from runners.model.loading import load_pretrained, on_device
from runners.model.t5_backbone import T5Backbone
from runners.training.adafactor import Adafactor
from runners.training.judging import evaluate
from runners.training.language_model import gradients, held_out_loss
from runners.training.pack import start, train_step
from runners.training.trial import TrialRun
from tests.runners.conftest import Wrap

Make = Callable[..., TrialConfig]
META = torch.device("meta")
NUMBERLESS = r"out of meta tensor|on meta tensors"
"""What torch says where a tensor on `meta` is to become a number."""
DIFFERENCES: tuple[dict[str, Any], ...] = (
    {},
    {"task": "wsc", "prompt_length": 3, "prompt_init": "random_uniform"},
    {"task": "copa", "prompt_init": "sampled_vocab"},
)
"""Trials of one pack that between them use every start."""


@contextmanager
def default_device(where: torch.device) -> Iterator[None]:
    """A block in which what names no device is made on `where`."""
    torch.set_default_device(where)
    try:
        yield
    finally:
        torch.set_default_device(None)


class OneDevice(TorchDispatchMode):
    """A block in which no operation takes tensors of two devices.

    Tensors of no dimension may come from the cores, as on a GPU, and a copy from
    one device to another is what it is for.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """The operation as it is, once its tensors are looked at."""
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        kinds = {tensor.device.type for tensor in given if tensor.dim()}
        assert len(kinds) < 2 or "copy" in str(func), (func, kinds)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def causal(as_causal: Wrap) -> CausalBackbone:
    """A random decoder-only model whose output layer is tied to its embedding."""
    shape = LlamaConfig(
        vocab_size=700, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True,
    )  # fmt: skip
    module = AutoModelForCausalLM.from_config(shape, attn_implementation="eager").eval()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return as_causal(module)


def _runs(backbone: T5Backbone, config: Make, **changes: Any) -> list[TrialRun]:
    return [
        start([config(dropout=0.1, **(changes | each))], backbone, Catalogue())
        for each in DIFFERENCES
    ]


@pytest.mark.parametrize(
    ("asked", "is_there", "taken"),
    [("auto", False, "cpu"), ("auto", True, "cuda"), ("cpu", True, "cpu"), ("cuda", True, "cuda")],
)
def test_the_device_that_is_taken(
    monkeypatch: pytest.MonkeyPatch, asked: str, is_there: bool, taken: str
) -> None:
    """Catches a GPU that nobody uses, and one that is used by who asked for cores."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: is_there)
    assert device.choose(asked).type == taken


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a run that was to be on a GPU and crawls along on the cores."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device: 'cuda' is not here, for torch finds no GPU; "):
        device.choose("cuda")


def test_a_record_names_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches timings of two kinds of GPU that look alike."""
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "A100")
    assert device.describe(torch.device("cuda")) == "cuda (A100)"
    assert device.describe(torch.device("cpu")) == "cpu"


def test_nothing_is_made_on_the_default_device(backbone: T5Backbone, config: Make) -> None:
    """Catches a tensor that training or evaluation makes without saying where.

    Both runs are trained and judged on the same rows, so all numbers are equal.
    """
    plain, elsewhere = _runs(backbone, config), _runs(backbone, config)
    for runs, where in ((plain, torch.device("cpu")), (elsewhere, META)):
        with default_device(where):
            for _ in range(3):
                for run, loss in zip(runs, train_step(backbone, runs), strict=True):
                    run.update(loss)
            evaluate(backbone, runs)
    for one, other in zip(plain, elsewhere, strict=True):
        assert one.members[0].history == other.members[0].history
        torch.testing.assert_close(
            other.parameters["prompt"], one.parameters["prompt"], rtol=0, atol=0
        )
        with default_device(META):
            again = other.resume(other.to_bytes({}))
        assert again.parameters["prompt"].device.type == "cpu"


@pytest.mark.parametrize("answer_by", ["generation", "likelihood"])
def test_starts_and_answers_follow_the_default_device_nowhere(
    backbone: T5Backbone, config: Make, answer_by: str
) -> None:
    """Catches a start, a generated answer or a likelihood that is made without saying where."""
    changes = {"answer_by": answer_by, "task": "cb", "train_examples": 8, "dev_examples": 4}
    with default_device(META):
        run = start([config(**changes)], backbone, Catalogue())
        evaluate(backbone, [run])
    again = start([config(**changes)], backbone, Catalogue())
    evaluate(backbone, [again])
    assert run.members[0].history == again.members[0].history


def test_a_step_stays_where_the_weights_are(backbone: T5Backbone, config: Make) -> None:
    """Catches ids, masks, owners, dropout keys or starts that stay on the cores.

    The step goes through to the gradients, and stops where the losses become numbers,
    which `meta` has none of.
    """
    there = on_device(backbone, META)
    runs = _runs(there, config)
    with OneDevice(), pytest.raises(RuntimeError, match=NUMBERLESS):
        train_step(there, runs)
    for run in runs:
        prompt = run.parameters["prompt"]
        assert prompt.grad is not None
        assert {prompt.device, prompt.grad.device} == {META}
        assert {state.device for state in run.state.values()} == {META}
        with OneDevice():
            run.optimizer.step(
                {"p": prompt.detach()}, {"p": prompt.grad}, {"p": prompt * 0}, step=1
            )


def test_the_model_trains_where_its_weights_are(backbone: T5Backbone, config: Make) -> None:
    """Catches model tuning that copies the weights back to the cores."""
    there = on_device(backbone, META)
    tuned = {"method": "model_tuning", "prompt_length": None, "prompt_init": None}
    run = start([config(**tuned, dropout=0.1)], there, Catalogue())
    with OneDevice(), pytest.raises(RuntimeError, match=NUMBERLESS):
        train_step(there, [run])
    assert {
        weight.grad.device for weight in run.parameters.values() if weight.grad is not None
    } == {META}


def test_evaluation_stays_where_the_weights_are(backbone: T5Backbone, config: Make) -> None:
    """Catches questions that are put on the cores; it stops where an end is looked for."""
    there = on_device(backbone, META)
    run = _runs(there, config)[0]
    asked = [
        Questions(prompt=run.parameters["prompt"].detach(), rows=run.members[0].data.dev, limit=4)
    ]
    with OneDevice(), pytest.raises(RuntimeError, match=NUMBERLESS):
        answer(there, there.weights, asked)


def test_a_batch_is_where_it_is_asked_for(backbone: T5Backbone, config: Make) -> None:
    """Catches half a batch that stays behind, padded on either side."""
    rows: list[Encoded] = list(_runs(backbone, config)[0].train[:3])
    for continues in (False, True):
        batch = collate(rows, replace(backbone.codec, continues=continues), device=META)
        assert {batch.input_ids.device, batch.mask.device, batch.targets.device} == {META}


def test_language_modelling_follows_the_weights(backbone: T5Backbone, config: Make) -> None:
    """Catches pre-training or an adaptation that reads its rows on the cores."""
    rows: list[Encoded] = list(_runs(backbone, config)[0].train[:3])
    weights = {name: w.clone().requires_grad_(True) for name, w in backbone.weights.items()}
    with default_device(META):
        loss, found = gradients(backbone, weights, rows)
        held_out = held_out_loss(backbone, weights, [rows])
    assert loss == pytest.approx(held_out)
    assert {gradient.device.type for gradient in found.values()} == {"cpu"}
    moved = {name: w.detach().to(META).requires_grad_(True) for name, w in weights.items()}
    with OneDevice(), pytest.raises(RuntimeError, match=NUMBERLESS):
        gradients(backbone, moved, rows)


def test_adafactor_keeps_its_state_beside_the_parameter() -> None:
    """Catches second moments on the cores, whole or factored, and a step that mixes the two."""
    optimizer = Adafactor(learning_rate=0.3, weight_decay=1e-5, parameter_scaling=True)
    parameters = {
        "small": torch.ones(5, 24, device=META),
        "large": torch.ones(130, 140, device=META),
    }
    state = optimizer.initial_state(parameters)
    assert {tensor.device for tensor in state.values()} == {META}
    with OneDevice():
        optimizer.step(parameters, parameters, state, step=1)


def test_moving_a_model_leaves_what_was_read_on_the_cores(causal: CausalBackbone) -> None:
    """Catches a cached checkpoint that is moved away from under the next who asks for it."""
    before = {name: weight.data_ptr() for name, weight in causal.weights.items()}
    moved = on_device(causal, META)
    assert isinstance(moved, CausalBackbone)
    assert {tensor.device for tensor in (*moved.weights.values(), *moved.module.buffers())} == {
        META
    }
    assert device_of(causal.weights).type == "cpu"
    assert {name: weight.data_ptr() for name, weight in causal.weights.items()} == before
    assert moved.parameter_count == causal.parameter_count
    assert on_device(causal, torch.device("cpu")) is causal


def test_a_decoder_only_model_stays_where_its_weights_are(causal: CausalBackbone) -> None:
    """Catches positions, masks or rotations of a decoder-only model that stay on the cores."""
    moved = on_device(causal, META)
    ids = torch.zeros(2, 5, dtype=torch.int64, device=META)
    with OneDevice():
        embedded = moved.embed(moved.weights, ids)
        losses = moved.losses(moved.weights, embedded, torch.ones_like(ids), ids)
        table = moved.embedding_table()
    assert {losses.device, table.device} == {META}
    assert losses.shape == (2, 5)


def test_every_checkpoint_is_read_to_the_cores_first() -> None:
    """Catches a default device that decides where a checkpoint lands."""
    catalogue = Catalogue(families=shipped())
    loaded = load_pretrained(catalogue, "nano", "60k", "float32")
    assert device_of(loaded.weights).type == "cpu"

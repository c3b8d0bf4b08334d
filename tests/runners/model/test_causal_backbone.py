"""Decoder-only models behind the project's interface.

The reference is plain `transformers`, one unpadded row at a time.
"""

import copy
import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    MambaConfig,
    PreTrainedModel,
    RwkvConfig,
    T5ForConditionalGeneration,
    UMT5Config,
)

from runners.model.causal_backbone import CausalBackbone
from runners.model.causal_loading import APART, check_attention, load_causal
from runners.model.codec import Codec
from runners.model.dropout import Dropout
from runners.model.family import Place
from runners.model.t5_backbone import T5Backbone, load_t5
from tests.runners.model.decoders import alone, batched, rows, said_alone


def test_losses_and_gradients_are_those_of_rows_alone(
    module: PreTrainedModel, causal: CausalBackbone
) -> None:
    """Catches a position counted over padding, a mask that leaks, or a target off by one."""
    inputs, prompts, targets = rows(causal.width)
    ours = [prompt.clone().requires_grad_() for prompt in prompts]
    losses = causal.losses(causal.weights, *batched(causal, inputs, ours), targets)
    losses.sum().backward()
    theirs = [prompt.clone().requires_grad_() for prompt in prompts]
    for row, (prompt, ids) in enumerate(zip(theirs, inputs, strict=True)):
        expected = alone(module, prompt, ids, targets[row])
        expected.sum().backward()
        torch.testing.assert_close(losses[row, : len(expected)], expected, rtol=1e-4, atol=1e-4)
        assert not losses[row, len(expected) :].any()
        torch.testing.assert_close(ours[row].grad, prompt.grad, rtol=1e-3, atol=1e-4)


def test_greedy_answers_are_those_of_rows_alone(
    module: PreTrainedModel, causal: CausalBackbone
) -> None:
    """Catches a cache that is read at other positions than it was written."""
    inputs, prompts, _ = rows(causal.width)
    ours = causal.generate(causal.weights, *batched(causal, inputs, prompts), limit=5)
    for row, (prompt, ids) in enumerate(zip(prompts, inputs, strict=True)):
        said = said_alone(module, prompt, ids, 5)
        assert ours[row, : len(said)].tolist() == said
        assert not ours[row, len(said) :].any()


def test_a_row_that_ends_is_padded_while_others_go_on(causal: CausalBackbone) -> None:
    """Catches text after end-of-sequence, or a batch that stops with its first row."""
    inputs, prompts, _ = rows(causal.width)
    batch = batched(causal, inputs, prompts)
    before = causal.generate(causal.weights, *batch, limit=4)
    first = int(before[0, 0])
    tokenizer = copy.deepcopy(causal.codec.tokenizer)
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(first)
    ending = dataclasses.replace(causal, codec=Codec(tokenizer=tokenizer, continues=True))
    after = ending.generate(causal.weights, *batch, limit=4)
    for row, said in zip(before.tolist(), after.tolist(), strict=True):
        end = row.index(first) + 1 if first in row else len(row)
        assert said == (row[:end] + [0] * 4)[: len(said)]


@pytest.mark.parametrize("limits", [(1, 6, 1), (6, 1, 2), (2, 5, 6)])
def test_rows_go_on_as_they_were_where_others_are_left_out(
    causal: CausalBackbone, limits: tuple[int, ...]
) -> None:
    """Catches a cache, a mask or a position that is another row's once half have ended."""
    inputs, prompts, _ = rows(causal.width)
    batch = batched(causal, inputs, prompts)
    whole = causal.generate(causal.weights, *batch, limit=6).tolist()
    steps = [*causal.continuations(causal.weights, *batch, limits=limits)]
    ends = [min(limit, (*row, 1).index(1) + 1) for row, limit in zip(whole, limits, strict=True)]
    assert len(steps) == max(ends)
    for row, end in enumerate(ends):
        said = [int(step[row]) for step in steps]
        assert said == (whole[row][:end] + [0] * 6)[: len(steps)]


def test_weights_that_train_get_gradients_and_the_others_stay(causal: CausalBackbone) -> None:
    """Catches model tuning that runs on the frozen weights, tied ones in particular."""
    inputs, prompts, targets = rows(causal.width)
    training = {name: w.clone().requires_grad_() for name, w in causal.weights.items()}
    batch = batched(causal, inputs, prompts)
    losses = causal.losses(training, *batch, targets)
    losses.sum().backward()
    assert all(w.grad is not None and w.grad.abs().sum() > 0 for w in training.values())
    assert not any(w.requires_grad for w in causal.weights.values())
    moved = {name: w.detach() * 1.5 for name, w in training.items()}
    assert not torch.allclose(causal.losses(moved, *batch, targets), losses)


def test_training_in_bfloat16_keeps_its_weights_in_float32(causal: CausalBackbone) -> None:
    """Catches a compute dtype that rounds the weights that train, or that nothing computes in."""
    half = dataclasses.replace(causal, dtype=torch.bfloat16)
    inputs, prompts, targets = rows(causal.width)
    embedded, mask = batched(half, inputs, prompts)
    assert embedded.dtype is torch.bfloat16
    training = {name: w.clone().requires_grad_() for name, w in causal.weights.items()}
    losses = half.losses(training, embedded, mask, targets)
    assert losses.dtype is torch.float32
    losses.sum().backward()
    assert {w.grad.dtype for w in training.values()} == {torch.float32}


def test_dropout_is_refused(causal: CausalBackbone) -> None:
    """Catches a rate that a record states and no mask applies."""
    inputs, prompts, targets = rows(causal.width)
    with pytest.raises(ValueError, match=r"^dropout: 0\.1 is not there for decoder-only models"):
        causal.losses(causal.weights, *batched(causal, inputs, prompts), targets, Dropout(rate=0.1))


def test_every_weight_is_counted_once(module: PreTrainedModel, causal: CausalBackbone) -> None:
    """Catches a tied embedding counted twice."""
    assert causal.parameter_count == module.num_parameters()
    assert causal.width == 32


def test_a_checkpoint_is_loaded_as_it_was_saved(
    module: PreTrainedModel, causal: CausalBackbone, tmp_path: Path
) -> None:
    """Catches a model that is loaded with other weights, or in another arithmetic."""
    module.save_pretrained(tmp_path)
    loaded = load_causal(
        Place(path=tmp_path), codec=causal.codec, fingerprint="f", dtype=torch.float32
    )
    inputs, prompts, targets = rows(causal.width)
    batch = batched(causal, inputs, prompts)
    expected = causal.losses(causal.weights, *batch, targets)
    torch.testing.assert_close(loaded.losses(loaded.weights, *batch, targets), expected)


def test_an_encoder_decoder_is_refused(
    model: T5ForConditionalGeneration, backbone: T5Backbone, tmp_path: Path
) -> None:
    """Catches a T5 that runs as a decoder of its own input."""
    model.save_pretrained(tmp_path)
    message = (
        f"model {tmp_path}: model_type 't5' is an encoder-decoder; give a decoder-only model, or "
        "architecture t5 in the family file"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load_causal(
            Place(path=tmp_path), codec=backbone.codec, fingerprint="f", dtype=torch.float32
        )


@pytest.mark.parametrize("architecture", ["t5", "causal"])
def test_an_encoder_decoder_of_another_kind_is_sent_nowhere(
    backbone: T5Backbone, tmp_path: Path, architecture: str
) -> None:
    """Catches a umT5 that is sent from one architecture to the other and back."""
    UMT5Config(vocab_size=700, d_model=24).save_pretrained(tmp_path)
    load = {"t5": load_t5, "causal": load_causal}[architecture]
    said = {
        "t5": "is not t5; give a T5 1.0 or 1.1, or an mT5",
        "causal": "is an encoder-decoder; give a decoder-only model",
    }[architecture]
    with pytest.raises(ValueError, match=rf"model_type 'umt5' {said}$"):
        load(Place(path=tmp_path), codec=backbone.codec, fingerprint="f", dtype=torch.float32)


def _saved(config: Any, folder: Path) -> Place:
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return Place(path=folder)


@pytest.mark.parametrize("dtype", APART)
@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("rwkv", RwkvConfig(vocab_size=700, hidden_size=32, num_hidden_layers=2)),
        ("mamba", MambaConfig(vocab_size=700, hidden_size=32, num_hidden_layers=2, state_size=4)),
    ],
)
def test_what_keeps_a_state_is_refused(
    backbone: T5Backbone, tmp_path: Path, kind: str, config: Any, dtype: torch.dtype
) -> None:
    """Catches a model to which padding is text, so that each row feels the length of others."""
    place = _saved(config, tmp_path)
    message = (
        f"model {tmp_path}: model_type {kind!r} keeps a state in place of attention, which runs "
        "through the padding of a batch; give a model of attention alone, such as Llama"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        load_causal(place, codec=backbone.codec, fingerprint="f", dtype=dtype)


@pytest.mark.parametrize("dtype", APART)
def test_what_attends_is_taken_in_every_precision(
    causal: CausalBackbone, dtype: torch.dtype
) -> None:
    """Catches a limit that rounding passes."""
    module = copy.deepcopy(causal.module).to(dtype)
    weights = dict(module.named_parameters())
    check_attention(dataclasses.replace(causal, module=module, weights=weights, dtype=dtype))


@pytest.mark.parametrize("dtype", APART)
@pytest.mark.parametrize(
    ("ignored", "said"),
    [("attention_mask", "beside padding"), ("past_key_values", "from a cache")],
)
def test_a_mask_or_a_cache_that_is_ignored_is_seen(
    causal: CausalBackbone, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, ignored: str,
    said: str,
) -> None:  # fmt: skip
    """Catches a model of another kind, which nothing but its numbers gives away."""
    module = copy.deepcopy(causal.module).to(dtype)
    forward = module.forward

    def without(**arguments: Any) -> Any:
        seen = torch.ones(arguments["inputs_embeds"].shape[:2], dtype=torch.int64)
        instead = seen if ignored == "attention_mask" else None
        if arguments["past_key_values"] is not None:
            # Every token is one alone, whatever came before.
            arguments["attention_mask"] = seen
        return forward(**{**arguments, ignored: instead})

    monkeypatch.setattr(module, "forward", without)
    weights = dict(module.named_parameters())
    tried = dataclasses.replace(causal, module=module, weights=weights, dtype=dtype)
    with pytest.raises(ValueError, match=f"gives a row other scores {said}, so its rows cannot"):
        check_attention(tried)


def test_a_model_is_not_refused_for_its_rounding(
    causal: CausalBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a limit for the worst of many scores, or for a shift that no likelihood feels.

    So SmolLM2 in bfloat16 was refused on some cores and taken on others.
    """
    module = copy.deepcopy(causal.module).to(torch.bfloat16)
    forward = module.forward

    def rounded(**arguments: Any) -> Any:
        output = forward(**arguments)
        if arguments["past_key_values"] is not None:
            spread = output.logits.std()
            output.logits += spread
            output.logits[..., ::20] += 0.25 * spread
        return output

    monkeypatch.setattr(module, "forward", rounded)
    weights = dict(module.named_parameters())
    check_attention(
        dataclasses.replace(causal, module=module, weights=weights, dtype=torch.bfloat16)
    )


def test_a_forward_pass_of_another_kind_is_told(
    causal: CausalBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a traceback about an argument that a user never gave."""
    monkeypatch.setattr(causal.module, "forward", lambda input_ids: input_ids)
    with pytest.raises(ValueError, match="cannot be called with embedded inputs, a mask, pos"):
        check_attention(causal)

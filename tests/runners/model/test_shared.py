"""Weights that processes of one machine have in common, in one process that stands for several."""

import gc
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from runners.catalogue import Catalogue
from runners.model import loading, shared
from runners.model.causal_loading import load_causal
from runners.model.codec import Codec
from runners.model.family import Place
from runners.model.loading import load_pretrained
from runners.model.shared import Pool, are_mapped

NAME = "a-bfloat16"


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """A pool for which no weights are too small."""
    monkeypatch.setattr(shared, "LEAST_BYTES", 1)
    yield Pool(tmp_path / "pool")
    loading._load.cache_clear()
    gc.collect()


def drawn(seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights that were made in this process."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"a": (300, 40), "b": (17,)}
    return {
        name: torch.randn(shape, generator=generator).bfloat16() for name, shape in shapes.items()
    }


def files(pool: Pool) -> list[str]:
    """What lies in the pool beside its lock."""
    return sorted(path.name for path in pool.folder.iterdir() if path.suffix != ".lock")


def common(pool: Pool, weights: dict[str, torch.Tensor], name: str = NAME) -> Any:
    """As a process that has just read its checkpoint."""
    with pool.alone():
        return pool.common(weights, name)


def test_weights_come_back_from_one_file(pool: Pool) -> None:
    """Weights that are cut, cast or swapped by the way through the file."""
    made = drawn()
    assert not are_mapped(made)
    first, second = common(pool, made), common(pool, drawn())
    assert files(pool) == [f"{NAME}.safetensors"]
    for found in (first, second):
        assert found.keys() == made.keys()
        assert all(torch.equal(found[name], made[name]) for name in made)
    assert are_mapped(first) and are_mapped(second)


def test_the_second_writes_nothing(pool: Pool) -> None:
    """Eight workers that write forty gigabytes one after another, and map eight files."""
    first = common(pool, drawn())
    before = os.stat(pool.folder / f"{NAME}.safetensors").st_ino
    second = common(pool, drawn())
    assert os.stat(pool.folder / f"{NAME}.safetensors").st_ino == before
    assert first.keys() == second.keys()


def test_the_last_to_let_go_removes_the_file(pool: Pool) -> None:
    """A folder for temporary files that fills with models, or a model that loses its file early."""
    first, second = common(pool, drawn()), common(pool, drawn())
    del first
    gc.collect()
    assert files(pool) == [f"{NAME}.safetensors"]
    del second
    gc.collect()
    assert files(pool) == []


def test_what_a_killed_process_leaves_is_removed(pool: Pool) -> None:
    """Files of every model that was ever killed, or that of a living one among them."""
    held = common(pool, drawn(1), "living-bfloat16")
    for name in ("dead-bfloat16.safetensors", "half.draft"):
        (pool.folder / name).write_bytes(b"x")
    other = common(pool, drawn())
    assert files(pool) == [f"{NAME}.safetensors", "living-bfloat16.safetensors"]
    assert are_mapped(held) and are_mapped(other)


def test_a_folder_without_room(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A sweep that ends at a small /tmp, where a copy for each worker would have done."""

    class Usage:
        free = 10

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    made = drawn()
    assert common(pool, made) is made
    assert f"weights {NAME}: {pool.folder} has 0.0 GB free" in caplog.text
    assert "set TMPDIR" in caplog.text


def test_a_folder_of_somebody_else(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that another user of the machine has put where ours would lie."""
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    said = rf"{pool.folder} belongs to user {mine}, and not to you \({mine + 1}\); remove it"
    with pytest.raises(ValueError, match=said), pool.alone():
        pass


def test_small_or_mapped_weights_stay_as_they_are(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file for every nano model, or a second one beside a checkpoint that is mapped."""
    mapped = common(pool, drawn())
    assert common(pool, mapped, "again") is mapped
    monkeypatch.setattr(shared, "LEAST_BYTES", 10**6)
    made = drawn()
    assert common(Pool(tmp_path / "other"), made) is made
    assert files(Pool(tmp_path / "other")) == []


def test_a_cast_checkpoint_is_in_the_pool(pool: Pool) -> None:
    """A pool that nobody asks, so that a cast checkpoint is a copy in each worker.

    The ladder ships in bfloat16.
    """
    plain = load_pretrained(Catalogue(), "nano", "60k", "float32")
    pooled = load_pretrained(Catalogue(), "nano", "60k", "float32", pool=pool)
    assert are_mapped(pooled.weights) and not are_mapped(plain.weights)
    assert files(pool) == [f"{plain.fingerprint}-float32.safetensors"]
    assert pooled.fingerprint == plain.fingerprint
    assert all(torch.equal(pooled.weights[name], plain.weights[name]) for name in plain.weights)


def test_a_decoder_only_module_has_the_common_weights(pool: Pool, tmp_path: Path) -> None:
    """A module that keeps its own copy, or a file that is gone before the next one comes."""
    config = LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(tmp_path / "llama")
    codec: Codec = None  # type: ignore[assignment]
    place = Place(path=tmp_path / "llama")
    loaded = load_causal(place, codec=codec, fingerprint="f", dtype=torch.bfloat16)
    before = {name: weight.clone() for name, weight in loaded.weights.items()}
    with pool.alone():
        lent = loading._common(loaded, NAME, pool)
    own = dict(lent.module.named_parameters())  # type: ignore[union-attr]
    assert all(lent.weights[name] is own[name] for name in own)
    assert are_mapped(lent.weights)
    assert all(torch.equal(before[name], own[name]) for name in own)

    gc.collect()
    assert files(pool) == [f"{NAME}.safetensors"]
    written = (pool.folder / f"{NAME}.safetensors").stat().st_ino
    beside = load_causal(place, codec=codec, fingerprint="f", dtype=torch.bfloat16)
    with pool.alone():
        second = loading._common(beside, NAME, pool)
    assert are_mapped(second.weights)
    assert (pool.folder / f"{NAME}.safetensors").stat().st_ino == written
    del beside, second
    gc.collect()
    assert files(pool) == [f"{NAME}.safetensors"]

    adapted = replace(loaded, weights={name: 2 * weight for name, weight in before.items()})
    with pool.alone():
        other = loading._common(adapted, "b", pool)
    assert are_mapped(other.weights)
    assert all(torch.equal(before[name], own[name]) for name in own)
    del lent, other
    gc.collect()
    assert files(pool) == []

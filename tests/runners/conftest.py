"""A T5 1.1 small enough for any test, with the shipped tokenizer and random weights."""

import itertools
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, PreTrainedModel, T5Config, T5ForConditionalGeneration

from runners.catalogue import Catalogue, DataPlace
from runners.config import TrialConfig, from_mapping, to_mapping
from runners.data import continuations
from runners.microworld.documents import sample_documents
from runners.model.causal_backbone import CausalBackbone
from runners.model.checkpoint import LADDER
from runners.model.codec import Codec
from runners.model.t5_backbone import T5Backbone, shape_of
from runners.record import TrialRecord
from runners.store import Store
from runners.training import adaptation

BASE: dict[str, Any] = {
    "method": "prompt_tuning", "model_family": "nano", "model_size": "60k",
    "pretraining_objective": "span_corruption", "lm_adaptation_steps": 0,
    "prompt_length": 5, "prompt_init": "class_label", "task": "boolq", "seed": 0,
    "train_steps": 6, "eval_every": 3, "batch_size": 4, "learning_rate": 0.3,
    "train_examples": 64, "dev_examples": 12,
}  # fmt: skip


@pytest.fixture(scope="session")
def model() -> T5ForConditionalGeneration:
    """A random T5 1.1 of the nano vocabulary with an untied output layer."""
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=700, d_model=24, d_kv=8, d_ff=40, num_heads=3,
        num_layers=2, num_decoder_layers=2, feed_forward_proj="gated-gelu",
        tie_word_embeddings=False, dropout_rate=0.1, decoder_start_token_id=0,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config).eval()
    model.lm_head.weight = torch.nn.Parameter(torch.randn(700, 24) * 0.3)
    return model


@pytest.fixture(scope="session")
def backbone(model: T5ForConditionalGeneration) -> T5Backbone:
    """The same model behind the project's interface, in float32."""
    weights = {name: p.detach() for name, p in model.named_parameters()}
    return T5Backbone(
        shape=shape_of(model), weights=weights, dtype=torch.float32,
        fingerprint="random",
        codec=Codec(
            tokenizer=AutoTokenizer.from_pretrained(LADDER / "tokenizer"), continues=False
        ),
        source="random",
    )  # fmt: skip


Wrap = Callable[[PreTrainedModel], CausalBackbone]


@pytest.fixture(scope="session")
def as_causal(backbone: T5Backbone) -> Wrap:
    """A decoder-only model behind the interface, in float32, with the shipped tokenizer."""

    def wrapped(module: PreTrainedModel) -> CausalBackbone:
        return CausalBackbone(
            module=module, weights=dict(module.named_parameters()), dtype=torch.float32,
            codec=Codec(tokenizer=backbone.codec.tokenizer, continues=True),
            source="random", fingerprint="random",
        )  # fmt: skip

    return wrapped


@pytest.fixture
def config() -> Callable[..., TrialConfig]:
    """A legal trial of a few steps, with any fields replaced."""

    def make(**changes: Any) -> TrialConfig:
        return from_mapping({**BASE, **changes})

    return make


@pytest.fixture(scope="session")
def text_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of text: 400 paragraphs in two files, enough for a tokenizer of 600 pieces."""
    folder = tmp_path_factory.mktemp("text")
    documents = [document.text for document in itertools.islice(sample_documents(5), 400)]
    for name, part in (("one", documents[:250]), ("two", documents[250:])):
        (folder / f"{name}.txt").write_text("\n\n".join(part), encoding="utf-8")
    return folder


@pytest.fixture
def small_adaptations(monkeypatch: pytest.MonkeyPatch, backbone: T5Backbone) -> None:
    """LM adaptation adapts the random test model, on few documents."""
    monkeypatch.setattr(adaptation, "load_pretrained", lambda *_, **__: backbone)
    monkeypatch.setattr(continuations, "DOCUMENTS", 200)


@pytest.fixture(params=["local", "memory"])
def root(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Where a store may be made: nothing is there yet."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if request.param == "local":
        yield str(tmp_path / "store")
        return
    url = f"memory://{uuid.uuid4().hex}"
    yield url
    if fsspec.filesystem("memory").exists(url):
        fsspec.filesystem("memory").rm(url, recursive=True)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(str(tmp_path / "store"))


@pytest.fixture
def commit_prompt(
    config: Callable[..., TrialConfig], store: Store
) -> Callable[..., tuple[TrialRecord, torch.Tensor]]:
    """Commits a trial of prompt tuning as a session does; gives its record and its prompt [P, 32].

    `score` and `measured` are of the record, all else are fields of the config.
    """

    def commit(
        *, score: float = 50.0, measured: bool = True, **changes: Any
    ) -> tuple[TrialRecord, torch.Tensor]:
        trial = config(**changes)
        generator = torch.Generator().manual_seed(int(trial.trial_id, 16) % 2**32)
        prompt = torch.randn(trial.prompt_length or 1, 32, generator=generator)
        attempt = store.begin(trial.trial_id)
        if trial.prompt_length:
            save_file({"prompt": prompt}, attempt.folder / "prompt.safetensors")
        record = TrialRecord(
            trial_id=trial.trial_id, attempt=attempt.id, stage="tuning", label=trial.label,
            config=to_mapping(trial), files={},
            metrics={"accuracy": score, "score": score} | ({"chance": 50.0} if measured else {}),
            provenance={
                "trainable_parameters": 160, "model_parameters": 70444, "seconds": 1.0,
                "code": "c0de", **({} if measured else {"measured": False}),
            },
        )  # fmt: skip
        assert attempt.commit(record)
        committed = store.get(trial.trial_id)
        assert committed is not None
        return committed, prompt

    return commit


@pytest.fixture
def glue(tmp_path: Path) -> Catalogue:
    """Four rows of QQP, MRPC and SST-2 for each split, in their publisher's layout."""
    pairs = [("Why is it so?", "How come it is so?"), ("It rained.", "It snowed.")]
    qqp = ["id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate"]
    mrpc = ["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"]
    sst2 = ["sentence\tlabel"]
    for number, label in enumerate((1, 0, 1, 0)):
        first, second = pairs[number % 2]
        qqp.append(f"{number}\t{number}\t{number}\t{number} {first}\t{second}\t{label}")
        mrpc.append(f"{label}\t{number}\t{number}\tIn {number}. {first}\t{second}")
        sst2.append(f"{first}\t{label}")
    for folder, rows in (("QQP", qqp), ("MRPC", mrpc), ("SST-2", sst2)):
        place = tmp_path / "glue" / folder
        place.mkdir(parents=True)
        for split in ("train", "dev"):
            (place / f"{split}.tsv").write_text("\n".join(rows) + "\n")
    return Catalogue(data={"glue": DataPlace(folder=tmp_path / "glue")})

"""Prompts of a user's own families and tasks, out of a store and into one, by the commands."""

import json
import shlex
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
)

from runners import alone, prompts
from runners.catalogue_section import load_catalogue
from runners.config import from_mapping
from runners.model.checkpoint import LADDER
from runners.model.loading import load_backbone
from runners.prompt.exporting import prompt_of
from runners.prompt.soft_prompt import Prompted, stack
from runners.prompt_tuning import DEFAULTS
from runners.record import TrialRecord
from runners.store import Store

SHAPE = """{vocabulary: 700, d_model: 32, d_ff: 64, heads: 2, d_kv: 16,
            encoder_layers: 1, decoder_layers: 1}"""
SPEC = """
families: [mine.yaml, llamas.yaml]
tasks:
  reviews: {train: rows.tsv, dev: rows.tsv, input: "review: {text}", target: "{label}",
            labels: {"0": "False", "1": "True"}, metrics: [accuracy, macro_f1]}
"""
QUICK = [
    "prompt_length=3", "train_steps=2", "eval_every=1", "batch_size=4", "learning_rate=0.3",
    "dev_examples=8",
]  # fmt: skip
OF_T5 = ["model_family=mine", "model_size=tiny", "pretraining_objective=span_corruption"]
OF_LLAMA = ["model_family=llamas", "model_size=small", "pretraining_objective=causal_lm"]
OWN_TASK = ["model_family=nano", "pretraining_objective=span_corruption"]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a T5, a Llama and a task of a user's own, and trials of each in a store."""
    folder = tmp_path_factory.mktemp("own")
    tokenizer = AutoTokenizer.from_pretrained(LADDER / "tokenizer")
    (folder / "tiny").mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / "tiny" / name).write_bytes((LADDER / "60k" / name).read_bytes())
    tokenizer.save_pretrained(folder / "tiny")
    torch.manual_seed(0)
    llama = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=700, hidden_size=16, intermediate_size=24, num_hidden_layers=1,
            num_attention_heads=2, bos_token_id=1, eos_token_id=1, pad_token_id=0,
        )
    )  # fmt: skip
    llama.save_pretrained(folder / "llama")
    tokenizer.save_pretrained(folder / "llama")
    (folder / "mine.yaml").write_text(
        f"architecture: t5\nsizes:\n  tiny:\n    checkpoint: ./tiny\n    shape:\n      {SHAPE}\n"
    )
    (folder / "llamas.yaml").write_text(
        "architecture: causal\nsizes:\n  small: {checkpoint: ./llama, "
        f"parameters: {llama.num_parameters()}, width: 16}}\n"
    )
    rows = "".join(f"row {n}\t{n % 2}\n" for n in range(12))
    (folder / "rows.tsv").write_text(f"text\tlabel\n{rows}")
    (folder / "spec.yaml").write_text(SPEC)
    for words in ([*OF_T5, "task=cb"], [*OF_LLAMA, "task=cb"], [*OWN_TASK, "task=reviews"]):
        given = ["--catalogue", str(folder / "spec.yaml"), "--store", str(folder / "store")]
        assert alone.main("door", DEFAULTS, [*QUICK, *words, *given]) == 0
    return folder


def _trial(here: Path, **fields: str) -> TrialRecord:
    (record,) = (
        each
        for each in Store(str(here / "store")).records()
        if all(each.config[name] == value for name, value in fields.items())
    )
    return record


def _export(here: Path, out: Path, trial: str, *more: str) -> int:
    words = ["export", str(here / "store"), trial, "--format", "peft", "--out", str(out)]
    return prompts.main([*words, "--with-model", *more])


@torch.no_grad()
def _ours(record: TrialRecord, here: Path, ids: Tensor) -> Tensor:
    """Log-probabilities of the first token of an answer to each row [B, V]."""
    store = Store(str(here / "store"))
    catalogue = load_catalogue(here / "spec.yaml")
    backbone = load_backbone(from_mapping(record.config), store, catalogue)
    prompt = torch.from_numpy(prompt_of(record, store))
    behind = Prompted(bank=stack([prompt]), of_row=torch.zeros(len(ids), dtype=torch.int64))
    embedded, mask = behind.before(backbone.embed(backbone.weights, ids), torch.ones_like(ids))
    every = torch.arange(700)[None].expand(len(ids), -1)
    losses = [
        backbone.losses(backbone.weights, embedded, mask, every[:, token : token + 1])
        for token in range(700)
    ]
    return -torch.cat(losses, dim=1)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"model_family": "mine"}, AutoModelForSeq2SeqLM),
        ({"model_family": "llamas"}, AutoModelForCausalLM),
        ({"task": "reviews"}, AutoModelForSeq2SeqLM),
    ],
    ids=["t5", "llama", "task"],
)
def test_what_is_ones_own_leaves_for_peft_with_equal_logits(
    here: Path, tmp_path: Path, fields: dict[str, str],
    kind: type[AutoModelForSeq2SeqLM] | type[AutoModelForCausalLM],
) -> None:  # fmt: skip
    """Catches a traceback of KeyError, or another model than the one that the spec names."""
    record = _trial(here, **fields)
    out = tmp_path / "out"
    assert _export(here, out, record.trial_id, "--catalogue", str(here / "spec.yaml")) == 0
    model = kind.from_pretrained(out / "base")
    loaded = PeftModel.from_pretrained(model, str(out / "adapter")).eval()
    ids = torch.randint(3, 600, (2, 8), generator=torch.Generator().manual_seed(0))
    start = {"decoder_input_ids": torch.zeros(2, 1, dtype=torch.int64)}
    asked = start if kind is AutoModelForSeq2SeqLM else {}
    with torch.no_grad():
        logits = loaded(input_ids=ids, attention_mask=torch.ones_like(ids), **asked).logits
    theirs = torch.log_softmax(logits[:, -1], dim=-1)
    # Float32, sums in another order.
    torch.testing.assert_close(theirs, _ours(record, here, ids), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fields", [{"model_family": "llamas"}, {"task": "reviews"}])
def test_the_command_of_the_card_brings_it_back(
    here: Path, tmp_path: Path, fields: dict[str, str]
) -> None:
    """Catches a card whose command lacks the spec, or loses the names of metrics."""
    record, out = _trial(here, **fields), tmp_path / "out"
    assert _export(here, out, record.trial_id, "--catalogue", str(here / "spec.yaml")) == 0
    card = (out / "adapter" / "README.md").read_text()
    block = card.partition("```sh\n")[2].partition("\n```")[0]
    names = {"STORE": str(tmp_path / "new"), "FOLDER": str(out / "adapter")}
    names["SPEC"] = str(here / "spec.yaml")
    words = [names.get(word, word) for word in shlex.split(block.replace("\\\n", " "))]
    assert words[:1] == ["promptscale"]
    assert prompts.main(words[1:]) == 0
    (again,) = Store(str(tmp_path / "new")).records()
    assert again.trial_id == record.trial_id
    own = ("accuracy", "macro_f1") if "task" in fields else ("accuracy", "f1_macro")
    for name in (*own, "score", "chance"):
        assert again.metrics[name] == pytest.approx(record.metrics[name])


def test_the_card_of_an_own_task_says_its_template(here: Path, tmp_path: Path) -> None:
    """Catches inputs in T5's format, which an own task never had."""
    record = _trial(here, task="reviews")
    assert _export(here, tmp_path / "a", record.trial_id, "--catalogue",
                   str(here / "spec.yaml")) == 0  # fmt: skip
    card = (tmp_path / "a" / "adapter" / "README.md").read_text()
    assert "written by the template `review: {text}`, with columns in braces" in card
    assert "Answers are `False` or `True`." in card
    assert "without the task's word, `reviews`, before them" in card
    # Without the spec only the template is unknown.
    assert _export(here, tmp_path / "b", record.trial_id) == 0
    card = (tmp_path / "b" / "adapter" / "README.md").read_text()
    assert "by the template of the task, which whoever made it has in a spec" in card


def test_a_family_that_nobody_names_is_asked_for(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a near miss as the remedy where the spec is what is missing."""
    record = _trial(here, model_family="mine")
    assert _export(here, tmp_path / "out", record.trial_id) == 2
    said = capsys.readouterr().err
    assert said.startswith("model_family: 'mine' is not one of ")
    assert said.endswith("; give the spec or the file that has it (--catalogue SPEC)\n")
    assert not (tmp_path / "out").exists()
    words = [*OWN_TASK, *QUICK, "model_size=60k", "task=reviews", "data_source=own"]
    words += ["prompt_init=class_label", "lm_adaptation_steps=0", "seed=0", "task_content=0"]
    npy = ["export", str(here / "store"), record.trial_id, "--format", "npy", "--out"]
    assert prompts.main([*npy, str(tmp_path / "npy")]) == 0
    path = str(tmp_path / "npy" / "prompt.npy")
    assert prompts.main(["import", str(tmp_path / "s"), path, *words, "--score", "score=5"]) == 2
    assert capsys.readouterr().err == (
        "task: 'reviews' is a task of your own, and no file that has any was given; give the spec "
        "that has it (--catalogue SPEC)\n"
    )


def test_the_spec_of_the_sweep_is_found_by_the_store(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a sweep's own prompts that cannot leave its store without being told of its spec."""
    record = _trial(here, model_family="mine")
    store, path = Store(str(here / "store")), here / "moved.yaml"
    trials = [{"trial_id": record.trial_id, "panels": [], "config": dict(record.config)}]
    store.write_manifest("own", {"spec_path": str(path), "trials": trials})
    path.write_text(SPEC)
    assert _export(here, tmp_path / "out", record.trial_id) == 0
    assert prompts.main(["best", store.root, "model_family=mine", "--out", str(tmp_path / "best"),
                         "--with-model"]) == 0  # fmt: skip
    config = json.loads((tmp_path / "best" / "cb" / "adapter_config.json").read_text())
    assert config["token_dim"] == 32
    path.write_text(SPEC.replace("mine.yaml", "gone.yaml"))
    capsys.readouterr()
    assert _export(here, tmp_path / "again", record.trial_id) == 2
    said = capsys.readouterr().err
    assert "gone.yaml" in said
    assert "is the spec of the sweep 'own', which names what the trial is of; mend it, or" in said
    store.write_manifest("own", {})

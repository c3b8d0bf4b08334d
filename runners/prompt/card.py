"""The README.md of a prompt that is shared: what it is, how good, how to use it, from where."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from runners.catalogue import Catalogue
from runners.config import TrialConfig, to_mapping, to_words
from runners.misfits import OWN, TRANSFER
from runners.model.family import shipped
from runners.prompt.naming import GIVEN
from runners.prompt.peft_format import Base
from runners.record import ASIDE, TrialRecord

_CLASSES = {"t5": "AutoModelForSeq2SeqLM", "causal": "AutoModelForCausalLM"}
_OPEN = (
    "They have no end-of-sequence, and the answer begins with a space. Give PEFT rows of one "
    "length: it counts positions over the padding between prompt and input, which moves the answer."
)
_END = (
    "Scored answers end at end-of-sequence, or after as many tokens as the longest right answer on "
    "dev has."
)
_SENTINEL = "Answers begin with `<extra_id_0>`, which is not part of them."
_TRANSFERRED = (
    "The scores on {} are part of the trial above, and not of the one that this makes: what a best "
    "point is asked beside its own task is measured, and never stated."
)
_BESIDE = ("majority", "chance", "invalid")
_SAID = ("note", "code", "data", "base_checkpoint", "started")


def card(
    record: TrialRecord, config: TrialConfig, *, base: Base, place: str, catalogue: Catalogue,
    choice: str | None = None,
) -> str:  # fmt: skip
    """The whole card.

    `catalogue` knows what a task of the user's own is. `place` is where the frozen
    model is, seen from the folder of the card; `choice` says how the trial was chosen
    among others, where it was.
    """
    parts = [
        _front(base),
        f"# Soft prompt for {config.task}: {record.label}",
        _what(config, base, place),
        "## Score",
        *_score(record, config, choice),
        "## Use",
        _use(base, place, config.target_length),
        " ".join([*_inputs(config, base, catalogue), _END]),
        *([_SENTINEL] if config.pretraining_objective == "span_corruption_sentinel" else []),
        "## Config",
        "As the command that puts this prompt into a store:",
        _command(record, config),
        *([_TRANSFERRED.format(", ".join(config.transfers))] if config.transfers else []),
        "## Origin",
        _table(_origin(record)),
    ]
    return "\n\n".join(parts) + "\n"


def _what(config: TrialConfig, base: Base, place: str) -> str:
    revision = f", revision `{base.revision}`" if base.revision else ""
    return (
        f"A soft prompt of {config.prompt_length} vectors for the task `{config.task}` of "
        f"`{config.data_source}`, for the frozen model {config.model_family} {config.model_size} "
        f"(`{place}`{revision}). It stands before the embedded input; an encoder-decoder has "
        "it in its encoder alone. PEFT calls the method PROMPT_TUNING."
    )


def _front(base: Base) -> str:
    """The metadata that the hub reads; a model without a hub id is not named in it."""
    model = [f"base_model: {base.name}"] if base.released else []
    return "\n".join(["---", *model, "library_name: peft", "tags:", "- prompt-tuning", "---"])


def _score(record: TrialRecord, config: TrialConfig, choice: str | None) -> list[str]:
    metrics = record.metrics
    examples = _examples(record, config)
    how = "measured" if record.measured else "as stated by whoever imported it, not measured,"
    said = f"**{metrics['score']:.2f}** of 100, {how} on {examples}"
    if "chance" in metrics:
        said += f"; the best that needs no reading is {metrics['chance']:.2f}"
    several = {name: f"{v:.2f}" for name, v in metrics.items() if name not in ASIDE}
    return [said + ".", *([choice] if choice else []), *([_table(several)] if several else [])]


def _inputs(config: TrialConfig, base: Base, catalogue: Catalogue) -> Iterator[str]:
    """How inputs and answers are written, a sentence each."""
    own = catalogue.own_tasks.get(config.task) if config.data_source == OWN else None
    if config.data_source == OWN and (own is None or own.content != config.task_content):
        yield "Inputs are written by the template of the task, which whoever made it has in a spec."
    elif own is not None and own.input is not None:
        yield f"Inputs are written by the template `{own.input}`, with columns in braces."
        answers = [f"`{word}`" for _, word in own.labels] if own.labels else [f"`{own.target}`"]
        yield f"Answers are {' or '.join(answers)}."
    else:
        yield "Inputs are the task's text in T5's format."
    word = config.task
    if own is not None or config.data_source != OWN:
        word = own.task.prefix if own else catalogue.task_of(config).prefix
    if word and config.task_prefix:
        yield f"They begin with the task's word, `{word}`."
    elif word:
        yield f"They are without the task's word, `{word}`, before them."
    if base.architecture == "causal":
        yield _OPEN


def _examples(record: TrialRecord, config: TrialConfig) -> str:
    """On what was scored: so many dev examples as there were, where the record says so."""
    asked = config.dev_examples
    if asked is None:
        return "dev"
    there = record.provenance.get("examples", {}).get("dev", asked)
    return f"the first {asked} dev examples" if there >= asked else f"the {there} dev examples"


def _use(base: Base, place: str, length: int) -> str:
    kind = _CLASSES[base.architecture]
    revision = f', revision="{base.revision}"' if base.revision else ""
    lines = [
        "```python",
        "from peft import PeftModel",
        f"from transformers import {kind}, AutoTokenizer",
        "",
        f'base = "{place}"',
        f"tokenizer = AutoTokenizer.from_pretrained(base{revision})",
        f"model = {kind}.from_pretrained(base{revision})",
        'model = PeftModel.from_pretrained(model, ".")  # this folder',
        'ids = tokenizer(["the text of an input"], return_tensors="pt")',
        f"answer = model.generate(**ids, max_new_tokens={length}, do_sample=False)",
        "```",
    ]
    return "\n".join(lines)


def _origin(record: TrialRecord) -> Mapping[str, Any]:
    imported = record.provenance.get("imported_from", {})
    said = {name: record.provenance[name] for name in _SAID if name in record.provenance}
    came = {f"imported_from.{name}": imported[name] for name in ("file", "sha256") if imported}
    return {"trial_id": record.trial_id, **said, **came}


def _command(record: TrialRecord, config: TrialConfig) -> str:
    given = {
        name: v for name, v in to_mapping(config).items() if v is not None and name not in TRANSFER
    }
    fields = map(shlex.quote, to_words(given))
    ships = config.model_family in shipped() and config.data_source != OWN
    words = ["promptscale import STORE FOLDER", *([] if ships else [GIVEN]), *fields]
    words += [f"--score {name}={value:.10g}" for name, value in _stated(record).items()]
    return "\n".join(["```sh", " \\\n    ".join(words), "```"])


def _stated(record: TrialRecord) -> Mapping[str, float]:
    """The metrics whose mean is the score, or the score where they are not known, and chance."""
    metrics = record.metrics
    own = {name: v for name, v in metrics.items() if name not in ASIDE and "/" not in name}
    own = own or {"score": metrics["score"]}
    return own | {name: metrics[name] for name in _BESIDE if name in metrics}


def _table(values: Mapping[str, Any]) -> str:
    rows = [f"| `{name}` | {value} |" for name, value in values.items()]
    return "\n".join(["| | |", "|---|---|", *rows])

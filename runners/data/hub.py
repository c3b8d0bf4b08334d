"""The published tasks from the hub, through `datasets`, as records in the publisher's schema.

The hub's copies have numbers for labels and one row an answer where the
publisher nests; everything else here is about putting that back.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runners.tasks import glue
from runners.tasks.task import Split

Row = Mapping[str, Any]
Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class HubTask:
    """Where the hub has a task: a data set, its config, and its splits by our names."""

    repository: str
    config: str | None
    splits: Mapping[Split, str]
    records: Callable[[Iterable[Row]], list[Record]]


_SPLITS: Mapping[Split, str] = {"train": "train", "dev": "validation"}
_BOOLEANS = (False, True)
_CB = ("entailment", "contradiction", "neutral")
_RTE = tuple(glue.RTE)
_MRQA = {
    "bioasq": "BioASQ", "drop": "DROP", "duorc": "DuoRC.ParaphraseRC", "race": "RACE",
    "relation_extraction": "RelationExtraction", "textbookqa": "TextbookQA",
}  # fmt: skip


def _as_they_are(rows: Iterable[Row]) -> list[Record]:
    return [dict(row) for row in rows]


def _with_label(written: Sequence[object]) -> Callable[[Iterable[Row]], list[Record]]:
    def records(rows: Iterable[Row]) -> list[Record]:
        return [{**row, "label": _written(row, written)} for row in rows]

    return records


def _written(row: Row, written: Sequence[object]) -> object:
    """The label of a row as its publisher writes it; another number stays, and no task reads it."""
    label = row["label"]
    return written[label] if label in range(len(written)) else label


def _multirc(rows: Iterable[Row]) -> list[Record]:
    """Answers under their question, questions under their passage, in the order of the rows."""
    passages: dict[int, Record] = {}
    questions: dict[tuple[int, int], Record] = {}
    for row in rows:
        place = row["idx"]
        passage = passages.setdefault(
            place["paragraph"],
            {"idx": place["paragraph"], "passage": {"text": row["paragraph"], "questions": []}},
        )
        key = (place["paragraph"], place["question"])
        if key not in questions:
            asked = {"idx": place["question"], "question": row["question"], "answers": []}
            questions[key] = asked
            passage["passage"]["questions"].append(asked)
        questions[key]["answers"].append({"text": row["answer"], "label": row["label"]})
    return list(passages.values())


def _record(rows: Iterable[Row]) -> list[Record]:
    """Queries under their passage; an entity's place is where its text first stands."""
    passages: dict[int, Record] = {}
    for row in rows:
        number, text = row["idx"]["passage"], row["passage"]
        if number not in passages:
            spans = [(text.index(entity), len(entity)) for entity in row["entities"]]
            entities = [{"start": start, "end": start + long - 1} for start, long in spans]
            passages[number] = {
                "idx": number, "passage": {"text": text, "entities": entities}, "qas": [],
            }  # fmt: skip
        answers = [{"text": answer} for answer in row["answers"]]
        passages[number]["qas"].append(
            {"idx": row["idx"]["query"], "query": row["query"], "answers": answers}
        )
    return list(passages.values())


def _wsc(rows: Iterable[Row]) -> list[Record]:
    spans = ("span1_index", "span1_text", "span2_index", "span2_text")
    return [
        {
            "idx": row["idx"], "text": row["text"], "label": _written(row, _BOOLEANS),
            "target": {name: row[name] for name in spans},
        }
        for row in rows
    ]  # fmt: skip


def _squad(rows: Iterable[Row]) -> list[Record]:
    return [
        {"idx": number, "question": row["question"], "context": row["context"],
         "answers": list(row["answers"]["text"])}
        for number, row in enumerate(rows)
    ]  # fmt: skip


def _mrqa_set(name: str) -> Callable[[Iterable[Row]], list[Record]]:
    def records(rows: Iterable[Row]) -> list[Record]:
        own = (row for row in rows if row["subset"] == _MRQA[name])
        return [
            {"idx": number, "question": row["question"], "context": row["context"],
             "answers": list(row["answers"])}
            for number, row in enumerate(own)
        ]  # fmt: skip

    return records


def _superglue(config: str, records: Callable[[Iterable[Row]], list[Record]]) -> HubTask:
    return HubTask(repository="aps/super_glue", config=config, splits=_SPLITS, records=records)


def _glue(config: str) -> HubTask:
    return HubTask(repository="nyu-mll/glue", config=config, splits=_SPLITS, records=_as_they_are)


TASKS: Mapping[str, HubTask] = {
    "boolq": _superglue("boolq", _with_label(_BOOLEANS)),
    "cb": _superglue("cb", _with_label(_CB)),
    "copa": _superglue("copa", _as_they_are),
    "multirc": _superglue("multirc", _multirc),
    "record": _superglue("record", _record),
    "rte": _superglue("rte", _with_label(_RTE)),
    "wic": _superglue("wic", _with_label(_BOOLEANS)),
    # The fixed config is the one that T5 reads: its spans are where the text has them.
    "wsc": _superglue("wsc.fixed", _wsc),
    "glue_rte": _glue("rte"), "mrpc": _glue("mrpc"), "qqp": _glue("qqp"), "sst2": _glue("sst2"),
    "squad": HubTask(
        repository="rajpurkar/squad", config=None, splits=_SPLITS, records=_squad
    ),
    **{
        # The out-of-domain sets have labels in what the hub calls the test split alone.
        name: HubTask(
            repository="mrqa-workshop/mrqa", config=None, splits={"dev": "test"},
            records=_mrqa_set(name),
        )
        for name in _MRQA
    },
}  # fmt: skip
"""Every published task."""

_COMMIT = re.compile(r"^hf://datasets/[^@]+@([0-9a-f]{40})/")
_REMEDY = (
    "give another commit (data: {BENCHMARK: {revision: ...}}), or name a local copy in the spec "
    "(data: {BENCHMARK: {dir: ...}})"
)
_KEPT_BACK = -1
"""What the hub has for a label that is not published, as those of most test splits."""


def read_hub(task: str, split: Split, revision: str | None) -> tuple[list[Record], str | None]:
    """The records of one split, and the commit of the hub that they come from.

    `revision` is a commit, tag or branch, None for what the hub has now. The
    commit is None where `datasets` does not tell, as for a local folder.
    Raises ValueError where the hub has no such split or cannot be reached, where `datasets`
    cannot read what is there, and where that has no row of the task, or no labels.
    """
    # Loading `datasets` takes most of a second.
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    # What the hub's client raises where nobody answers; which client that is has changed.
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    place = TASKS[task]
    if split not in place.splits:
        raise ValueError(
            f"{task}: the hub's {place.repository} has no {split} split of it; "
            "train on another task instead"
        )
    try:
        found = load_dataset(
            place.repository, place.config, split=place.splits[split], revision=revision
        )
    # A RuntimeError says that a commit has a script, as those before the hub's parquet files.
    except (OSError, ValueError, RuntimeError, DatasetsError, HTTPError) as error:
        said = " ".join(str(error).split())
        raise ValueError(
            f"{task}: {place.repository} cannot be read from the hub ({said[:300]}); reach the hub "
            f"once, {_REMEDY}"
        ) from error
    commits = {
        match[1] for file in found.info.download_checksums or () if (match := _COMMIT.match(file))
    }
    records = place.records(_labelled(found, task))
    if not records:
        raise ValueError(
            f"{task}: {place.repository} has no row of it among the {len(found)} of its split "
            f"{place.splits[split]}; {_REMEDY}"
        )
    return records, min(commits, default=None)


def _labelled(rows: Iterable[Row], task: str) -> Iterator[Row]:
    """The rows; raises ValueError at the first whose label is kept back."""
    for number, row in enumerate(rows):
        if row.get("label") == _KEPT_BACK:
            raise ValueError(
                f"{task}: row {number} of {TASKS[task].repository} has the label {_KEPT_BACK}, "
                f"which stands for one that is not published; {_REMEDY}"
            )
        yield row

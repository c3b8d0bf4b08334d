"""A local copy of GLUE in the publisher's layout: `SST-2/train.tsv`, `SST-2/dev.tsv`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.tasks import glue
from runners.tasks.classification import Labels
from runners.tasks.files.lines import column, read_table
from runners.tasks.files.places import split_file, task_folder
from runners.tasks.task import Split

FILES: Mapping[Split, str] = {"train": "train.tsv", "dev": "dev.tsv"}
"""The publisher's file of each split."""


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """A task's folder, its text columns by the record's field, and its column of labels."""

    folder: str
    texts: Mapping[str, str]
    label: str
    labels: Mapping[str, object]
    """Values of that column, and the label in a record."""
    broken: bool = False
    """Whether the publisher's file has broken rows, which every reader of it leaves out."""


def _numbers(labels: Labels) -> Mapping[str, object]:
    return {str(raw): raw for raw in labels.values()}


_PAIR = {"sentence1": "sentence1", "sentence2": "sentence2"}
LAYOUTS: Mapping[str, _Layout] = {
    "glue_rte": _Layout(folder="RTE", texts=_PAIR, label="label", labels=glue.RTE),
    "mrpc": _Layout(
        folder="MRPC", texts={"sentence1": "#1 String", "sentence2": "#2 String"},
        label="Quality", labels=_numbers(glue.MRPC),
    ),
    "qqp": _Layout(
        folder="QQP", texts={"question1": "question1", "question2": "question2"},
        label="is_duplicate", labels=_numbers(glue.QQP), broken=True,
    ),
    "sst2": _Layout(
        folder="SST-2", texts={"sentence": "sentence"}, label="label", labels=_numbers(glue.SST2)
    ),
}  # fmt: skip
"""The publisher's layout of each task."""


def read_records(root: Path, task: str, split: Split) -> list[dict[str, Any]]:
    """The records of one split of one task, numbered from 0 in the order of the file.

    Raises ValueError where the folder or the file is missing, where a row or
    the header lacks a column, and where a label is none.
    """
    layout = LAYOUTS[task]
    path = split_file(task_folder(root, layout.folder), FILES, task, split)
    rows = read_table(path, separator="\t", quoted=False, broken=layout.broken)
    return [_record(row, layout, path, number) for number, row in enumerate(rows)]


def _record(row: Mapping[str, str], layout: _Layout, path: Path, number: int) -> dict[str, Any]:
    where = f"{path}, row {number}"
    written = column(row, layout.label, where)
    if written not in layout.labels:
        raise ValueError(
            f"{where}: {layout.label} {written!r} is not one of {', '.join(layout.labels)}; "
            "use the publisher's file, whose labels these are"
        )
    texts = {field: column(row, name, where) for field, name in layout.texts.items()}
    return {"idx": number, **texts, "label": layout.labels[written]}

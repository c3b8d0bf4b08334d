"""What dev rows may be answered by: how long a text, and which choices."""

import dataclasses
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from runners.catalogue import Catalogue, DataPlace
from runners.config import TrialConfig
from runners.data.source import load_task_data, load_transfer_data
from runners.microworld import records
from runners.model.t5_backbone import T5Backbone

Make = Callable[..., TrialConfig]
LONG = "Ann of the long green hill by the old mill"


def _squad(folder: Path) -> Catalogue:
    """Two questions of SQuAD and one of BioASQ, whose second right answer is the longer one."""
    texts = ["Ann", LONG]
    answers = [{"text": text} for text in texts]
    asked = [{"question": f"Who is {n}?", "answers": answers[: n + 1]} for n in range(2)]
    paragraph = {"context": f"{LONG} is.", "qas": asked}
    for split in ("train", "dev"):
        path = folder / f"{split}-v1.1.json"
        path.write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    passage = {"context": f"{LONG} is.", "qas": [{"question": "Who is?", "answers": texts}]}
    (folder / "BioASQ.jsonl.gz").write_bytes(gzip.compress(json.dumps(passage).encode()))
    place = DataPlace(folder=folder)
    return Catalogue(data={"squad": place, "mrqa": place})


@pytest.mark.parametrize("objective", ["span_corruption", "span_corruption_sentinel"])
def test_an_answer_may_be_as_long_as_any_right_one(
    backbone: T5Backbone, config: Make, tmp_path: Path, objective: str
) -> None:
    """Catches a right answer that is cut, since the first of the right ones is shorter."""
    catalogue, codec = _squad(tmp_path), backbone.codec
    trial = config(
        task="squad", data_source="squad", train_examples=2, transfer_tasks="bioasq",
        target_length=64, pretraining_objective=objective,
    )  # fmt: skip
    data = load_task_data(trial, codec, catalogue)
    other = load_transfer_data(trial, codec, catalogue)["bioasq"]
    (ids,) = codec.targets([LONG])
    longest = len(ids) + (objective == "span_corruption_sentinel")
    assert max(len(row.target_ids) for row in data.dev) < longest
    assert data.target_limit == other.target_limit == longest
    short = dataclasses.replace(trial, target_length=longest - 2)
    assert load_task_data(short, codec, catalogue).target_limit == longest - 2


def test_a_row_that_offers_no_choice_is_told(
    backbone: T5Backbone, config: Make, tmp_path: Path
) -> None:
    """Catches `max() iterable argument is empty` after the first hundred steps of ReCoRD."""
    (tmp_path / "ReCoRD").mkdir()
    rows = [dict(row) for row in records.read_split("record", "dev")[:12]]
    rows[7] |= {"passage": {**rows[7]["passage"], "entities": []}}
    for file in ("train.jsonl", "val.jsonl"):
        (tmp_path / "ReCoRD" / file).write_text("\n".join(map(json.dumps, rows)))
    catalogue = Catalogue(data={"superglue": DataPlace(folder=tmp_path)})
    trial = config(task="record", data_source="superglue", train_examples=4)
    assert len(load_task_data(trial, backbone.codec, catalogue).dev) == 12
    chosen = dataclasses.replace(trial, answer_by="likelihood")
    message = (
        "answer_by: likelihood needs choices, and 1 of 12 dev rows of record have none (the first "
        "is 7/0); leave them out, or give generation"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load_task_data(chosen, backbone.codec, catalogue)
    other = config(transfer_tasks="record", answer_by="likelihood", data_source="superglue")
    (tmp_path / "BoolQ").mkdir()
    for file, split in (("train.jsonl", "train"), ("val.jsonl", "dev")):
        lines = map(json.dumps, records.read_split("boolq", split)[:64])
        (tmp_path / "BoolQ" / file).write_text("\n".join(lines))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load_transfer_data(other, backbone.codec, catalogue)

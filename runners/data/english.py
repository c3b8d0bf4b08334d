"""Text and an article split for sweeps/specs/english.yaml, from local copies of published data.

    python -m runners.data.english DATA OUT

DATA has the folders `glue`, `superglue` and `squadshifts` in their publishers'
layouts. OUT gets `text/`, a file of JSON lines for each source with a document a
line, and `squad_train.json` and `squad_dev.json`, the articles of squaddev
divided in two: every sixth is dev.

The text holds nothing that the study evaluates on: of SST-2, MRPC, RTE and CB it
has the training split alone, of squaddev the articles that train, and of new_wiki
and nyt nothing. BoolQ and MultiRC are not evaluated on, and give the passages of
both splits. Labels, questions and answers are left out everywhere.
"""

import json
import sys
from pathlib import Path
from typing import Any

from runners.tasks.files.lines import read_jsonl, read_table
from runners.tasks.task import Split

EVERY = 6
"""One article in so many is evaluated on."""


def documents(data: Path) -> dict[str, list[str]]:
    """The documents of each source, in the order of its files."""
    glue, superglue = data / "glue", data / "superglue"
    return {
        "sst2": [row["sentence"] for row in _tsv(glue / "SST-2/train.tsv")],
        "mrpc": [
            row[name]
            for row in _tsv(glue / "MRPC/train.tsv")
            for name in ("#1 String", "#2 String")
        ],
        "rte": [
            row[name]
            for row in read_jsonl(superglue / "RTE/train.jsonl")
            for name in ("premise", "hypothesis")
        ],
        "cb": [row["premise"] for row in read_jsonl(superglue / "CB/train.jsonl")],
        "boolq": [
            row["passage"]
            for split in ("train", "val")
            for row in read_jsonl(superglue / f"BoolQ/{split}.jsonl")
        ],
        "multirc": [
            row["passage"]["text"]
            for split in ("train", "val")
            for row in read_jsonl(superglue / f"MultiRC/{split}.jsonl")
        ],
        "squad": [
            paragraph["context"]
            for article in articles(data, "train")
            for paragraph in article["paragraphs"]
        ],
    }


def articles(data: Path, split: Split) -> list[dict[str, Any]]:
    """The articles of squaddev that train, or those that are evaluated on."""
    path = data / "squadshifts/squaddev_v1.1.json"
    everything = json.loads(path.read_text(encoding="utf-8"))["data"]
    return [
        article
        for place, article in enumerate(everything)
        if (place % EVERY == EVERY - 1) is (split == "dev")
    ]


def _tsv(path: Path) -> list[dict[str, str]]:
    return read_table(path, separator="\t", quoted=False)


def main(data: Path, out: Path) -> None:
    """Write text and split, and say how much there is of each."""
    text = out / "text"
    text.mkdir(parents=True, exist_ok=True)
    for source, lines in documents(data).items():
        written = "".join(json.dumps({"text": line}) + "\n" for line in lines)
        (text / f"{source}.jsonl").write_text(written, encoding="utf-8")
        print(f"{source}: {len(lines):,} documents, {sum(map(len, lines)):,} characters")
    splits: tuple[Split, ...] = ("train", "dev")
    for split in splits:
        chosen = articles(data, split)
        whole = {"version": "1.1", "data": chosen}
        (out / f"squad_{split}.json").write_text(json.dumps(whole), encoding="utf-8")
        print(f"squad_{split}: {len(chosen)} articles")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m runners.data.english DATA OUT")
    main(Path(sys.argv[1]), Path(sys.argv[2]))

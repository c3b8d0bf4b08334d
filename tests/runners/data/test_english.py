"""The text and the articles of english.yaml, out of published data."""

import json
from pathlib import Path

import pytest

from runners.data import english
from runners.data.text import read_text
from runners.tasks.files.squad_file import read_squad_file

PUBLISHED = Path(__file__).resolve().parents[4] / "shared" / "data"


def _prepare(data: Path, out: Path) -> None:
    english.main(data, out)


def _rows(path: Path, *rows: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Every file that the script reads, and those that it must not, with their names in them."""
    root = tmp_path / "data"
    for split in ("train", "dev"):
        for name, header, row in (
            ("SST-2", "sentence\tlabel", f'an "{split} film\t1'),
            ("MRPC", "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", f"1\t2\t3\tone {split}\ttwo"),
        ):
            (root / "glue" / name).mkdir(parents=True, exist_ok=True)
            path = root / "glue" / name / f"{split}.tsv"
            path.write_text(f"\ufeff{header}\n{row}\n", encoding="utf-8")
    superglue = root / "superglue"
    for split in ("train", "val"):
        _rows(superglue / f"RTE/{split}.jsonl", {"premise": f"rte {split}", "hypothesis": "so"})
        _rows(superglue / f"CB/{split}.jsonl", {"premise": f"cb {split}", "hypothesis": "no"})
        _rows(superglue / f"BoolQ/{split}.jsonl", {"passage": f"boolq {split}", "question": "is"})
        _rows(superglue / f"MultiRC/{split}.jsonl", {"passage": {"text": f"multirc {split}"}})
    questions = [{"id": "q", "question": "who?", "answers": [{"text": "I", "answer_start": 0}]}]
    for name in ("squaddev_v1.1", "new_wiki_v1.0", "nyt_v1.0"):
        articles = [
            {"title": str(n), "paragraphs": [{"context": f"{name} {n}", "qas": questions}]}
            for n in range(12)
        ]
        (root / "squadshifts").mkdir(exist_ok=True)
        (root / "squadshifts" / f"{name}.json").write_text(json.dumps({"data": articles}))
    return root


def test_the_text_holds_nothing_that_is_evaluated_on(data: Path, tmp_path: Path) -> None:
    """Catches a ladder that has read its dev sets, and a source that is left out."""
    _prepare(data, tmp_path / "out")
    lines = [
        json.loads(line)["text"]
        for path in (tmp_path / "out" / "text").glob("*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    trained = [f"squaddev_v1.1 {n}" for n in range(12) if n % 6 != 5]
    assert sorted(lines) == sorted(
        [
            'an "train film', "one train", "two", "rte train", "so", "cb train", "boolq train",
            "boolq val", "multirc train", "multirc val", *trained,
        ]
    )  # fmt: skip
    for split, places in (("train", trained), ("dev", ["squaddev_v1.1 5", "squaddev_v1.1 11"])):
        records = read_squad_file(tmp_path / "out" / f"squad_{split}.json")
        assert [record["context"] for record in records] == places


def test_published_data_gives_the_text_of_the_study(tmp_path: Path) -> None:
    """Catches a text that is no longer the one that docs/results.md was measured on."""
    if not PUBLISHED.exists():
        pytest.skip(f"{PUBLISHED} is not there: published data is not part of the project")
    _prepare(PUBLISHED, tmp_path)
    assert read_text(tmp_path / "text").fingerprint == "2398578e95f0a98f"

"""A folder of text: its documents, its held-out share, its fingerprint, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from runners.data.text import HELD_OUT_SHARE, Text, read_text
from runners.rules import ConfigError

MANY = [f"Sentence {number} of a text that goes on." for number in range(2000)]


def _write(folder: Path, name: str, documents: list[str]) -> None:
    """A file of documents, in the form that its name ends with."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        text = "".join(json.dumps({"text": document}) + "\n" for document in documents)
    else:
        text = "\n\n".join(documents)
    path.write_text(text, encoding="utf-8")


def _all(text: Text) -> set[str]:
    return {*text.train, *text.held_out}


def test_a_document_is_a_paragraph_or_the_text_of_a_line(tmp_path: Path) -> None:
    """Catches a file taken for one document, a line break taken for an end, or a file left out."""
    _write(tmp_path, "deep/er/more.jsonl", ["one\n\nwhole  text", *MANY])
    (tmp_path / "a.txt").write_bytes(
        "\ufeffA wrapped\r\nparagraph.\r\n \t\r\nThe  next.\n".encode()
    )
    found = _all(read_text(tmp_path))
    assert found == {"one whole text", "A wrapped paragraph.", "The next.", *MANY}


def test_the_held_out_share_is_of_the_documents_and_nothing_is_in_both(tmp_path: Path) -> None:
    """Catches a loss on documents that were trained on, or a share that is far off."""
    _write(tmp_path, "a.txt", MANY)
    text = read_text(tmp_path)
    assert set(text.train) & set(text.held_out) == set()
    assert len(text.train) + len(text.held_out) == len(MANY)
    # Three standard deviations of a binomial count.
    spread = 3 * (len(MANY) * HELD_OUT_SHARE * (1 - HELD_OUT_SHARE)) ** 0.5
    assert abs(len(text.held_out) - HELD_OUT_SHARE * len(MANY)) < spread


def test_no_document_changes_sides_when_others_come_or_go(tmp_path: Path) -> None:
    """Catches a grown corpus that trains on what it held out before."""
    _write(tmp_path / "half", "a.txt", MANY[:1000])
    _write(tmp_path / "whole", "a.txt", MANY)
    half, whole = read_text(tmp_path / "half"), read_text(tmp_path / "whole")
    assert set(half.held_out) == set(whole.held_out) & set(MANY[:1000])
    assert set(half.train) == set(whole.train) & set(MANY[:1000])


def test_only_what_documents_say_is_fingerprinted_and_ordered(tmp_path: Path) -> None:
    """Catches milestones that are made again because a file was renamed, split or sorted."""
    _write(tmp_path / "one", "a.txt", MANY)
    _write(tmp_path / "other", "b/y.txt", MANY[::-1][:500])
    _write(tmp_path / "other", "x.jsonl", [f" {each} " for each in MANY[:1600]])
    one, other = read_text(tmp_path / "one"), read_text(tmp_path / "other")
    assert one.fingerprint == other.fingerprint
    assert (one.train, one.held_out) == (other.train, other.held_out)
    assert (one.repeated, other.repeated) == (0, 100)
    assert len(one.fingerprint) == 16


def test_another_text_has_another_fingerprint(tmp_path: Path) -> None:
    """Catches two corpora under one adaptation id."""
    prints = set()
    for number, documents in enumerate((MANY, MANY[1:], [*MANY[1:], "Other."])):
        _write(tmp_path / str(number), "a.txt", documents)
        prints.add(read_text(tmp_path / str(number)).fingerprint)
    assert len(prints) == 3


def test_what_a_folder_has_is_told(tmp_path: Path) -> None:
    """Catches duplicates that vanish without a word."""
    _write(tmp_path, "a.txt", [*MANY, *MANY[:3]])
    told = read_text(tmp_path).describe()
    assert told.startswith("2,000 documents, 3 more said the same as another; ")
    assert told.endswith(read_text(tmp_path).fingerprint)


def _nothing(folder: Path) -> None:
    del folder


def _others(folder: Path) -> None:
    for name in ("a.csv", "b.csv", "c.md", "LICENSE"):
        (folder / name).write_text("words")


def _bytes(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return write


def _lines(*lines: str) -> Callable[[Path], None]:
    good = '{"text": "words"}\n\n'
    return _bytes("a.jsonl", (good + "\n".join(lines)).encode())


WRITE = 'write {"text": "..."} on every line'
BAD: list[tuple[Callable[[Path], None], str, str]] = [
    (_nothing, "", "is empty; put .txt or .jsonl files into it"),
    (_nothing, "/gone", "does not exist; give a folder of .txt or .jsonl files"),
    (_bytes("a.txt", b"words"), "/a.txt", "is a file; give the folder that it lies in"),
    (
        _others,
        "",
        (
            "has no .txt or .jsonl file; it has 2 .csv, 1 LICENSE, 1 .md; convert these, or give "
            "another folder"
        ),
    ),
    (_bytes("a.txt", b" \n\n\n"), "", "has no words in its files; write some"),
    (
        _bytes("a.txt", b"one\n\ntwo\n\nthree"),
        "",
        (
            "has too little text: of 3 documents 0 fall into the share that is held out, which is "
            "1 in 50; give more documents, such as shorter paragraphs"
        ),
    ),
    (_bytes("a.txt", b"caf\xe9 au lait"), "+a.txt", "is not UTF-8 at byte 3; save it as UTF-8"),
    (_bytes("a.txt", b"\xff\xfeh\x00i\x00"), "+a.txt", "is not UTF-8 at byte 0; save it as UTF-8"),
    (_lines('{"txt": "a"}'), "+a.jsonl", f"has no 'text' on line 3; {WRITE}"),
    (_lines("words"), "+a.jsonl", f"has no JSON on line 3; {WRITE}"),
    (_lines('["text"]'), "+a.jsonl", f"has no 'text' on line 3; {WRITE}"),
    (_lines('{"text": 4}'), "+a.jsonl", f"has a 'text' that is no string on line 3; {WRITE}"),
    (
        _lines('{"text": "\\ud800"}'),
        "+a.jsonl",
        f"has a 'text' with half a character on line 3; {WRITE}",
    ),
]


@pytest.mark.parametrize(("make", "place", "said"), BAD, ids=[said for _, _, said in BAD])
def test_a_bad_folder(tmp_path: Path, make: Callable[[Path], None], place: str, said: str) -> None:
    """A traceback, or an hour of training on half of the text, in place of a remedy."""
    folder = tmp_path / "text"
    folder.mkdir()
    make(folder)
    given = tmp_path / f"text{place}" if not place.startswith("+") else folder
    named = folder / place[1:] if place.startswith("+") else given
    with pytest.raises(ConfigError) as caught:
        read_text(given)
    assert str(caught.value) == f"text: '{named}' {said}"


def test_every_bad_file_is_told_at_once(tmp_path: Path) -> None:
    """Catches a corpus that is mended one file at a time."""
    (tmp_path / "a.txt").write_bytes(b"\xff")
    (tmp_path / "b.jsonl").write_text("no\nno")
    (tmp_path / "c.txt").write_text("fine")
    with pytest.raises(ConfigError) as caught:
        read_text(tmp_path)
    values = [str(problem.value) for problem in caught.value.problems]
    assert values == [str(tmp_path / "a.txt"), str(tmp_path / "b.jsonl")]

"""Records from text files, and what is said of lines that are none."""

import gzip
import json
import re
from pathlib import Path

import pytest

from runners.tasks.files.lines import column, content, read_jsonl, read_table


def write(path: Path, content: bytes) -> Path:
    """The path, with that content."""
    path.write_bytes(content)
    return path


def test_lines_do_not_end_inside_a_text(tmp_path: Path) -> None:
    """Catches a text with a Unicode line separator, or Windows line ends, cut in two."""
    text = "one\u2028two\x85three"
    line = json.dumps({"text": text}, ensure_ascii=False).encode()
    path = write(tmp_path / "a.jsonl", line + b"\r\n\n" + line)
    assert read_jsonl(path) == [{"text": text}] * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"idx": 0}\n\n{"idx": 1,\n', r"line 3: b'\{\"idx\": 1,' is not JSON \(.*\); write one"),
        (b'{"idx": 0}\n[1]\n', r"line 2: \[1\] is not a JSON object; write one JSON object a line"),
        (b'{"a": "\xff"}\n', r"line 1: .* is not JSON \(.*utf-8.*\); write one JSON object a line"),
        (b"\n \n", r"holds no record; put the publisher's file there"),
        (b"", r"holds no record; put the publisher's file there"),
    ],
)  # fmt: skip
def test_malformed_file(tmp_path: Path, content: bytes, message: str) -> None:
    """Catches a bad line that is skipped, or one named by another number than an editor shows."""
    path = write(tmp_path / "a.jsonl", content)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}(, |: ){message}"):
        read_jsonl(path)


def test_packed_files_are_unpacked(tmp_path: Path) -> None:
    """Catches a publisher's packed file read as text, and one cut off or damaged on its way."""
    packed = gzip.compress(b'{"idx": 0}')
    assert read_jsonl(write(tmp_path / "a.jsonl.gz", packed)) == [{"idx": 0}]
    damaged = packed[:10] + bytes([packed[10] ^ 0xFF]) + packed[11:]
    for broken in (packed[:-9], b"plain", damaged):
        path = write(tmp_path / "b.jsonl.gz", broken)
        message = f"^{re.escape(str(path))}: is no whole gzip file"
        with pytest.raises(ValueError, match=message):
            read_jsonl(path)


def test_a_file_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    """Catches an OSError for a mistyped name."""
    write(tmp_path / "train.csv", b"a\n1\n")
    message = f"^{re.escape(str(tmp_path))}/trian.csv: there is no such file; did you mean 'train"
    with pytest.raises(ValueError, match=message):
        content(tmp_path / "trian.csv")
    with pytest.raises(ValueError, match="there is no such file; give the path of a file"):
        content(tmp_path / "zzz")


def test_csv_may_quote_and_tsv_means_its_marks(tmp_path: Path) -> None:
    """Catches rows of GLUE that are swallowed by a quotation mark, or a CSV text cut in two."""
    path = write(
        tmp_path / "a.csv", b'\xef\xbb\xbftext,label\r\n"one, ""two""\nthree",1\r\n\r\nx,0\n'
    )
    assert read_table(path, separator=",", quoted=True) == [
        {"text": 'one, "two"\nthree', "label": "1"}, {"text": "x", "label": "0"},
    ]  # fmt: skip
    path = write(tmp_path / "a.tsv", b'text\tlabel\n" he said\t1\nhe said " \t0\n')
    assert read_table(path, separator="\t", quoted=False) == [
        {"text": '" he said', "label": "1"}, {"text": 'he said " ', "label": "0"},
    ]  # fmt: skip


def test_rows_of_csv_do_not_end_inside_a_text(tmp_path: Path) -> None:
    """Catches a row cut in two at a Unicode separator, and lines counted by it."""
    text = "one\u2028two\x85three\x1cfour"
    whole = f'text,label\r\n{text},1\r\n"{text}\n!",0\n'
    path = write(tmp_path / "a.csv", whole.encode())
    assert read_table(path, separator=",", quoted=True) == [
        {"text": text, "label": "1"}, {"text": f"{text}\n!", "label": "0"},
    ]  # fmt: skip
    path = write(tmp_path / "b.csv", f"{whole}{text}\n".encode())
    with pytest.raises(ValueError, match=r"b.csv, line 5: 1 values for 2 columns; give each row"):
        read_table(path, separator=",", quoted=True)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.tsv", b"a\tb\n1\t2\n1\n", "line 3: 1 values for 2 columns; give each row a value"),
        ("a.csv", b"a,b\n1,2,3\n", "line 2: 3 values for 2 columns; give each row a value"),
        (
            "a.csv",
            b"text,label,text\na,0,b\n",
            "line 1: 'text' names more than one column; give each column a name of its own",
        ),
        ("a.tsv", b"a\tb\n", "holds no row below its first line; put the whole file there"),
        ("a.tsv", b"", "holds no row below its first line"),
        ("a.tsv", b"a\xff", r"is not UTF-8 text \(.*\); save it as UTF-8"),
        ("a.csv", b'a\n"x', "line 2: unexpected end of data; close every quotation mark"),
    ],
)
def test_a_broken_table_is_refused(tmp_path: Path, name: str, text: bytes, message: str) -> None:
    """Catches a row whose values slide into each other's columns."""
    path = write(tmp_path / name, text)
    quoted = name.endswith("csv")
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}(, |: ){message}"):
        read_table(path, separator="," if quoted else "\t", quoted=quoted)


def test_rows_that_are_known_to_be_broken_are_left_out(tmp_path: Path) -> None:
    """Catches QQP, whose published file has rows that no reader takes."""
    path = write(tmp_path / "a.tsv", b"a\tb\n1\t2\n1\n3\t4\n")
    rows = read_table(path, separator="\t", quoted=False, broken=True)
    assert rows == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


def test_a_column_that_is_not_there_is_named() -> None:
    """Catches a bare KeyError for a file of another layout."""
    row = {"sentence": "x", "label": "1"}
    assert column(row, "label", "here") == "1"
    with pytest.raises(ValueError, match=r"^here: there is no column 'sentense'; did you mean"):
        column(row, "sentense", "here")
    with pytest.raises(ValueError, match=r"no column 'zzz'; its columns are sentence, label$"):
        column(row, "zzz", "here")

"""Records from text files: JSON lines, and tables of separated values."""

import csv
import gzip
import io
import json
import reprlib
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runners.rules import nearest


def content(path: Path) -> bytes:
    """The bytes of a file, unpacked where its name ends in .gz.

    Raises ValueError where it is not there, or is no gzip file in spite of its name.
    """
    if not path.is_file():
        near = nearest(path.name, [each.name for each in path.parent.glob("*")])
        remedy = f"did you mean {near!r}?" if near else "give the path of a file"
        raise ValueError(f"{path}: there is no such file; {remedy}")
    packed = path.read_bytes()
    if path.suffix != ".gz":
        return packed
    try:
        return gzip.decompress(packed)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: is no whole gzip file ({error}); copy it again") from error


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a UTF-8 file, one a line; empty lines do not count.

    Raises ValueError naming file and line where a line is no JSON object, and
    where there is none at all.
    """
    # Bytes, because as text a line would also end at a Unicode separator inside a passage.
    lines = content(path).splitlines()
    records = [
        _parse(line, path, number) for number, line in enumerate(lines, start=1) if line.strip()
    ]
    if not records:
        raise ValueError(f"{path}: holds no record; put the publisher's file there")
    return records


def _parse(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}, line {number}: {reprlib.repr(line)} is not JSON ({error}); "
            "write one JSON object a line"
        ) from error
    if not isinstance(record, dict):
        raise ValueError(
            f"{path}, line {number}: {reprlib.repr(record)} is not a JSON object; "
            "write one JSON object a line"
        )
    return record


def read_table(
    path: Path, *, separator: str, quoted: bool, broken: bool = False
) -> list[dict[str, str]]:
    """The rows of a UTF-8 table by the names in its first line.

    `quoted` says whether a value may stand in quotation marks and span lines,
    as in CSV; GLUE's files have marks that mean themselves. Raises ValueError
    where two columns have one name, where a row has not one value for each
    column, unless `broken` rows are known of the file and left out, and where
    there is no row.
    """
    rows = _rows(path, separator, quoted)
    first = next(rows, None)
    columns = first[1] if first else []
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise ValueError(
            f"{path}, line 1: {', '.join(map(repr, twice))} names more than one column; give each "
            "column a name of its own"
        )
    records = []
    for number, values in rows:
        if len(values) != len(columns) and broken:
            continue
        if len(values) != len(columns):
            raise ValueError(
                f"{path}, line {number}: {len(values)} values for {len(columns)} columns; "
                "give each row a value for every column of the first line"
            )
        records.append(dict(zip(columns, values, strict=True)))
    if not records:
        raise ValueError(f"{path}: holds no row below its first line; put the whole file there")
    return records


def _rows(path: Path, separator: str, quoted: bool) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and values of a table, empty lines left out."""
    try:
        # A byte order mark is no part of the first column's name.
        text = content(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not UTF-8 text ({error}); save it as UTF-8") from error
    if not quoted:
        lines = text.replace("\r\n", "\n").split("\n")
        yield from ((n, line.split(separator)) for n, line in enumerate(lines, start=1) if line)
        return
    # Line ends are those of files alone: a Unicode separator stays inside its value.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for values in reader:
            if values:
                yield reader.line_num, values
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {reader.line_num}: {error}; close every quotation mark"
        ) from error


def column(row: Mapping[str, str], name: str, where: str) -> str:
    """A value of a row; raises ValueError naming the nearest column where there is none."""
    if name in row:
        return row[name]
    near = nearest(name, row)
    remedy = f"did you mean {near!r}?" if near else f"its columns are {', '.join(row)}"
    raise ValueError(f"{where}: there is no column {name!r}; {remedy}")

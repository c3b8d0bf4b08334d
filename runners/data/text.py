"""A folder of text as documents: what to train on, what to hold out, and its fingerprint.

A leaf: no tensors, so that a spec which names a folder is checked at once.

Documents come from `*.txt`, a document a paragraph, and from `*.jsonl`, a
document the `text` of a line, in the folder and in all below it. A paragraph,
and not a file, because a corpus is often one file, of which no share could be
held out; text that belongs together over paragraphs goes into `.jsonl`. White
space counts as a single space, so that line breaks inside a paragraph are none.

What a document says is all that counts. Documents that say the same are one;
they are in the order of their SHA-256, which also decides who is held out. So
names, order and format of files change nothing, and a document that is added
moves no other between the shares.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runners.rules import ConfigError, Problem

KEY = "text"
"""What a problem with a folder is keyed by, and the field of a line of `.jsonl`."""
ENDINGS = (".txt", ".jsonl")
HELD_OUT_SHARE = 0.02
"""Share of the documents that nothing trains on.

One share for every stage, so that what pre-training holds out LM adaptation
holds out as well.
"""
WINDOW = 128
"""Tokens of a row of text, where nothing else is asked for."""
_PARAGRAPHS = re.compile(r"\n\s*\n")


@dataclass(frozen=True, kw_only=True)
class Text:
    """The documents of a folder, each once, in the order of their SHA-256."""

    folder: Path
    train: tuple[str, ...]
    held_out: tuple[str, ...]
    fingerprint: str
    """16 hex digits of SHA-256 over what the documents say, and over nothing else."""
    repeated: int
    """Documents beyond these that say the same as another."""

    def describe(self) -> str:
        """Counts, in one line."""
        repeated = f", {self.repeated:,} more said the same as another" if self.repeated else ""
        return (
            f"{len(self.train) + len(self.held_out):,} documents{repeated}; "
            f"{len(self.held_out):,} are held out; fingerprint {self.fingerprint}"
        )


def read_text(folder: Path) -> Text:
    """The documents of a folder.

    Raises `ConfigError` with a problem for each file that cannot be read, and
    where the folder is missing, has no text, or too little to hold a share out.
    """
    problems: list[Problem] = []
    found = [document for file in _files(folder) for document in _documents(file, problems)]
    if problems:
        raise ConfigError(problems)
    by_digest = {hashlib.sha256(document.encode()).digest(): document for document in found}
    if not by_digest:
        raise _refusal(folder, "has no words in its files", "write some")
    order = sorted(by_digest)
    held_out = tuple(by_digest[digest] for digest in order if _is_held_out(digest))
    train = tuple(by_digest[digest] for digest in order if not _is_held_out(digest))
    if not (train and held_out):
        rule = (
            f"has too little text: of {len(order):,} documents {len(held_out):,} fall into the "
            f"share that is held out, which is 1 in {1 / HELD_OUT_SHARE:.0f}"
        )
        raise _refusal(folder, rule, "give more documents, such as shorter paragraphs")
    return Text(
        folder=folder,
        train=train,
        held_out=held_out,
        fingerprint=hashlib.sha256(b"".join(order)).hexdigest()[:16],
        repeated=len(found) - len(order),
    )


def _is_held_out(digest: bytes) -> bool:
    """A function of the document alone: whether its SHA-256 is among the smallest."""
    return int.from_bytes(digest[:8], "big") < HELD_OUT_SHARE * 2**64


def _files(folder: Path) -> list[Path]:
    """Every text file in or below a folder, by its path; raises ConfigError where there is none."""
    wanted = " or ".join(ENDINGS)
    if folder.is_file():
        raise _refusal(folder, "is a file", "give the folder that it lies in")
    if not folder.is_dir():
        raise _refusal(folder, "does not exist", f"give a folder of {wanted} files")
    there = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [path for path in there if path.suffix in ENDINGS]
    if not there:
        raise _refusal(folder, "is empty", f"put {wanted} files into it")
    if not files:
        endings = Counter(path.suffix or path.name for path in there)
        named = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(5))
        rule = f"has no {wanted} file; it has {named}"
        raise _refusal(folder, rule, "convert these, or give another folder")
    return files


def _documents(file: Path, problems: list[Problem]) -> Iterator[str]:
    """The documents of one file that say anything, with single spaces."""
    text = _read(file, problems)
    texts = _lines(file, text, problems) if file.suffix == ".jsonl" else _PARAGRAPHS.split(text)
    for each in texts:
        words = each.split()
        if words:
            yield " ".join(words)


def _read(file: Path, problems: list[Problem]) -> str:
    try:
        text = file.read_bytes().decode()
    except UnicodeDecodeError as error:
        rule = f"is not UTF-8 at byte {error.start:,}"
        problems.append(_problem(file, rule, "save it as UTF-8"))
        return ""
    except OSError as error:
        problems.append(_problem(file, f"cannot be read ({error.strerror})", "see to its rights"))
        return ""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _lines(file: Path, text: str, problems: list[Problem]) -> Iterator[str]:
    """The text of each line; the first line without one is a problem, and ends the file."""
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            if line.strip():
                yield _text_of(line)
        except ValueError as error:
            remedy = 'write {"text": "..."} on every line'
            problems.append(_problem(file, f"{error} on line {number:,}", remedy))
            return


def _text_of(line: str) -> str:
    """The text of a line of `.jsonl`; raises ValueError with the rule that it breaks."""
    try:
        values = json.loads(line)
    except ValueError as error:
        raise ValueError("has no JSON") from error
    if not isinstance(values, dict) or KEY not in values:
        raise ValueError(f"has no {KEY!r}")
    text = values[KEY]
    if not isinstance(text, str):
        raise ValueError(f"has a {KEY!r} that is no string")
    if text.encode(errors="ignore").decode() != text:
        raise ValueError(f"has a {KEY!r} with half a character")
    return text


def _problem(path: Path, rule: str, remedy: str) -> Problem:
    return Problem(key=KEY, value=str(path), rule=rule, remedy=remedy)


def _refusal(path: Path, rule: str, remedy: str) -> ConfigError:
    return ConfigError([_problem(path, rule, remedy)])

"""Paraphrases of the world: what is the same, and that the fields do not tell without reading."""

from runners.microworld.records import Record, read_split
from runners.microworld.relations import RELATIONS


def _kind(text: str) -> int | None:
    """Which of the two kinds of some gist a text speaks of, by its words; None where neither."""
    found = {
        kind
        for relation in RELATIONS
        for kind, words in enumerate(relation.gist.words)
        if any(f" {word} " in f" {text.rstrip('.?')} " for word in words)
    }
    return found.pop() if len(found) == 1 else None


def _share(records: list[Record]) -> float:
    return sum(record["label"] for record in records) / len(records)


def test_the_second_text_alone_tells_little() -> None:
    """Catches a label that follows from one of the two texts, so that nothing is compared."""
    for task, field in (("mrpc", "sentence2"), ("qqp", "question2")):
        records = list(read_split(task, "train"))
        for kind in (0, 1):
            of_kind = [record for record in records if _kind(record[field]) == kind]
            assert len(of_kind) > 200
            assert 0.4 < _share(of_kind) < 0.6


def test_the_same_is_told_of_the_same_subject() -> None:
    """Catches pairs about two people, which every model can tell apart without the gist."""
    for record in read_split("mrpc", "dev"):
        told, said = record["sentence1"], record["sentence2"]
        subjects = {s for relation in RELATIONS for s in relation.subjects}
        shared = [s for s in subjects if s.lower() in told.lower() and s.lower() in said.lower()]
        assert shared, record


def test_questions_are_questions() -> None:
    """Catches a clause that keeps its full stop, or a name in lower case."""
    firsts = [record["question1"] for record in read_split("qqp", "dev")]
    assert all(first.startswith(("Is it true that", "Is it so that")) for first in firsts)
    assert all(first.endswith("?") and "." not in first for first in firsts)
    assert not any(" ann " in first or " on monday" in first for first in firsts)

"""Questions about a passage in T5's format, and SQuAD's metrics."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.model.family import Place
from runners.model.reading import read_codec
from runners.tasks.question_answering import MRQA, SQUAD, answering, spaced, spaced_marks

RECORD: dict[str, Any] = {
    "idx": 0, "question": "Who's the U.S. leader?", "context": "In 2015 (May),\nAnna led.",
    "answers": ["Anna", "Anna Lee"],
}  # fmt: skip


def test_the_format_is_t5s() -> None:
    """Catches marks without space around them, or a second right answer as the target."""
    (example,) = SQUAD["squad"].read([RECORD], split="train")
    assert example.input == (
        "question: Who ' s the U . S . leader ? context: In 2015 ( May ) , Anna led ."
    )
    assert (example.target, example.references) == ("Anna", ("Anna", "Anna Lee"))


TEXTS = [
    ("a_b", "a_b"),
    ("\u201310°", "\u2013 10 °"),
    ("né, naïve", "n é , na ï ve"),
    ("  two\t\nwords ", "two words"),
    ("e\u0301t", "e \u0301 t"),
    ("½ of 3,5", "½ of 3 , 5"),
    ("10\u00a0km", "10 \u00a0 km"),
    ("a\vb", "a \v b"),
    ('"This  is a string with "punctuation (1845-1986) ".',
     '" This is a string with " punctuation ( 1845 - 1986 ) " .'),
    ("", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_spacing(text: str, expected: str) -> None:
    """Catches a rule that is not T5's: letters beyond ASCII are marks to it, underscores are not.

    The last text but one is that of T5's own test (t5/data/preprocessors_test.py).
    """
    assert spaced(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Где Москва?", "Где Москва ?"),
        ("né, naïve e\u0301t", "né , naïve e\u0301t"),
        ("दिल्ली कहाँ है।", "दिल्ली कहाँ है ।"),
        ("東京は「大きい」。", "東京は 「 大きい 」 。"),
        ("«да»—нет…", "« да » — нет …"),
        ("a_b 10°\u00a0km €5 $5", "a_b 10° km €5 $ 5"),
        ("👩\u200d🔬\ufe0f", "👩\u200d🔬\ufe0f"),
        ("", ""),
    ],
)
def test_spacing_in_any_language(text: str, expected: str) -> None:
    """Catches words in single letters, accents and vowel signs torn off, marks that cling."""
    assert spaced_marks(text) == expected
    ask = {"idx": 0, "question": text or "?", "context": text, "answers": ["Москва"]}
    (example,) = answering("mine", own=True).read([ask], split="train")
    assert example.target == "Москва"
    assert example.input == f"question: {expected or '?'} context: {expected}"


@given(st.text(alphabet=[*map(chr, range(32, 127)), "\t", "\n"]))
def test_a_text_in_ascii_is_spaced_as_t5_does(text: str) -> None:
    """Catches a user's English questions that are written otherwise than SQuAD's."""
    assert spaced_marks(text) == spaced(text)


def _pad_punctuation(text: str) -> str:
    r"""T5's rule transcribed; RE2's `\W` is Python's in ASCII, and its `\s` lacks `\v`."""
    padded = re.sub(r"(\W)", r" \1 ", text, flags=re.ASCII)
    return re.sub(r"[^\S\v]+", " ", padded, flags=re.ASCII)


def test_t5s_vocabulary_sees_what_t5s_rule_writes(tmp_path: Path) -> None:
    """Catches spaces at the ends of a text, which T5 writes and we do not, that make a piece."""
    published = Path(__file__).resolve().parents[4] / "shared" / "data" / "t5" / "spiece.model"
    if not published.exists():
        pytest.skip(f"{published} is not there: T5's vocabulary is not part of the project")
    (tmp_path / "spiece.model").write_bytes(published.read_bytes())
    settings = {"tokenizer_class": "T5Tokenizer", "extra_ids": 100}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    codec = read_codec(Place(path=tmp_path), continues=False)
    theirs = [_pad_punctuation(text) for text, _ in TEXTS]
    assert any(text != text.strip() for text in theirs)
    assert codec.inputs([spaced(text) for text, _ in TEXTS]) == codec.inputs(theirs)


def test_t5_has_no_first_word_for_squad() -> None:
    """Catches `squad question: ...`, which no T5 has ever read."""
    (kept,) = SQUAD["squad"].read([RECORD], split="dev", task_prefix=True)
    (dropped,) = SQUAD["squad"].read([RECORD], split="dev")
    assert kept.input == dropped.input
    assert kept.input.startswith("question: Who ' s the")


def test_an_empty_answer_beside_others_is_left_out() -> None:
    """Catches a model that is tuned to say nothing, and silence that counts as right."""
    (example,) = SQUAD["squad"].read([{**RECORD, "answers": ["", " ", "Paris"]}], split="train")
    assert (example.target, example.references) == ("Paris", ("Paris",))


def test_metrics_take_the_best_right_answer() -> None:
    """Catches an answer judged by the first of the right ones alone."""
    examples = MRQA["bioasq"].read([RECORD, {**RECORD, "idx": 1}], split="dev")
    scores = MRQA["bioasq"].score(["the Anna Lee !", "Anna led"], examples)
    assert scores["exact_match"] == 50
    # 'anna led' shares one of two tokens with 'anna': F1 of 2/3.
    assert scores["f1"] == pytest.approx(100 * (1 + 2 / 3) / 2)
    assert scores["invalid"] == 0
    assert SQUAD["squad"].score(["The !", "Anna"], examples)["invalid"] == 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answers": []}, "squad record idx 0: answers: [] is empty; leave the question out"),
        ({"answers": [" "]}, "squad record idx 0: answers: [' '] is empty"),
        ({"answers": "Anna"}, "squad record idx 0: answers: 'Anna' is not a list of texts; write"),
        ({"answers": [1]}, "squad record idx 0: answers: [1] is not a list of texts"),
        ({"question": 3}, "squad record idx 0: question: 3 is not text"),
    ],
)
def test_a_bad_record_is_refused(changes: dict[str, Any], message: str) -> None:
    """Catches an unanswerable question, which SQuAD 1.1 does not have, as an empty target."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        SQUAD["squad"].read([{**RECORD, **changes}], split="train")

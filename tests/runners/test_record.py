"""Records and failures as JSON."""

import dataclasses
import json
import re

import pytest

from runners.record import Failure, TrialRecord

RECORD = TrialRecord(
    trial_id="ab0123456789cdef", attempt="a1", stage="tuning", label="60k-p20-boolq-s0",
    config={"task": "boolq", "prompt_length": None, "learning_rate": 1e-5},
    metrics={"score": 61.25, "invalid": 0.0}, provenance={"versions": {"torch": "2"}, "pack": 8},
    files={"history.jsonl": "00ff"},
)  # fmt: skip
FAILURE = Failure(
    trial_id="ab0123456789cdef", attempt="a1", kind="diverged", message="loss nan\nat step 3",
    config={"task": "boolq"}, provenance={},
)  # fmt: skip


@pytest.mark.parametrize("kept", [RECORD, FAILURE])
def test_what_is_written_is_read_again(kept: TrialRecord | Failure) -> None:
    """Catches a field that is lost in the store, or a number that is rounded there."""
    assert type(kept).from_json(kept.to_json()) == kept


@pytest.mark.parametrize("kept", [RECORD, FAILURE])
def test_a_record_is_one_line_with_sorted_keys(kept: TrialRecord | Failure) -> None:
    """Catches an index of lines that breaks at a message, or bytes that differ between runs."""
    text = kept.to_json()
    assert "\n" not in text
    assert text == json.dumps(json.loads(text), sort_keys=True)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused(number: float) -> None:
    """Catches a NaN in the store, which no other reader of JSON accepts."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        dataclasses.replace(RECORD, metrics={"score": number}).to_json()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "Failure: list is not a JSON object"),
        ("null", "Failure: NoneType is not a JSON object"),
        (
            FAILURE.to_json().replace("provenance", "origin"),
            "Failure: missing keys ['provenance'], foreign keys ['origin']",
        ),
    ],
)
def test_what_is_no_record_is_told(text: str, message: str) -> None:
    """Catches a file of another version that is read with half of its fields."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Failure.from_json(text)


def test_a_cut_off_file_is_a_value_error() -> None:
    """Catches a half-written record that stops a program which expects bad files."""
    for length in (0, 20, 100):
        with pytest.raises(ValueError, match="char"):
            TrialRecord.from_json(RECORD.to_json()[:length])


@pytest.mark.parametrize(("said", "measured"), [({}, True), ({"measured": False}, False)])
def test_a_record_is_measured_unless_it_says_otherwise(
    said: dict[str, bool], measured: bool
) -> None:
    """Catches stated scores among measured ones, and older records that are doubted."""
    record = dataclasses.replace(RECORD, provenance={**RECORD.provenance, **said})
    assert TrialRecord.from_json(record.to_json()).measured is measured

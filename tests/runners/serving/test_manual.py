"""The page on serving names what clients and operators read."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SERVING = ROOT / "runners" / "serving"
PAGE = (ROOT / "docs" / "serving.md").read_text()
CODE = r"(?:Refusal|Full|Rejected|Forbidden|error_body)\(\s*(?:\d+, )?\"(\w+)\""
TABLE = PAGE.partition("## Errors")[2].partition("## ")[0]


def _codes() -> Iterator[str]:
    for source in SERVING.glob("*.py"):
        yield from re.findall(CODE, source.read_text())


def test_every_code_of_an_error_is_in_the_manual() -> None:
    """Catches an error that a client cannot look up, and a manual of errors that are gone."""
    named = set(re.findall(r"`(\w+)`", TABLE)) & {*_codes(), *re.findall(r"`(\w+_\w+)`", TABLE)}
    found = {*_codes(), "no_route", "no_method"}
    assert len(found) > 25
    assert named - {"finish_reason"} == found


@pytest.mark.parametrize("pattern", [r"\"(promptscale_\w+)\""])
def test_every_metric_is_in_the_manual(pattern: str) -> None:
    """Catches a metric that nobody makes a graph of, since it is told nowhere."""
    found = re.findall(pattern, (SERVING / "metrics.py").read_text())
    assert len(found) > 5
    assert [name for name in found if name not in PAGE] == []

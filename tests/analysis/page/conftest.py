"""What tests of the page share."""

import pytest

from analysis.page.pictures import Further


@pytest.fixture
def plain_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without the figures of matplotlib, which take a second each time."""
    monkeypatch.setattr("analysis.page.build.further", lambda *_: Further())

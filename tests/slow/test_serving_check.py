"""Answers of shipped prompts, example by example, as they were recorded at evaluation."""

import pytest

from runners.catalogue import Catalogue
from runners.serving.checking import compare
from runners.serving.sources import find_models, parse_sources

pytestmark = pytest.mark.slow


def test_shipped_prompts_answer_as_recorded() -> None:
    """Catches a served input, limit or model that is not that of evaluation.

    Scores hold everywhere; answers to the letter where bfloat16 rounds as it did
    where they were recorded.
    """
    found = find_models(parse_sources(["shipped"]), Catalogue())
    for each in compare([m.prompts[0] for m in found.models], found, Catalogue()):
        assert each.score == pytest.approx(each.prompt.score, abs=1.5)

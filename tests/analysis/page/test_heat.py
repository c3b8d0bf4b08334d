"""Heat maps as tables."""

from typing import Any

from ablation import prompt_init, prompt_length
from analysis.marginals import crossing, interaction_table
from analysis.page.heat import Cell, pairs_of
from runners.config import TrialConfig

PAIR = (prompt_length.AXIS, prompt_init.AXIS)
DEFAULTS = {"prompt_length": 20, "prompt_init": "class_label", "lm_adaptation_steps": 1000}


def _lacks(config: TrialConfig) -> bool:
    """A seed of the class labels at one token, and all of the random start at 20."""
    if config.model_size != "60k" or config.lm_adaptation_steps != 1000:
        return False
    if config.prompt_init == "class_label":
        return config.prompt_length == 1 and config.seed == 1
    return config.prompt_length == 20


def test_a_cell_has_its_mean_and_says_what_it_lacks(frame_of: Any) -> None:
    """A map that is transposed, or a thin cell like all others."""
    found = crossing(frame_of(design="complete", done=lambda config: not _lacks(config)))
    assert found is not None
    table = interaction_table(found, PAIR, "slice", DEFAULTS)
    (pair,) = pairs_of([(table, PAIR)], found.sizes)
    assert pair.title == "Prompt length (rows) and Prompt initialisation (columns)"
    assert [heat.size for heat in pair.heats] == ["60k", "200k", "2m"]
    small, large = pair.heats[0], pair.heats[-1]
    assert small.heads == ("Random uniform", "Class label")
    # Scores of the formula at 60k: 60 and 50, less the gap of 20 times its share.
    assert [label for label, _ in small.rows] == ["20", "1"]
    (lost, whole), (random, thin) = (cells for _, cells in small.rows)
    assert lost == Cell(words="✕", depth=0.0, told="no complete seed", known=False)
    assert (whole.words, random.words, thin.words) == ("35.5", "20.5", "25.0*")
    assert thin.told == "25.0, 1 of 2 seeds"
    assert random.depth == 0.0
    assert {cell.words for _, cells in large.rows for cell in cells} == {"75.5"}
    assert {cell.depth for _, cells in large.rows for cell in cells} == {45.0}

"""Heat maps: their cells, and how they are drawn."""

from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from ablation import prompt_init, prompt_length
from analysis.figures.heat import Cell, HeatMaps, Map, draw_map, heat_maps, heat_sheet
from analysis.marginals import PAIRS, Crossing, crossing, interaction_table
from analysis.style import paper
from runners.config import TrialConfig

PAIR = (prompt_length.AXIS, prompt_init.AXIS)
DEFAULTS = {"prompt_length": 20, "prompt_init": "class_label", "lm_adaptation_steps": 1000}


def maps_of(crossed: Crossing, *pairs: Any) -> HeatMaps:
    """Slices of some pairs of axes."""
    maps: list[Map] = [(interaction_table(crossed, p, "slice", DEFAULTS), p) for p in pairs]
    return heat_maps(crossed, maps, "slice", crossed.trials)


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
    (pair,) = maps_of(found, PAIR).pairs
    assert pair.title == "Prompt length (rows) and prompt initialisation (columns)"
    assert [heat.size for heat in pair.heats] == ["60k", "200k", "2m"]
    small, large = pair.heats[0], pair.heats[-1]
    assert small.heads == ("Random uniform", "Class label")
    # Scores of the formula at 60k: 60 and 50, less the gap of 20 times its share.
    assert [label for label, _ in small.rows] == ["20", "1"]
    (lost, whole), (random, thin) = (cells for _, cells in small.rows)
    assert lost == Cell(words="✕", shade=0.0, told="no complete seed", known=False)
    assert (whole.words, random.words, thin.words) == ("35.5", "20.5", "25.0*")
    assert thin.told == "25.0, 1 of 2 seeds"
    assert random.shade == 0.0
    assert {cell.words for _, cells in large.rows for cell in cells} == {"75.5"}
    assert {cell.shade for _, cells in large.rows for cell in cells} == {1.0}


def test_a_heat_map_marks_what_is_missing_and_what_is_thin(frame_of: Any) -> None:
    """A cell of nothing drawn as the lowest score, or one seed as good as two."""
    frame = frame_of(
        design="complete",
        scorer=lambda c: 50.0,
        done=lambda c: c.model_size == "60k" and not (c.prompt_length == 1 and (
            c.prompt_init == "class_label" or c.seed == 0)),
    )  # fmt: skip
    found = crossing(frame)
    assert found is not None
    maps = maps_of(found, PAIRS[0])
    with paper():
        axes = draw_map(Figure().add_subplot(), maps.pairs[0].heats[0], columns="C", rows="R")
    assert sorted(text.get_text() for text in axes.texts) == ["50.0", "50.0", "50.0*"]
    (patch,) = axes.patches
    # At one token, the last row, and the class labels, the second column.
    assert patch.get_extents().min == pytest.approx(axes.transData.transform((0.5, 1.5)))
    assert maps.alert.endswith("Crossed out: no complete seed; star: some seeds missing.")


def test_numbers_stand_out_from_their_shade(frame_of: Any) -> None:
    """White on a middling green: contrast below 4.5 to 1 (WCAG 2.2, 1.4.3)."""
    lot = np.random.default_rng(0)
    found = crossing(frame_of(design="complete", scorer=lambda c: lot.uniform(0, 100)))
    assert found is not None
    ratios = []
    with paper():
        for axes in heat_sheet(maps_of(found, *PAIRS)).axes:
            (image,) = axes.images
            for text in axes.texts:
                column, row = (int(place) for place in text.get_position())
                ground = image.to_rgba(image.get_array())[row, column]  # type: ignore[call-overload]
                pair = sorted(_light(colour) for colour in (ground, to_rgb(text.get_color())))
                ratios.append((pair[1] + 0.05) / (pair[0] + 0.05))
    assert len(ratios) >= 20
    assert min(ratios) >= 4.5


def _light(colour: Any) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    parts = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in colour[:3]]
    return float(np.dot(parts, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("sizes", [["60k", "200k", "2m"], ["2m"]])
@pytest.mark.parametrize("is_whole", [True, False])
def test_words_of_heat_maps_stay_on_the_sheet(
    frame_of: Any, is_whole: bool, sizes: list[str]
) -> None:
    """Labels of long names cut off at the left, notes at the right, or maps over each other."""
    frame = frame_of(
        design="complete", axes={"model_size": sizes}, scorer=lambda c: 50.0,
        done=lambda c: is_whole or c.prompt_length == 20,
    )  # fmt: skip
    found = crossing(frame)
    assert found is not None
    maps = maps_of(found, *PAIRS)
    assert (maps.alert == "") == is_whole
    with paper():
        figure = heat_sheet(maps)
        boxes = [axes.get_tightbbox() for axes in figure.axes]
        notes = [text.get_window_extent() for text in figure.texts]
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in notes)
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert all(figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 for box in boxes)
    assert not any(a.overlaps(b) for place, a in enumerate(boxes) for b in boxes[:place])

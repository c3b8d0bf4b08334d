"""Looks that stand apart, and numbers of parameters in short."""

import matplotlib as mpl
import pytest

from analysis.style import (
    DEFAULT_LOOK,
    colour_of,
    in_short,
    looks,
    marker_of,
    paper,
    place_of,
)


def test_default_is_the_green_x_and_no_two_lines_look_alike() -> None:
    """Lines that only their colour tells apart, which a grey print does not."""
    found = looks([1, 5, 20, 50, 100, 150, 200], 20)

    assert found[20] == DEFAULT_LOOK
    assert DEFAULT_LOOK.marker == "x"
    for feature in ("color", "marker"):
        assert len({getattr(look, feature) for look in found.values()}) == 7
    assert len({str(look.linestyle) for look in found.values()}) == 7


def test_value_keeps_its_look_when_a_later_one_is_added() -> None:
    """A line that changes its colour between two versions of a figure."""
    fewer, more = looks([1, 5, 20], 20), looks([1, 5, 20, 50], 20)

    assert {value: more[value] for value in fewer} == fewer


def test_more_lines_than_looks_are_refused() -> None:
    """Two lines that share a look."""
    with pytest.raises(ValueError, match="50 settings beside the default: only 49 can be told"):
        looks(list(range(51)), 0)


def test_many_lines_are_told_apart_in_colour_and_in_grey() -> None:
    """An axis of nine values, by which no figure of a sweep was drawn; two that look alike."""
    found = looks(list(range(50)), 0)

    assert len({(look.color, look.marker) for look in found.values()}) == 50
    assert len({(look.marker, str(look.linestyle)) for look in found.values()}) == 50
    assert {value: found[value] for value in range(8)} == looks(list(range(8)), 0)


def test_page_has_the_colour_and_the_marker_of_the_figure() -> None:
    """A page whose lines look otherwise than those of the file beside it."""
    found = list(looks(list(range(50)), 0).values())

    assert [place_of(look) for look in found] == list(range(50))
    for feature, place in (("color", colour_of), ("marker", marker_of)):
        first = [getattr(look, feature) for look in found[:8]]
        shown = [first[place(at)] for at in range(50)]
        assert shown == [getattr(look, feature) for look in found]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (640, "640"),
        (62_000, "62K"),
        (206_848, "207K"),
        (999_499, "999K"),
        (999_900, "1M"),
        (2_060_321, "2.06M"),
        (11_135_332_352, "11.1B"),
    ],
)
def test_count_in_short(count: int, text: str) -> None:
    """Ticks such as 1e+03K, or a count that rounds into the wrong unit."""
    assert in_short(count) == text


def test_style_does_not_depend_on_what_was_set_before_and_leaves_no_trace() -> None:
    """A figure that looks different on a machine with settings of its own."""
    with mpl.rc_context({"font.size": 31, "axes.facecolor": "pink"}):
        with paper():
            inside = mpl.rcParams["font.size"], mpl.rcParams["axes.facecolor"]
        after = mpl.rcParams["font.size"]

    assert inside == (7.5, "white")
    assert after == 31


def test_pdf_fonts_are_outlines() -> None:
    """Type 3 fonts, which printers and journals refuse."""
    with paper():
        assert mpl.rcParams["pdf.fonttype"] == 42

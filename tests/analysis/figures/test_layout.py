"""Where marks stand beside a size."""

from itertools import pairwise

from analysis.figures.layout import abreast, sideways


def test_empty_marks_do_not_lie_on_each_other() -> None:
    """Five settings without a seed that look like three."""
    places = [abreast(place, 5) for place in range(5)]
    assert {round(b - a, 6) for a, b in pairwise(places)} == {5.0}
    assert abreast(0, 1) == sum(places) == 0.0


def test_seeds_stand_beside_their_mean() -> None:
    """Seeds of one line hidden by its mean, or on those of the next."""
    places = [sideways(place) for place in range(5)]
    assert len(set(places)) == 5
    assert min(map(abs, places)) >= 5.0


def test_many_lines_stay_near_their_size() -> None:
    """Points and empty marks of one size that stand at the next one."""
    assert {abs(sideways(place)) for place in range(50)} == {5.0, 7.5, 10.0, 12.5}
    places = [abreast(place, 50) for place in range(50)]
    assert places == sorted(places)
    assert places[-1] - places[0] < 40

"""What was measured, against what the work alone would have said.

Trials of one method and size are a group. The ratio of measured to forecast seconds
of a group corrects the forecast of what is left of it; a group of which nothing was
measured takes the geometric mean of the others' ratios, and a wider interval.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

Group = tuple[str, str]
"""A method or `lm_adaptation`, and a model size."""
NORMAL_80 = 1.2816
"""Standard deviations to each side of which lie 80% of a normal distribution."""
FLOOR = 0.1
"""The least standard deviation of a logarithm: machines are not the same every day."""
BETWEEN = 0.3
"""That of the ratio of one group to another, where fewer than three groups tell."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A guess, and the two ends between which it should lie four times in five."""

    low: float
    middle: float
    high: float

    def __add__(self, other: "Interval") -> "Interval":
        # Whoever errs on one group errs on the others alike, so ends add up.
        return Interval(
            low=self.low + other.low, middle=self.middle + other.middle,
            high=self.high + other.high,
        )  # fmt: skip

    def __mul__(self, times: float) -> "Interval":
        return Interval(low=times * self.low, middle=times * self.middle, high=times * self.high)

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


NOTHING = Interval(low=0.0, middle=0.0, high=0.0)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Seconds of one finished piece of work: as forecast from its work alone, and as measured."""

    forecast: float
    measured: float


@dataclass(frozen=True, kw_only=True)
class Miss:
    """How far apart forecast and measurement of a group are, in seconds.

    `from_work` is the forecast without any measurement, `from_others` that with
    the measurements of all other groups, None where there are none.
    """

    group: Group
    count: int
    measured: float
    from_work: Interval
    from_others: Interval | None


class Calibration:
    """Corrects forecasts by what was measured; `spread` is the factor of the prior's interval."""

    def __init__(self, measured: Mapping[Group, Sequence[Pair]], spread: float) -> None:
        self._measured = {group: pairs for group, pairs in measured.items() if pairs}
        self._prior = math.log(spread) / NORMAL_80

    @property
    def count(self) -> int:
        """Finished pieces of work that it knows of."""
        return sum(map(len, self._measured.values()))

    def interval(self, group: Group, forecast: float) -> Interval:
        """Seconds of work of a group that its work alone would put at `forecast`."""
        if group in self._measured:
            return _around(forecast, *_own(self._measured[group]))
        others = list(self._measured.values())
        return self._from(others, forecast)

    def misses(self) -> list[Miss]:
        """How far apart forecast and measurement of every measured group are."""
        found = []
        for group, pairs in self._measured.items():
            forecast = sum(pair.forecast for pair in pairs)
            others = [each for name, each in self._measured.items() if name != group]
            miss = Miss(
                group=group, count=len(pairs), measured=sum(pair.measured for pair in pairs),
                from_work=_around(forecast, 0.0, self._prior),
                from_others=self._from(others, forecast) if others else None,
            )  # fmt: skip
            found.append(miss)
        return found

    def _from(self, others: Sequence[Sequence[Pair]], forecast: float) -> Interval:
        """By the ratios of other groups."""
        if not others:
            return _around(forecast, 0.0, self._prior)
        ratios = [_own(pairs)[0] for pairs in others]
        between = pstdev(ratios) if len(ratios) > 2 else 0.0
        return _around(forecast, fmean(ratios), max(between, BETWEEN))


def _own(pairs: Sequence[Pair]) -> tuple[float, float]:
    """The logarithm of a group's ratio, and its standard deviation."""
    total = sum(pair.measured for pair in pairs) / sum(pair.forecast for pair in pairs)
    each = [math.log(pair.measured / pair.forecast) for pair in pairs if pair.measured > 0]
    # One trial alone says nothing of how much they differ.
    deviation = pstdev(each) if len(each) > 1 else BETWEEN
    return math.log(total), math.hypot(FLOOR, deviation / math.sqrt(len(pairs)))


def _around(forecast: float, ratio: float, deviation: float) -> Interval:
    middle, factor = forecast * math.exp(ratio), math.exp(NORMAL_80 * deviation)
    return Interval(low=middle / factor, middle=middle, high=middle * factor)

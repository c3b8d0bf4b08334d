"""The claims of the study as effects: what was measured, its interval, and whether the claim holds.

Each claim is fixed here before its numbers are known, with one way to measure
it. `holds` is about the mean, `certain` about the whole t interval.
"""

import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ablation import pretraining_objective, prompt_init, prompt_length
from ablation.cell import ADAPTED, PRETRAINED
from analysis.aggregate import Interval
from analysis.contrasts import at, difference, slope, spread, weighted
from analysis.panels import Panel
from analysis.style import in_sentence
from analysis.tables.gaps import METHODS, has_gap
from analysis.tables.tasks import task_table

FADING = (prompt_length.AXIS, prompt_init.AXIS, pretraining_objective.AXIS)
"""Axes that are claimed to matter less to larger models (Lester et al. 2021, 3.2)."""

_RULES = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_LEARNED = 15.0
_LEARNED_TASKS = 4
CLOSE = 3.0
"""Points within which two scores are as good as each other."""
_WIDE = 9.0
_TIMES = 3.0


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim: the effect that speaks for or against it, and the rule it must meet."""

    name: str
    """What a spec calls it in `must_hold`: one of `ablation.claim_names.CLAIMS`."""
    claim: str
    effect: str
    measured: Interval
    rule: str
    bound: float

    @property
    def holds(self) -> bool | None:
        """Whether the mean meets the rule; None where nothing could be measured."""
        if np.isnan(self.measured.mean):
            return None
        return bool(_RULES[self.rule](self.measured.mean, self.bound))

    @property
    def certain(self) -> bool | None:
        """Whether the whole interval agrees with the mean; None where there is no interval."""
        if np.isnan(self.measured.low):
            return None
        ends = (self.measured.low, self.measured.high)
        return all(bool(_RULES[self.rule](end, self.bound)) == self.holds for end in ends)


def claims(panels: Mapping[str, Panel]) -> list[Claim]:
    """Every claim that the panels (by axis name) can speak to, in the order of the figures."""
    found: list[Claim] = []
    scale = panels.get("method")
    if scale is not None and has_gap(scale) and len(scale.sizes) > 1:
        found += _closing(scale)
        found += _aims(scale)
    for axis in FADING:
        if axis.name in panels and len(panels[axis.name].values) > 1:
            found.append(fades(panels[axis.name]))
    objective = panels.get(pretraining_objective.AXIS.name)
    if objective is not None and {ADAPTED, PRETRAINED} <= set(objective.values):
        found += _unlocking(objective)
    return found


def claims_table(found: Sequence[Claim]) -> pd.DataFrame:
    """One row a claim: effect in words, mean, sd, n, t interval, rule, `holds` and `certain`."""
    return pd.DataFrame(
        {
            "name": claim.name,
            "claim": claim.claim,
            "effect": claim.effect,
            "mean": claim.measured.mean,
            "sd": claim.measured.sd,
            "n": claim.measured.n,
            "low": claim.measured.low,
            "high": claim.measured.high,
            "rule": f"{claim.rule} {claim.bound:g}",
            "holds": _word(claim.holds),
            "certain": _word(claim.certain),
        }
        for claim in found
    )


def _closing(scale: Panel) -> Iterator[Claim]:
    gaps = difference(scale, *METHODS)
    smallest, largest = scale.ends
    yield Claim(
        name="gap_closes",
        claim="the gap closes with size",
        effect=f"gap at {smallest} less gap at {largest}, points",
        measured=weighted(gaps, {smallest: 1.0, largest: -1.0}),
        rule=">", bound=0.0,
    )  # fmt: skip
    yield Claim(
        name="gap_closes",
        claim="the gap closes with size",
        effect="slope of the gap, points for ten times the parameters",
        measured=slope(gaps, scale.parameters),
        rule="<", bound=0.0,
    )  # fmt: skip
    yield Claim(
        name="gap_thrice_at_smallest",
        claim=f"the gap at the smallest size is {_TIMES:g} times that at the largest, or more",
        effect=f"gap at {smallest} less {_TIMES:g} gaps at {largest} (0 or more), points",
        # A gap in favour of prompts at the largest size is as good as none, and not thrice so.
        measured=weighted(_no_less_than_none(gaps, largest), {smallest: 1.0, largest: -_TIMES}),
        rule=">=", bound=0.0,
    )  # fmt: skip


def _no_less_than_none(gaps: pd.Series, size: str) -> pd.Series:
    """The gaps, with those of one size that are below 0 set to 0."""
    there = gaps.index.get_level_values("model_size") == size
    return gaps.mask(there & (gaps < 0), 0.0)


def _aims(scale: Panel) -> Iterator[Claim]:
    gaps = difference(scale, *METHODS)
    smallest, largest = scale.ends
    yield Claim(
        name="smallest_is_not_enough",
        claim="the smallest model is not enough for a prompt", effect=f"gap at {smallest}, points",
        measured=at(gaps, smallest), rule=">=", bound=_WIDE,
    )  # fmt: skip
    yield Claim(
        name="matches_at_largest",
        claim="prompt tuning matches model tuning at the largest size",
        effect=f"gap at {largest}, points",
        measured=at(gaps, largest), rule="<=", bound=CLOSE,
    )  # fmt: skip
    tuned = task_table(scale).query("model_size == @largest and method == 'model_tuning'")
    if len(tuned) >= _LEARNED_TASKS:
        yield _learned(tuned, largest)


def _learned(tuned: pd.DataFrame, size: str) -> Claim:
    """The claim that enough tasks are learned, by the last of the tasks that it needs."""
    best = tuned.sort_values("above", ascending=False, kind="stable").iloc[_LEARNED_TASKS - 1]
    margin = {name: best[name] - best["chance"] for name in ("low", "high")}
    return Claim(
        name="model_tuning_learns",
        claim=f"model tuning learns {_LEARNED_TASKS} tasks or more at the largest size",
        effect=f"its number {_LEARNED_TASKS} at {size}, {best['task']}, less chance, points",
        measured=Interval(mean=best["above"], sd=best["sd"], n=int(best["n"]), **margin),
        rule=">=", bound=_LEARNED,
    )  # fmt: skip


def fades(panel: Panel) -> Claim:
    """The claim that an axis matters less to larger models."""
    return Claim(
        name=f"{panel.axis.name}_fades",
        claim=f"{in_sentence(panel.axis.label)} matters less for larger models",
        effect="slope of best less worst setting, points for ten times the parameters",
        measured=slope(spread(panel), panel.parameters),
        rule="<", bound=0.0,
    )  # fmt: skip


def _unlocking(objective: Panel) -> Iterator[Claim]:
    gains = difference(objective, ADAPTED, PRETRAINED)
    everywhere = {size: 1 / len(objective.sizes) for size in objective.sizes}
    claim = "span corruption is hard to prompt until LM adaptation"
    yield Claim(
        name="adaptation_unlocks",
        claim=claim, effect="LM adaptation less span corruption, mean over sizes, points",
        measured=weighted(gains, everywhere), rule=">", bound=0.0,
    )  # fmt: skip
    for size in objective.sizes:
        yield Claim(
        name="adaptation_unlocks",
            claim=claim, effect=f"LM adaptation less span corruption at {size}, points",
            measured=at(gains, size), rule=">", bound=0.0,
        )  # fmt: skip
    margins = objective.seed_scores()[PRETRAINED] - objective.chance
    yield Claim(
        name="chance_before_adaptation",
        claim="a prompted span-corruption model is no better than chance",
        effect="span corruption less chance, mean over sizes, points",
        measured=weighted(margins, everywhere), rule="<=", bound=0.0,
    )  # fmt: skip


def _word(answer: bool | None) -> str:
    return {True: "yes", False: "no", None: "unknown"}[answer]

"""What was measured beside what is published, and the claims that a spec says must hold."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import yaml

from ablation.axes import ABLATED
from ablation.claim_names import CLAIMS
from ablation.method import AXIS as METHOD
from ablation.published import FAMILY, MEAN, Published, published, superglue
from ablation.settings import STUDIED
from analysis.findings import Findings
from analysis.tables.claims import Claim
from analysis.tables.transfer import domain_shift_table, paraphrase_table

TOLERANCE = 1.0
"""Points that a mean may be off, unless twice the published spread is more."""


def comparison(found: Findings, tolerance: float = TOLERANCE) -> pd.DataFrame:
    """A row for each published number that the sweep has measured, with their difference.

    `within` says whether it is no more than `tolerance` points, or than twice the
    published standard deviation where that is more; counts of parameters must be equal,
    and of times on other machines it says nothing. Empty for any family but T5.
    """
    if set(found.frame["model_family"]) != {FAMILY}:
        return pd.DataFrame()
    measured = list(_measured(found))
    rows = []
    for number in published():
        for key, mean, n in measured:
            if key == _key(number) and pd.notna(mean):
                rows.append(_row(number, mean, n, _allowed(number, tolerance)))
    return pd.DataFrame(rows)


_FIGURES = {axis.figure.lower().replace(" ", "_"): axis.name for axis in (METHOD, *ABLATED)}
"""The axis of each figure that can be digitised."""
_SHIFTED_FROM = "squad"
"""What the models of Table 1 were tuned for."""
_RELEASED_LENGTH = 100
_RELEASED = {"prompt_init": "class_label", "lm_adaptation_steps": 100_000}
"""The settings of the prompts that were released with the paper's code."""
_SAME_SIZE = 0.05
_EXACT = {"trainable": 0.0, "total": 0.0, "percent": 1e-5}
"""How far the metrics of Table 4 may be off: shares are cut or rounded at five digits."""


def _allowed(number: Published, tolerance: float) -> float | None:
    if number.quantity == "table_5":
        return None
    if number.quantity == "table_4":
        return _EXACT[number.metric]
    return max(tolerance, 2 * (number.sd or 0.0))


def _row(number: Published, mean: float, n: float, allowed: float | None) -> dict[str, object]:
    difference = mean - number.value
    return {
        "quantity": number.quantity, "model_size": number.model_size,
        "prompt_length": number.prompt_length,
        "evaluated": number.evaluated, "method": number.method, "metric": number.metric,
        "published": number.value, "published_sd": number.sd, "verified": number.verified,
        "measured": mean, "n": n, "difference": difference, "tolerance": allowed,
        "within": None if allowed is None else abs(difference) <= allowed,
        "source": number.source,
    }  # fmt: skip


Key = tuple[str, str, str, str, str, int | None]


def _key(number: Published) -> Key:
    return (
        number.quantity, number.model_size, number.evaluated, number.method, number.metric,
        number.prompt_length,
    )  # fmt: skip


def _measured(found: Findings) -> Iterator[tuple[Key, float, float]]:
    """Every mean that a published number may be of, by its key, and its seeds."""
    for row in domain_shift_table(found.frame).to_dict("records"):
        if row["task"] != _SHIFTED_FROM:
            continue
        for method in ("model_tuning", "prompt_tuning"):
            key = ("table_1", row["model_size"], row["evaluated"], method, row["metric"], None)
            yield key, row.get(f"{method}_mean", float("nan")), row.get(f"{method}_n", 0)
    for row in paraphrase_table(found.frame).to_dict("records"):
        for metric in ("accuracy", "f1"):
            key = ("table_2", row["model_size"], row["evaluated"], row["method"], metric, None)
            yield key, row[f"{metric}_mean"], row["n"]
    voted = found.ensembles.to_dict("records")
    whole = {size for size in {row["model_size"] for row in voted} if _is_superglue(voted, size)}
    for row in voted:
        if row["task"] == MEAN and row["model_size"] not in whole:
            continue
        for column in ("average", "best", "ensemble"):
            key = (f"table_3_{column}", row["model_size"], row["task"], "", row["metric"], None)
            yield key, row[column], row["voters"]
    yield from _measured_by_length(found)
    yield from _measured_as_released(found.frame)


def _measured_as_released(frame: pd.DataFrame) -> Iterator[tuple[Key, float, float]]:
    """Means of prompts that were tuned, or imported, at the settings of the released ones."""
    rows = frame[(frame["status"] == "done") & (frame["method"] == STUDIED)]
    rows = rows[rows["prompt_length"] == _RELEASED_LENGTH]
    for name, value in _RELEASED.items():
        rows = rows[rows[name] == value]
    for (size, task), part in rows.groupby(["model_size", "task"], sort=False):
        for metric in (name for name in ("accuracy", "f1") if name in part):
            key = ("released_prompt", str(size), str(task), "", metric, _RELEASED_LENGTH)
            yield key, part[metric].mean(), part[metric].count()


def _is_superglue(voted: Sequence[Mapping[Any, Any]], size: str) -> bool:
    """Whether the mean of a size is over the tasks that the published mean is over."""
    return superglue() == {row["task"] for row in voted if row["model_size"] == size} - {MEAN}


def _measured_by_length(found: Findings) -> Iterator[tuple[Key, float, float]]:
    """Tables 4 and 5; parameters are counted, so that no seed stands behind them."""
    for row in found.lengths.to_dict("records"):
        for metric in _EXACT:
            key = ("table_4", row["model_size"], "", "", metric, row["prompt_length"])
            yield key, row[metric], 0
    for row in found.convergence.to_dict("records"):
        if pd.isna(row["prompt_length"]):
            continue
        length = int(row["prompt_length"])
        key = ("table_5", row["model_size"], row["task"], row["method"], "seconds", length)
        yield key, row["seconds_mean"], row["n"]


def must_hold(found: Findings) -> tuple[str, ...]:
    """The claims that the sweep's spec says must hold."""
    values = yaml.safe_load(found.manifest.spec)
    return tuple(values.get("must_hold", ())) if isinstance(values, dict) else ()


def broken(found: Findings, names: Sequence[str]) -> list[str]:
    """A line for each of these claims that does not hold, or that nothing speaks to.

    Raises ValueError for a name that no claim has.
    """
    unknown = [name for name in names if name not in CLAIMS]
    if unknown:
        raise ValueError(
            f"must_hold: {', '.join(unknown)} is no claim; the claims are {', '.join(CLAIMS)}"
        )
    lines = []
    for name in names:
        effects = [claim for claim in found.claims if claim.name == name]
        if not effects:
            lines.append(f"{name}: the sweep measures nothing of it")
        lines += [f"{name}: {_said(claim)}" for claim in effects if claim.holds is not True]
    return lines


def _said(claim: Claim) -> str:
    if claim.holds is None:
        return f"{claim.effect} is not measured yet"
    mean = claim.measured.mean
    return f"{claim.effect} is {mean:.1f}, and must be {claim.rule} {claim.bound:g}"


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Digitised points beside measured means, and a line for each reason that some are not."""

    table: pd.DataFrame
    notes: tuple[str, ...]


def beside_digitised(found: Findings, table: pd.DataFrame, tolerance: float = TOLERANCE) -> Beside:
    """Means of Figures 1 and 3 at the digitised sizes: a row for each point that has one.

    `series` is the value of a line: a method in figure_1, a length in figure_3a, and so on.
    A size is the same where the parameters agree within 5%, which is how well an axis of a
    printed figure can be read; `within` says whether the mean is no more than `tolerance`
    points off.
    """
    rows: list[dict[str, object]] = []
    why: Counter[str] = Counter()
    for row in table.to_dict("records"):
        point = {str(key): value for key, value in row.items()}
        means, reason = _near(found, point)
        why.update([reason] if reason else [])
        rows += [
            {
                **point, "measured": mean, "n": n, "difference": mean - point["score"],
                "tolerance": tolerance, "within": abs(mean - point["score"]) <= tolerance,
            }
            for mean, n in means
        ]  # fmt: skip
    notes = (
        f"{count} digitised point{'s are' if count > 1 else ' is'} not compared: {reason}"
        for reason, count in why.items()
    )
    return Beside(table=pd.DataFrame(rows), notes=tuple(notes))


def _near(found: Findings, point: Mapping[str, Any]) -> tuple[list[tuple[float, int]], str]:
    """Means and seeds at the size of a digitised point, or why there are none."""
    figure, series = point["figure"], point["series"]
    if figure not in _FIGURES:
        return [], f"figure {figure} is none of {', '.join(_FIGURES)}"
    panel = found.panels.get(_FIGURES[figure])
    if panel is None:
        return [], f"the sweep has no {figure}"
    lines = panel.table[panel.table[panel.axis.name].astype("str") == series]
    if lines.empty:
        values = ", ".join(map(str, panel.values))
        return [], f"{figure} has no line {series} here, only {values}"
    sizes = lines["model_parameters"].astype("float64")
    close = lines[((sizes / point["parameters"] - 1).abs() < _SAME_SIZE) & (lines["n"] > 0)]
    if close.empty:
        return [], f"{figure} has no mean within 5% of the parameters"
    return [(float(mean), int(n)) for mean, n in close[["mean", "n"]].to_numpy()], ""

"""Over tasks by the SuperGLUE rule, then over seeds; nothing over a missing trial."""

import math
import statistics
from typing import Any

import pandas as pd
import pytest

from analysis.aggregate import (
    cell_scores,
    chance_levels,
    interval,
    model_parameters,
    over_seeds,
    shared_tasks,
    summarise,
)

# Two-sided 95% quantiles of Student's t, as printed in statistical tables.
T_TABLE = {1: 12.706, 2: 4.303, 4: 2.776}


def _cell(frame: pd.DataFrame, **fields: Any) -> pd.Series:
    """The one row whose columns have these values."""
    for name, value in fields.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


@pytest.mark.parametrize("values", [[1.0, 4.0], [70.0, 71.5, 69.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
def test_interval_is_the_t_interval(values: list[float]) -> None:
    """A normal quantile, a population sd or a wrong n, all of them too narrow for few seeds."""
    found = interval(values)

    half = T_TABLE[len(values) - 1] * statistics.stdev(values) / math.sqrt(len(values))
    assert found.mean == pytest.approx(statistics.mean(values))
    assert found.sd == pytest.approx(statistics.stdev(values))
    assert found.n == len(values)
    assert found.high - found.mean == pytest.approx(half, rel=2e-4)
    assert found.mean - found.low == pytest.approx(half, rel=2e-4)


def test_interval_of_one_value_is_unknown_and_not_of_width_zero() -> None:
    """A single seed that looks perfectly certain."""
    found = interval([60.0])

    assert (found.mean, found.n) == (60.0, 1)
    assert all(map(math.isnan, (found.sd, found.low, found.high)))


def test_interval_of_nothing_is_unknown() -> None:
    """A mean of 0 where nothing was measured."""
    found = interval([math.nan])

    assert found.n == 0
    assert math.isnan(found.mean)


def test_summary_of_groups_equals_the_interval_of_each() -> None:
    """Two ways to the same number that drift apart."""
    frame = pd.DataFrame({"key": ["b", "a", "b", "a", "b"], "x": [1.0, 5.0, 2.0, math.nan, 6.0]})

    table = summarise(frame, ["key"], "x").set_index("key")

    for key, values in {"b": [1.0, 2.0, 6.0], "a": [5.0]}.items():
        expected = interval(values)
        row = table.loc[key]
        assert (row["mean"], row["n"]) == (expected.mean, expected.n)
        assert row[["sd", "low", "high"]].tolist() == pytest.approx(
            [expected.sd, expected.low, expected.high], nan_ok=True
        )


def test_score_of_a_cell_is_the_plain_mean_over_its_tasks(frame_of: Any) -> None:
    """Tasks weighted by anything; SuperGLUE weights none."""
    points = {"boolq": 90.0, "cb": 60.0, "record": 30.0}
    frame = frame_of(scorer=lambda c: points[c.task], axes={"task": list(points)})

    scores = cell_scores(frame)

    assert scores["score"].tolist() == pytest.approx([60.0] * len(scores))
    assert set(scores["planned"]) == {3}


# Lester et al. 2021, table 3 (T5-XXL, five prompts): their average, the best, and the ensemble.
TABLE_3: dict[str, tuple[tuple[float, ...], ...]] = {
    "boolq": ((91.1,), (91.3,), (91.7,)),
    "cb": ((99.3, 99.0), (100.0, 100.0), (100.0, 100.0)),
    "copa": ((98.8,), (100.0,), (100.0,)),
    "multirc": ((65.7, 88.7), (66.3, 89.0), (67.1, 89.4)),
    "record": ((92.7, 93.4), (92.9, 93.5), (93.2, 93.9)),
    "rte": ((92.6,), (93.5,), (93.5,)),
    "wic": ((76.2,), (76.6,), (77.4,)),
    "wsc": ((95.8,), (96.2,), (96.2,)),
}


@pytest.mark.parametrize(
    ("column", "exact", "printed"), [(0, 90.49, "90.5"), (1, 91.06, "91.0"), (2, 91.33, "91.3")]
)
def test_superglue_of_table_3(frame_of: Any, column: int, exact: float, printed: str) -> None:
    """Eleven metrics averaged as one list, which gives CB, MultiRC and ReCoRD double weight.

    Two metrics of a task are averaged first, as `Task.score` does. The table
    prints 91.0 for its second column, of which the rule makes 91.06: its tasks
    are rounded to a tenth themselves.
    """
    tasks = {task: statistics.fmean(columns[column]) for task, columns in TABLE_3.items()}
    frame = frame_of(scorer=lambda c: tasks[c.task], axes={"task": list(tasks)})

    (score,) = set(cell_scores(frame)["score"].round(9))

    assert score == pytest.approx(exact, abs=0.005)
    assert score == pytest.approx(float(printed), abs=0.1)


def test_nothing_is_averaged_over_a_missing_trial(frame_of: Any) -> None:
    """A cell that looks better because its hard task is not there."""
    gone = {"model_size": "60k", "method": "model_tuning", "seed": 1}
    frame = frame_of(
        done=lambda c: c.task != "record" or any(getattr(c, k) != v for k, v in gone.items())
    )

    scores = cell_scores(frame)

    lacking = _cell(scores, **gone)
    assert math.isnan(lacking["score"])
    assert (lacking["done"], lacking["planned"], lacking["lacking"]) == (1, 2, "record")
    assert scores["score"].isna().sum() == 1
    over = _cell(over_seeds(scores), model_size="60k", method="model_tuning")
    assert (over["mean"], over["n"], over["planned_seeds"]) == (55.0, 1, 2)
    assert math.isnan(over["seed_1"])
    assert (over["done"], over["planned"]) == (3, 4)


@pytest.mark.parametrize("name", ["chance", "invalid"])
def test_what_an_imported_trial_does_not_say_is_averaged_over_no_others(
    frame_of: Any, name: str
) -> None:
    """A chance level of one task that stands for the mean of two."""
    frame = frame_of()
    imported = (frame["task"] == "record") & (frame["seed"] == 1)
    frame.loc[imported, name] = math.nan

    scores = cell_scores(frame)

    unknown = scores["seed"] == 1
    assert scores.loc[unknown, name].isna().all()
    assert scores.loc[~unknown, name].notna().all()
    assert scores["score"].notna().all()


def test_every_seed_is_kept_beside_the_mean(frame_of: Any) -> None:
    """A seed under another seed's number, or one that is lost."""
    over = _cell(over_seeds(cell_scores(frame_of())), model_size="200k", method="model_tuning")

    assert (over["seed_0"], over["seed_1"]) == (65.0, 66.0)
    assert (over["mean"], over["n"]) == (65.5, 2)
    assert over["sd"] == pytest.approx(math.sqrt(0.5))
    assert over["invalid"] == 0.25


def test_cells_compare_on_the_tasks_that_all_of_them_plan(frame_of: Any) -> None:
    """A default cell over more tasks than its neighbours, which shifts it for no reason."""
    frame = frame_of(axes={"task": ["boolq", "cb", "record"]}, ablation_tasks=["record", "boolq"])

    assert shared_tasks(frame) == ("boolq", "record")


def test_two_trials_of_one_cell_task_and_seed_are_refused(frame_of: Any) -> None:
    """Trials with other settings that are averaged into one cell."""
    frame = frame_of()
    twin = frame.iloc[[0]].assign(learning_rate=9.0, trial_id="7w1n")

    with pytest.raises(ValueError, match="7w1n: same cell, task and seed but other settings"):
        cell_scores(pd.concat([frame, twin]))


def test_chance_baseline_is_by_task_and_unknown_where_trials_disagree(frame_of: Any) -> None:
    """A baseline taken from whichever trial came first."""
    frame = frame_of()
    assert chance_levels(frame).to_dict() == {"boolq": 60.0, "record": 20.0}

    first = frame.index[frame["task"] == "record"][0]
    frame.loc[first, "chance"] = 21.0

    assert chance_levels(frame)["boolq"] == 60.0
    assert math.isnan(chance_levels(frame)["record"])


def test_parameters_are_those_that_records_state(frame_of: Any) -> None:
    """A size at the parameters of another; a size whose records contradict each other."""
    frame = frame_of(done=lambda c: c.model_size != "2m")
    assert model_parameters(frame).dropna().to_dict() == {"60k": 62_000, "200k": 207_000}

    frame.loc[frame.index[0], "model_parameters"] = 61_999

    with pytest.raises(ValueError, match="model_size 60k: the records state 61999, 62000"):
        model_parameters(frame)

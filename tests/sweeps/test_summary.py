"""What plan and status print."""

import re
from collections.abc import Callable

import pytest

from runners.store import Store
from sweeps import summary
from sweeps.drift import CODE
from sweeps.plan import Plan, plan
from sweeps.spec import SweepSpec
from sweeps.table import duration

Act = Callable[..., None]


def fresh(spec: SweepSpec, store: Store, *running: str) -> Plan:
    """The plan for code with the fingerprint 'c1'."""
    return plan(spec, store, running=running, present={CODE: "c1"})


def ids(planned: Plan) -> list[str]:
    """Ids of all milestones, then of all trials."""
    milestones = [milestone.id for milestone in planned.milestones]
    return milestones + [work.id for work in planned.trials]


def cells(text: str, *names: str) -> list[str]:
    """The cells of the row that starts with these names."""
    rows = [re.split(r"\s{2,}", line) for line in text.splitlines()]
    (row,) = (row for row in rows if row[: len(names)] == [*names])
    return row[len(names) :]


def test_an_overview_counts_by_stage_size_and_panel(spec: SweepSpec, store: Store) -> None:
    """A number in the wrong row plans the wrong hours."""
    text = summary.overview(fresh(spec, store))
    assert text.startswith("small: star design on nano, 20 trials and 4 adaptation milestones in ")
    head = ["done", "failed", "running", "missing", "spent", "left"]
    assert cells(text, "stage", "size", "what") == head
    assert cells(text, "lm_adaptation", "60k", "milestones") == ["-", "-", "-", "2", "0 s", "?"]
    assert cells(text, "tuning", "60k", "model_tuning") == ["-", "-", "-", "2", "0 s", "?"]
    assert cells(text, "tuning", "200k", "prompt_tuning") == ["-", "-", "-", "8", "0 s", "?"]
    assert cells(text, "scale") == ["8", "0"]
    assert cells(text, "lm_adaptation_steps") == ["12", "0"]
    assert "12 trials wait for a milestone of their size." in text


def test_time_left_goes_by_what_is_done(spec: SweepSpec, store: Store, commit: Act) -> None:
    """A forecast from the wrong size is off by the ladder's factor of three."""
    planned = fresh(spec, store)
    models = [work for work in planned.trials if work.config.method == "model_tuning"]
    commit(models[0].id, seconds=100.0)
    text = summary.overview(fresh(spec, store))
    assert cells(text, "tuning", "60k", "model_tuning") == ["1", "-", "-", "1", "2 min", "2 min"]
    assert cells(text, "tuning", "200k", "model_tuning") == ["-", "-", "-", "2", "0 s", "?"]
    assert "to go" not in text
    for work_id in ids(planned)[:-1]:
        if work_id != models[0].id:
            commit(work_id, seconds=100.0)
    assert "About 50 s to go on 2 workers, going by what is done." in summary.standing(
        fresh(spec, store)
    )


def test_seconds_of_milestones_are_those_of_their_run(
    spec: SweepSpec, store: Store, commit: Act
) -> None:
    """Time spent that is counted once for each milestone on the way, or left that ignores steps."""
    first, last, *_ = fresh(spec, store).milestones
    assert (first.steps, last.steps) == (100, 1000)
    commit(first.id, seconds=20.0)
    text = summary.overview(fresh(spec, store))
    assert cells(text, "lm_adaptation", "60k") == [
        "milestones", "1", "-", "-", "1", "20 s", "3 min"
    ]  # fmt: skip
    commit(last.id, seconds=200.0)
    text = summary.overview(fresh(spec, store))
    assert cells(text, "lm_adaptation", "60k")[-2:] == ["3 min", "0 s"]
    assert cells(text, "lm_adaptation", "200k")[-2:] == ["0 s", "?"]


def test_failures_are_counted_in_plan_and_told_in_status(
    spec: SweepSpec, store: Store, fail: Act
) -> None:
    """A failure that is only a number cannot be mended."""
    first, second, *_ = fresh(spec, store).trials
    fail(first.id, "diverged", "loss nan\nat step 7")
    fail(second.id, "diverged")
    planned = fresh(spec, store)
    assert cells(summary.overview(planned), "diverged") == ["2"]
    told = summary.standing(planned)
    assert cells(told, "diverged", first.id) == [first.config.label, "loss nan at step 7"]
    assert cells(told, "diverged", second.id) == [second.config.label]


def test_drift_is_told(spec: SweepSpec, store: Store, commit: Act) -> None:
    """Drift that is found and not said is averaged over all the same."""
    commit(fresh(spec, store).trials[0].id, code="c0")
    for text in (summary.overview(fresh(spec, store)), summary.standing(fresh(spec, store))):
        assert "  code of the runners changed: 1 done with c0, now c1" in text
        assert "another store" in text


def test_a_finished_sweep_says_nothing_more(spec: SweepSpec, store: Store, commit: Act) -> None:
    """An empty table of failures reads as if there were some."""
    planned = fresh(spec, store)
    for work_id in ids(planned):
        commit(work_id, seconds=1.0, code="c1")
    text = summary.overview(fresh(spec, store))
    assert cells(text, "all") == ["24", "-", "-", "-", "22 s", "0 s"]
    assert not re.search("failure|wait|to go|same things", text)


def test_listing(spec: SweepSpec, store: Store, commit: Act) -> None:
    """A list that hides a trial hides why a panel is incomplete."""
    done, *others = fresh(spec, store).trials
    commit(done.id)
    work = others[-1]
    text = summary.listing(fresh(spec, store), {work.id: 7})
    assert len(text.splitlines()) == 1 + 1 + len(others)
    assert text.splitlines()[-1].startswith(f"done     {done.id}"), "what is to do comes first"
    told = cells(text, "missing", work.id)
    waits = f"waits for milestone {work.parent}"
    assert told == [work.config.label, "lm_adaptation_steps", "7", waits]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5000, "83 min"), (5400, "1.5 h"), (86400, "24.0 h")],
)
def test_durations(seconds: float, said: str) -> None:
    """Nobody reads 86400."""
    assert duration(seconds) == said

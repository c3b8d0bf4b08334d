"""Plans: how every trial and milestone stands, what waits, and how fast that is known."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from runners.config import adaptation_of
from runners.record import Failure, TrialRecord
from runners.store import Store
from sweeps.drift import CODE
from sweeps.plan import Plan, plan, survey
from sweeps.spec import SweepSpec, parse

Act = Callable[..., None]


PRESENT = {CODE: "c1", ("base_checkpoint", "checkpoint nano 60k"): "w1"}


def fresh(spec: SweepSpec, store: Store, *running: str) -> Plan:
    """The plan for code with the fingerprint 'c1'."""
    return plan(spec, store, running=running, present=PRESENT)


def statuses(planned: Plan) -> Counter[str]:
    """Trials of each status."""
    return Counter(work.state.status for work in planned.trials)


def test_an_empty_store_lacks_everything(spec: SweepSpec, store: Store) -> None:
    """A plan that misses a trial never runs it; one that writes would claim an empty folder."""
    planned = fresh(spec, store)
    assert [work.id for work in planned.trials] == [t.config.trial_id for t in spec.trials]
    assert statuses(planned) == {"missing": len(spec.trials)}
    assert not planned.failures
    assert not planned.drifts


def test_milestones_are_those_that_trials_start_from(spec: SweepSpec, store: Store) -> None:
    """A milestone left out leaves its trials waiting for ever; one too many trains for nothing."""
    planned = fresh(spec, store)
    listed = [(m.adaptation.model_size, m.steps, m.id) for m in planned.milestones]
    assert [entry[:2] for entry in listed] == [
        ("60k", 100),
        ("60k", 1000),
        ("200k", 100),
        ("200k", 1000),
    ]
    for work in planned.trials:
        adaptation = adaptation_of(work.config)
        if adaptation is None:
            assert work.parent is None
        else:
            assert work.parent == adaptation.milestone_id(work.config.lm_adaptation_steps)
            assert (work.config.model_size, work.config.lm_adaptation_steps, work.parent) in listed


def test_trials_of_a_milestone_wait_for_it_alone(
    spec: SweepSpec, store: Store, commit: Act
) -> None:
    """A trial must wait neither for another size nor for a later milestone of its own."""
    waiting = len(fresh(spec, store).waiting)
    milestone = fresh(spec, store).milestones[0]
    commit(milestone.id, seconds=5.0)
    planned = fresh(spec, store)
    freed = [work for work in planned.trials if work.parent == milestone.id]
    assert freed
    assert len(planned.waiting) == waiting - len(freed)
    assert planned.milestones[0].state.status == "done"


def test_every_status(spec: SweepSpec, store: Store, commit: Act, fail: Act) -> None:
    """A trial in the wrong column is run again, or never."""
    done, failed, running, *_ = (work.id for work in fresh(spec, store).trials)
    commit(done, seconds=2.5)
    fail(failed, "diverged", "loss is nan")
    planned = fresh(spec, store, running, done)
    states = {work.id: work.state for work in planned.trials}
    assert (states[done].status, states[done].seconds) == ("done", 2.5)
    assert states[failed].status == "failed"
    assert states[running].status == "running"
    assert statuses(planned)["missing"] == len(spec.trials) - 3
    assert [failure.kind for failure in planned.failures] == ["diverged"]


def test_a_commit_supersedes_a_failure(
    spec: SweepSpec, store: Store, commit: Act, fail: Act
) -> None:
    """A trial that came through on its second attempt is no failure."""
    first = fresh(spec, store).trials[0].id
    fail(first, "lost_worker")
    commit(first)
    assert fresh(spec, store).failures == ()


def test_a_run_speaks_for_its_milestones(spec: SweepSpec, store: Store, fail: Act) -> None:
    """An adaptation run has an id of its own; its failure must not look like mere absence."""
    small, *_, large = fresh(spec, store).milestones
    fail(small.adaptation.run_id, "out_of_memory")
    planned = fresh(spec, store, large.adaptation.run_id)
    found = [(m.adaptation.model_size, m.state.status) for m in planned.milestones]
    assert found == [("60k", "failed")] * 2 + [("200k", "running")] * 2
    assert len(planned.failures) == 1


def test_results_of_other_sweeps_do_not_count(spec: SweepSpec, store: Store, commit: Act) -> None:
    """Sweeps may share a store."""
    commit("0123456789abcdef", code="another")
    planned = fresh(spec, store)
    assert statuses(planned) == {"missing": len(spec.trials)}
    assert planned.drifts == ()


def test_survey_reads_the_store_of_the_spec(
    text: str, store: Store, commit: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints lie in the store; a survey that looks elsewhere sees nothing run."""
    spec = parse(text.replace("results/small", store.root), path="small.yaml")
    done, running = spec.trials[0].config.trial_id, spec.trials[1].config.trial_id
    monkeypatch.setattr("sweeps.plan.code_fingerprint", lambda: "now")
    commit(done, code="before")
    store.save_state(running, "pack", b"state")
    planned = survey(spec)
    assert planned.root == store.root
    assert [work.state.status for work in planned.trials[:2]] == ["done", "running"]
    assert [drift.present for drift in planned.drifts] == ["now"]


def test_milestones_of_another_checkpoint_are_foreign(
    spec: SweepSpec, store: Store, commit: Act
) -> None:
    """Weights shipped anew under an old name: their trials would start from the old milestones."""
    small, *_ = fresh(spec, store).milestones
    commit(small.id, code="c1", base_checkpoint="w1")
    assert fresh(spec, store).foreign == ()
    commit(fresh(spec, store).milestones[1].id, code="c1", base_checkpoint="w0")
    (drift,) = fresh(spec, store).foreign
    assert str(drift) == "checkpoint nano 60k changed: 1 done with w1, 1 done with w0, now w1"


def test_a_milestone_that_was_made_again_drifts_from_its_trials(
    spec: SweepSpec, store: Store, commit: Act
) -> None:
    """Trials of a milestone that was removed and made otherwise are not of its model."""
    planned = fresh(spec, store)
    small, *_ = planned.milestones
    commit(small.id, files={"model.safetensors": b"new weights"})
    (record,) = store.records()
    child = next(work for work in planned.trials if work.parent == small.id)
    commit(child.id, base_checkpoint="old weights")
    (drift,) = fresh(spec, store).foreign
    assert drift.subject == "checkpoint nano 60k after 100 steps of LM adaptation"
    assert drift.present == record.files["model.safetensors"][:16]


@dataclass(frozen=True, kw_only=True)
class ManyResults:
    """Half of a large sweep, held in memory."""

    ids: list[str]
    root: str = "memory"

    def records(self) -> Iterator[TrialRecord]:
        """A record of every id."""
        for trial_id in self.ids:
            yield TrialRecord(
                trial_id=trial_id, attempt="a", stage="tuning", label="", config={},
                metrics={}, provenance={"code": "c1", "seconds": 1.0}, files={},
            )  # fmt: skip

    def failures(self) -> Iterator[Failure]:
        """None."""
        yield from ()


def test_a_hundred_thousand_trials_plan_in_seconds(text: str) -> None:
    """Anything quadratic, or a hash for each pair, would take minutes here."""
    for old, new in (
        ("star", "complete"),
        ("[1, 20]", "[1, 5, 20]"),
        ("[0, 100, 1000]", "[0, 10, 100, 500, 1000]"),
        ("seed: [0]", f"seed: {list(range(1563))}"),
    ):
        text = text.replace(old, new)
    started = time.process_time()
    spec = parse(text, path="large.yaml")
    done = [trial.config.trial_id for trial in spec.trials[::2]]
    planned = plan(spec, ManyResults(ids=done), running=(), present=PRESENT)
    seconds = time.process_time() - started
    assert len(planned.trials) >= 100_000
    assert statuses(planned) == {"done": len(done), "missing": len(spec.trials) - len(done)}
    # About 6 s on one core of a laptop; the rest is for slower ones.
    assert seconds < 30

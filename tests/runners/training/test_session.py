"""Trials of one model, from a queue to the store."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load

from runners.catalogue import Catalogue
from runners.config import TRAINING, TrialConfig, to_mapping
from runners.data.source import load_task_data
from runners.evaluation import Questions, answer
from runners.model.t5_backbone import T5Backbone
from runners.store import Store
from runners.training import session as module
from runners.training.pack import start
from runners.training.session import STATE, Session
from runners.training.trial import TrialRun

Make = Callable[..., TrialConfig]


def _session(backbone: T5Backbone, store: Store, **changes: Any) -> Session:
    return Session(backbone=backbone, store=store, catalogue=Catalogue(), slots=2, **changes)


def _finish(session: Session, *configs: TrialConfig) -> None:
    for _ in session.train(configs):
        pass


def test_a_finished_trial_is_committed_with_all_that_explains_it(
    backbone: T5Backbone, store: Store, config: Make
) -> None:
    """Catches a record that hides where its number comes from, or a prompt not at its best."""
    trial = config()
    _finish(_session(backbone, store), trial)
    record = store.get(trial.trial_id)
    assert record is not None
    assert record.config == to_mapping(trial)
    told = {"score", "accuracy", "invalid", "majority", "chance", "best_step", "train_loss"}
    assert told <= set(record.metrics)
    assert record.provenance["threads"] == torch.get_num_threads()
    assert record.provenance["trainable_parameters"] == 5 * backbone.width
    assert record.provenance["model_parameters"] == backbone.parameter_count
    lines = store.read(trial.trial_id, "history.jsonl").splitlines()
    history = [json.loads(line) for line in lines]
    assert [row["step"] for row in history] == [3, 6]
    best = max(history, key=lambda row: row["score"])
    assert (record.metrics["score"], record.metrics["best_step"]) == (best["score"], best["step"])
    predictions = store.read(trial.trial_id, "predictions.jsonl").splitlines()
    assert len(predictions) == 12
    prompt = load(store.read(trial.trial_id, "prompt.safetensors"))["prompt"]
    assert prompt.shape == (5, backbone.width)
    rows = [
        json.loads(line) for line in store.read(trial.trial_id, "neighbours.jsonl").splitlines()
    ]
    assert [(row["position"], len(row["pieces"])) for row in rows] == [(n, 5) for n in range(5)]
    near = record.provenance["neighbours"]
    assert near["best"] == pytest.approx(sum(row["cosines"][0] for row in rows) / 5, abs=1e-5)
    assert near["best"] == best["neighbour_similarity"]
    assert near["start"] == pytest.approx(1.0, abs=0.35)


def test_the_start_is_noted_on_demand_and_changes_nothing(
    backbone: T5Backbone, store: Store, config: Make
) -> None:
    """Catches a start that is scored after a step, wins, or moves what follows."""
    plain, noted = config(), config(eval_on_start=True)
    assert plain.trial_id != noted.trial_id
    _finish(_session(backbone, store), plain, noted)
    records = [store.get(trial.trial_id) for trial in (plain, noted)]
    histories = [
        [json.loads(line) for line in store.read(trial.trial_id, "history.jsonl").splitlines()]
        for trial in (plain, noted)
    ]
    assert [row["step"] for row in histories[1]] == [0, 3, 6]
    assert histories[1][1:] == histories[0]
    run = start([plain], backbone, Catalogue())
    asked = Questions(
        prompt=run.parameters["prompt"].detach(),
        rows=run.members[0].data.dev,
        limit=run.members[0].data.target_limit,
    )
    [answers] = answer(backbone, backbone.weights, [asked])
    expected = run.members[0].data.score(answers)[0]["score"]
    assert histories[1][0]["score"] == expected
    assert records[0] is not None and "start_score" not in records[0].metrics
    assert records[1] is not None and records[1].metrics["start_score"] == expected
    assert records[1].metrics["best_step"] > 0


def test_the_recorded_score_is_that_of_the_recorded_predictions(
    backbone: T5Backbone, store: Store, config: Make
) -> None:
    """Catches predictions of another step than the score's."""
    trial = config(task="record")
    _finish(_session(backbone, store), trial)
    record = store.get(trial.trial_id)
    assert record is not None
    data = load_task_data(trial, backbone.codec, Catalogue())
    lines = store.read(trial.trial_id, "predictions.jsonl").splitlines()
    answers = [json.loads(line)["prediction"] for line in lines]
    assert data.task.score(answers, data.dev_examples)["score"] == record.metrics["score"]


@pytest.mark.parametrize(
    ("changes", "dropped"),
    [
        ({"task": "cb", "prompt_length": 1}, ["contradiction", "neutral"]),
        ({"task": "cb", "prompt_length": 3}, []),
        ({"task": "record", "prompt_length": 3}, ["comprehension"]),
        ({"task": "cb", "prompt_length": 1, "prompt_init": "sampled_vocab"}, []),
    ],
)
def test_labels_without_a_position_are_recorded(
    backbone: T5Backbone, store: Store, config: Make, changes: dict[str, Any], dropped: list[str]
) -> None:
    """Catches a class-label start that is in part none, and a record that does not tell."""
    trial = config(**changes)
    _finish(_session(backbone, store), trial)
    record = store.get(trial.trial_id)
    assert record is not None
    assert record.provenance["labels_dropped"] == dropped
    assert record.provenance["examples"] == {"train": 64, "dev": 12}


def test_model_tuning_leaves_no_prompt(backbone: T5Backbone, store: Store, config: Make) -> None:
    """Catches a baseline whose record pretends to a prompt."""
    trial = config(
        method="model_tuning", prompt_length=None, prompt_init=None,
        learning_rate=1e-3, parameter_scaling=True,
    )  # fmt: skip
    for _ in Session(backbone=backbone, store=store, catalogue=Catalogue(), slots=1).train([trial]):
        pass
    record = store.get(trial.trial_id)
    assert record is not None
    assert set(record.files) == {"history.jsonl", "predictions.jsonl"}
    assert record.provenance["trainable_parameters"] == backbone.parameter_count


def test_what_is_committed_is_not_trained_again(
    backbone: T5Backbone, store: Store, config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a second run of a finished trial."""
    trial = config()
    _finish(_session(backbone, store), trial)
    monkeypatch.setattr(module, "start", lambda *_, **__: pytest.fail("trained again"))
    _finish(_session(backbone, store), trial)


def test_an_interrupted_session_goes_on_where_it_was_saved(
    backbone: T5Backbone, store: Store, config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a resumed trial that starts over, or ends elsewhere than the uninterrupted one."""
    trial = config(train_steps=9)
    whole = Store(f"{store.root}-whole")
    _finish(_session(backbone, whole), trial)
    steps = _session(backbone, store, checkpoint_seconds=0.0).train([trial])
    for _ in range(5):
        next(steps)
    del steps
    resumed: list[int] = []
    original = TrialRun.resume

    def noted(run: TrialRun, checkpoint: bytes) -> TrialRun:
        back = original(run, checkpoint)
        resumed.append(back.step)
        return back

    monkeypatch.setattr(TrialRun, "resume", noted)
    _finish(_session(backbone, store), trial)
    assert resumed == [5]
    prompts = [load(s.read(trial.trial_id, "prompt.safetensors"))["prompt"] for s in (whole, store)]
    assert torch.equal(*prompts)
    assert store.load_state(trial.trial_id, STATE) is None


def test_a_checkpoint_of_other_code_is_not_gone_on_from(
    backbone: T5Backbone, store: Store, config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a result whose first half was computed by code that no longer exists."""
    trial = config()
    steps = _session(backbone, store, checkpoint_seconds=0.0).train([trial])
    next(steps)
    del steps
    monkeypatch.setattr(module, "code_fingerprint", lambda: "other")
    monkeypatch.setattr(TrialRun, "resume", lambda *_, **__: pytest.fail("went on"))
    _finish(_session(backbone, store), trial)
    record = store.get(trial.trial_id)
    assert record is not None
    assert record.provenance["restarted_for_other"] == ["code"]


def test_a_diverged_trial_is_recorded_as_such(
    backbone: T5Backbone, store: Store, config: Make
) -> None:
    """Catches a trial that vanishes, or that leaves a score of nothing."""
    trial, healthy = config(learning_rate=1e39), config(seed=3)
    _finish(_session(backbone, store), trial, healthy)
    assert store.get(trial.trial_id) is None
    (failure,) = store.failures()
    assert (failure.trial_id, failure.kind) == (trial.trial_id, "diverged")
    assert "not finite at step" in failure.message
    assert store.get(healthy.trial_id) is not None


DESIGN: dict[str, Any] = {
    "method": "prompt_design", "prompt_length": None, "prompt_init": None,
    **dict.fromkeys(TRAINING), "shots": 0,
}  # fmt: skip
MIXED: dict[str, Any] = {
    "method": "multitask_model_tuning", "prompt_length": None, "prompt_init": None,
    "learning_rate": 1e-3, "parameter_scaling": True, "mixture": "boolq,cb,rte",
    "task_prefix": True,
}  # fmt: skip


@pytest.mark.parametrize("answer_by", ["generation", "likelihood"])
def test_prompt_design_is_judged_once_and_trains_nothing(
    backbone: T5Backbone, store: Store, config: Make, answer_by: str
) -> None:
    """Catches a method without steps that never ends, is never judged, or moves the model."""
    before = {name: weight.clone() for name, weight in backbone.weights.items()}
    trials = [config(**DESIGN, task=task, answer_by=answer_by) for task in ("boolq", "cb", "rte")]
    _finish(_session(backbone, store), *trials)
    assert all(torch.equal(before[name], weight) for name, weight in backbone.weights.items())
    for trial in trials:
        record = store.get(trial.trial_id)
        assert record is not None
        assert record.metrics["best_step"] == 0
        assert "train_loss" not in record.metrics
        assert record.provenance["trainable_parameters"] == 0
        assert set(record.files) == {"history.jsonl", "predictions.jsonl"}
        # A random model writes no label, and chooses one where it has to.
        assert (record.metrics["invalid"] == 0) is (answer_by == "likelihood")


def test_the_likeliest_choice_is_the_answer(
    backbone: T5Backbone, store: Store, config: Make
) -> None:
    """Catches the least likely label, or the label of another row."""
    trial = config(**DESIGN, task="cb", answer_by="likelihood")
    _finish(_session(backbone, store), trial)
    data = load_task_data(trial, backbone.codec, Catalogue())
    lines = store.read(trial.trial_id, "predictions.jsonl").splitlines()
    for row, line in zip(data.dev, lines, strict=True):
        embedded = backbone.embed(backbone.weights, torch.tensor(row.input_ids)[None])
        mask = torch.ones(embedded.shape[:2], dtype=torch.int64)
        losses = {
            label: float(
                backbone.losses(
                    backbone.weights, embedded, mask, torch.tensor(backbone.codec.targets([label]))
                ).sum()
            )
            for label in ("entailment", "contradiction", "neutral")
        }
        assert json.loads(line)["prediction"] == min(losses, key=lambda label: losses[label])


def test_a_mixture_trains_once_and_is_judged_task_by_task(
    backbone: T5Backbone, store: Store, config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a training for each task, a task judged on another's rows, or a batch of one task."""
    trials = [config(**MIXED, task=task) for task in ("boolq", "cb", "rte")]
    steps: list[float] = []
    original = TrialRun.update

    def counted(run: TrialRun, loss: float) -> None:
        steps.append(loss)
        original(run, loss)

    monkeypatch.setattr(TrialRun, "update", counted)
    _finish(_session(backbone, store), *trials)
    assert len(steps) == 6
    for trial in trials:
        record = store.get(trial.trial_id)
        assert record is not None
        assert record.config["task"] == trial.task
        assert record.provenance["trainable_parameters"] == backbone.parameter_count
        (first, *_) = store.read(trial.trial_id, "predictions.jsonl").splitlines()
        assert json.loads(first)["input"].startswith(f"{trial.task} ")
    losses = {
        json.loads(line)["train_loss"]
        for trial in trials
        for line in store.read(trial.trial_id, "history.jsonl").splitlines()
    }
    assert len(losses) == 2


def test_a_mixture_holds_every_task_in_proportion(backbone: T5Backbone, config: Make) -> None:
    """Catches a mixture of the trials that happen to be missing, or of equal shares."""
    trial = config(**MIXED, task="cb")
    run = start([trial], backbone, Catalogue())
    rows = [
        row.input_ids.tolist()
        for each in Catalogue().mixture_of(trial)
        for row in load_task_data(each, backbone.codec, Catalogue()).train
    ]
    assert [row.input_ids.tolist() for row in run.train] == rows
    assert len(rows) == 3 * 64


def test_a_mixture_that_was_cut_off_ends_at_the_same_results(
    backbone: T5Backbone, store: Store, config: Make
) -> None:
    """Catches a resumed mixture that forgets the best points of its tasks, or trains anew."""
    trials = [config(**MIXED, task=task) for task in ("boolq", "cb", "rte")]
    whole = Store(f"{store.root}-whole")
    _finish(_session(backbone, whole), *trials)
    steps = _session(backbone, store, checkpoint_seconds=0.0).train(trials)
    for _ in range(4):
        next(steps)
    del steps
    session = _session(backbone, store)
    # One of them is there already, as after a kill between two commits.
    _finish(session, *trials[1:])
    assert set(session.resumed.values()) == {4}
    _finish(_session(backbone, store), *trials)
    for trial in trials:
        for name in ("history.jsonl", "predictions.jsonl"):
            assert store.read(trial.trial_id, name) == whole.read(trial.trial_id, name)
    assert store.running() == set()


def test_a_mixture_that_diverges_fails_every_task(
    backbone: T5Backbone, store: Store, config: Make
) -> None:
    """Catches tasks of a failed mixture that stay missing for ever."""
    trials = [config(**MIXED | {"learning_rate": 1e39}, task=task) for task in ("boolq", "cb")]
    session = _session(backbone, store)
    _finish(session, *trials)
    assert {failure.trial_id for failure in store.failures()} == {t.trial_id for t in trials}
    assert session.failed == 2

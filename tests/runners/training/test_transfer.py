"""Best points on other tasks: what is judged, by which parameters, and what is left behind."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.data.source import load_transfer_data
from runners.evaluation import Questions, answer
from runners.model.loading import load_pretrained
from runners.model.t5_backbone import T5Backbone
from runners.record import TrialRecord
from runners.store import Store
from runners.tasks.own import OwnTask
from runners.training import judging
from runners.training.pack import start
from runners.training.session import Session
from runners.training.trial import TrialRun

Make = Callable[..., TrialConfig]
DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "squadshifts"
OTHERS = "cb,copa,record"
TUNED: dict[str, Any] = {
    "method": "model_tuning", "prompt_length": None, "prompt_init": None, "learning_rate": 0.01,
    "parameter_scaling": True,
}  # fmt: skip
METHODS: list[dict[str, Any]] = [{}, TUNED]
MIXED: dict[str, Any] = {**TUNED, "method": "multitask_model_tuning", "mixture": "boolq,cb,wic"}


def _session(backbone: T5Backbone, store: Store, catalogue: Catalogue, **changes: Any) -> Session:
    fields: dict[str, Any] = {"slots": 1, **changes}
    return Session(backbone=backbone, store=store, catalogue=catalogue, **fields)


def _run(
    backbone: T5Backbone, store: Store, configs: Sequence[TrialConfig], slots: int = 1,
    catalogue: Catalogue | None = None,
) -> list[TrialRecord]:  # fmt: skip
    for _ in _session(backbone, store, catalogue or Catalogue(), slots=slots).train(configs):
        pass
    found = [store.get(config.trial_id) for config in configs]
    return [record for record in found if record is not None]


def _answers(store: Store, config: TrialConfig, task: str) -> list[str]:
    lines = store.read(config.trial_id, f"predictions-{task}.jsonl").splitlines()
    return [json.loads(line)["prediction"] for line in lines]


def _of(metrics: Mapping[str, float], task: str) -> dict[str, float]:
    return {
        name.removeprefix(f"{task}/"): value
        for name, value in metrics.items()
        if name.startswith(f"{task}/")
    }


@pytest.mark.parametrize("method", METHODS)
def test_a_trial_is_the_same_with_and_without_transfer(
    backbone: T5Backbone, store: Store, config: Make, method: dict[str, Any]
) -> None:
    """Catches a selection that looks at the other task, or other dropout masks."""
    plain = config(**method, dropout=0.1)
    shifted = replace(plain, transfer_tasks=OTHERS)
    alone, asked = _run(backbone, store, [plain, shifted])
    assert {n: v for n, v in asked.metrics.items() if "/" not in n} == alone.metrics
    for name in alone.files:
        assert store.read(plain.trial_id, name) == store.read(shifted.trial_id, name)
    assert not [name for name in alone.provenance if name.startswith("transfer")]


def test_a_record_has_all_of_a_transfer(backbone: T5Backbone, store: Store, config: Make) -> None:
    """Catches a number without its rows, its answers, its chance level or its origin."""
    trial = config(transfer_tasks=OTHERS)
    (record,) = _run(backbone, store, [trial])
    wanted = load_transfer_data(trial, backbone.codec, Catalogue())
    for task, data in wanted.items():
        answers = _answers(store, trial, task)
        assert _of(record.metrics, task) == data.task.score(answers, data.dev_examples) | {
            "chance": data.chance
        }
        lines = store.read(trial.trial_id, f"predictions-{task}.jsonl").splitlines()
        assert [json.loads(line)["input"] for line in lines] == [
            example.input for example in data.dev_examples
        ]
    assert {n: record.provenance[n] for n in record.provenance if n.startswith("transfer")} == {
        "transfer_data": {task: data.fingerprint for task, data in wanted.items()},
        "transfer_data_revision": dict.fromkeys(wanted),
        "transfer_examples": {task: len(data.dev) for task, data in wanted.items()},
        "transfer_cut_rows": dict.fromkeys(wanted, 0),
    }


def _decline(run: TrialRun, judged: Sequence[tuple[dict[str, float], list[str]]]) -> None:
    """Note the metrics with a score that falls, so that the first evaluation is the best."""
    falling = [({**m, "score": 90.0 - run.step}, answers) for m, answers in judged]
    _EVALUATED(run, falling)


_EVALUATED = TrialRun.evaluated


@pytest.mark.parametrize("method", METHODS)
def test_the_best_point_is_judged_and_not_the_last(
    backbone: T5Backbone, store: Store, config: Make, method: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Catches the parameters of the last step, which nobody chose, on the other task."""
    monkeypatch.setattr(TrialRun, "evaluated", _decline)
    trial = config(**method, transfer_tasks="copa,record")
    short = replace(trial, train_steps=3, eval_every=3)
    best, whole = _run(backbone, store, [short, trial])
    assert whole.metrics["best_step"] == 3
    for task in trial.transfers:
        assert _of(whole.metrics, task) == _of(best.metrics, task)
        assert _answers(store, trial, task) == _answers(store, short, task)
    monkeypatch.setattr(TrialRun, "evaluated", _EVALUATED)
    later = replace(trial, eval_every=6)
    _run(backbone, store, [later])
    assert _answers(store, later, "record") != _answers(store, trial, "record")


def test_answers_are_those_of_the_kept_prompt(
    backbone: T5Backbone, store: Store, config: Make
) -> None:
    """Catches an evaluation of another prompt than the one that is left behind."""
    trial = config(transfer_tasks="record")
    _run(backbone, store, [trial])
    prompt = load(store.read(trial.trial_id, "prompt.safetensors"))["prompt"]
    data = load_transfer_data(trial, backbone.codec, Catalogue())["record"]
    asked = Questions(prompt=prompt, rows=data.dev, limit=data.target_limit)
    (ids,) = answer(backbone, backbone.weights, [asked])
    assert _answers(store, trial, "record") == data.score(ids)[1]


def test_packed_and_alone_answer_alike(backbone: T5Backbone, store: Store, config: Make) -> None:
    """Catches a neighbour's prompt, or another task's limit, in the shared batches of the end."""
    trials = [
        config(transfer_tasks=OTHERS, eval_every=6),
        config(task="wic", transfer_tasks="boolq", prompt_length=9, seed=1, eval_every=6),
        config(task="rte", prompt_length=1, eval_every=6),
    ]
    packed = _run(backbone, store, trials, slots=3)
    apart = Store(f"{store.root}-apart")
    for trial, beside in zip(trials, packed, strict=True):
        (alone,) = _run(backbone, apart, [trial])
        for task in trial.transfers:
            assert _answers(store, trial, task) == _answers(apart, trial, task)
            assert _of(alone.metrics, task) == _of(beside.metrics, task)


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_trial_is_judged_as_the_whole_one(
    backbone: T5Backbone, store: Store, config: Make, method: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Catches a checkpoint without the best point, which came before it."""
    monkeypatch.setattr(TrialRun, "evaluated", _decline)
    trial = config(**method, transfer_tasks=OTHERS, train_steps=9)
    whole = Store(f"{store.root}-whole")
    (wanted,) = _run(backbone, whole, [trial])
    steps = _session(backbone, store, Catalogue(), checkpoint_seconds=0.0).train([trial])
    for _ in range(5):
        next(steps)
    del steps
    session = _session(backbone, store, Catalogue())
    for _ in session.train([trial]):
        pass
    assert session.resumed == {trial: 5}
    record = store.get(trial.trial_id)
    assert record is not None
    assert record.metrics == wanted.metrics
    assert record.files == wanted.files


def test_members_of_a_mixture_are_judged_at_their_own_best_points(
    backbone: T5Backbone, store: Store, config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches one member's best model under another's name, across a kill as well."""

    def mixed(run: TrialRun, judged: Sequence[tuple[dict[str, float], list[str]]]) -> None:
        signs = {"boolq": -1, "cb": 1, "wic": 1}
        scored = [
            ({**metrics, "score": 50.0 + signs[member.config.task] * run.step}, answers)
            for member, (metrics, answers) in zip(run.members, judged, strict=True)
        ]
        _EVALUATED(run, scored)

    monkeypatch.setattr(TrialRun, "evaluated", mixed)
    trials = [
        config(**MIXED, task=task, transfer_tasks="record") for task in ("boolq", "cb", "wic")
    ]
    early, late, also = _run(backbone, store, trials)
    assert [r.metrics["best_step"] for r in (early, late, also)] == [3, 6, 6]
    first, second, third = (_answers(store, trial, "record") for trial in trials)
    assert first != second == third
    steps = _session(backbone, Store(f"{store.root}-cut"), Catalogue(), checkpoint_seconds=0.0)
    for step, _ in enumerate(steps.train(trials), start=1):
        if step == 4:
            break
    again = Store(f"{store.root}-cut")
    assert _run(backbone, again, trials)[0].metrics == early.metrics
    assert [_answers(again, trial, "record") for trial in trials] == [first, second, third]


def test_members_at_one_best_step_share_what_is_kept(backbone: T5Backbone, config: Make) -> None:
    """Catches eight copies of a model in memory, and in the checkpoint, where one would do."""
    trials = [config(**MIXED, task=task, transfer_tasks="record") for task in ("boolq", "cb")]
    run = start(trials, backbone, Catalogue())
    plain = len(start([config(**MIXED)], backbone, Catalogue()).to_bytes({}))
    run.step = 3
    run.evaluated([({"score": 1.0}, [])] * 2)
    one, two = (member.best for member in run.members)
    assert one is not None and two is not None
    assert all(one.parameters[name] is two.parameters[name] for name in run.parameters)
    grown = len(run.to_bytes({})) - plain
    assert 1 <= grown / sum(4 * weight.numel() for weight in run.parameters.values()) < 1.5
    back = start(trials, backbone, Catalogue()).resume(run.to_bytes({}))
    for member in back.members:
        assert member.best is not None
        for name, kept in one.parameters.items():
            assert torch.equal(member.best.parameters[name], kept)


def test_a_mixture_that_began_without_transfer_begins_anew(
    backbone: T5Backbone, store: Store, config: Make
) -> None:
    """Catches a best point whose model nobody kept, found missing at the end of the run."""
    plain = [config(**MIXED, task=task) for task in ("boolq", "cb")]
    steps = _session(backbone, store, Catalogue(), checkpoint_seconds=0.0).train(plain)
    for _ in range(4):
        next(steps)
    del steps
    asked = [replace(trial, transfer_tasks="record") for trial in plain]
    assert asked[0].run_id == plain[0].run_id
    records = _run(backbone, store, asked)
    assert [r.provenance["restarted_for_other"] for r in records] == [["transfer_tasks"]] * 2
    assert all("record/f1" in record.metrics for record in records)


@pytest.mark.parametrize("answer_by", ["generation", "likelihood"])
@pytest.mark.parametrize("method", METHODS)
def test_paraphrases_are_judged_in_the_words_of_the_other_task(
    backbone: T5Backbone, store: Store, config: Make, glue: Catalogue, method: dict[str, Any],
    answer_by: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Catches `duplicate` held against `equivalent`, or a label that the model never wrote."""
    said = backbone.codec.targets(["duplicate", "not_duplicate", "no", "not_duplicate"])
    monkeypatch.setattr(
        judging, "answer", lambda _b, _w, asked, **_: [said[: len(q.rows)] for q in asked]
    )
    # The second choice is the likeliest of the first two rows, the first of the others.
    likely = [[-2.0, -1.0]] * 2 + [[-1.0, -2.0]] * 2
    asked_for: list[list[list[list[int]]]] = []

    def likelihoods(_b: object, _w: object, asked: object, choices: Any, **_: int) -> Any:
        asked_for.extend(choices)
        return [likely for _ in choices]

    monkeypatch.setattr(judging, "log_likelihoods", likelihoods)
    trial = config(
        **method, task="qqp", data_source="glue", transfer_tasks="mrpc", answer_by=answer_by,
        train_examples=4, dev_examples=4,
    )  # fmt: skip
    (record,) = _run(backbone, store, [trial], catalogue=glue)
    right = {"generation": ["equivalent", "not_equivalent", "no", "not_equivalent"],
             "likelihood": ["equivalent"] * 2 + ["not_equivalent"] * 2}[answer_by]  # fmt: skip
    assert _answers(store, trial, "mrpc") == right
    # The labels of the rows are equivalent, not_equivalent and the same again.
    assert record.metrics["mrpc/accuracy"] == {"generation": 75.0, "likelihood": 50.0}[answer_by]
    assert record.metrics["mrpc/invalid"] == {"generation": 0.25, "likelihood": 0.0}[answer_by]
    words = backbone.codec.targets(["not_duplicate", "duplicate"])
    assert all(choices == words for rows in asked_for for choices in rows)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no copy of the shifted SQuAD sets in {DATA}")
def test_a_prompt_of_wikipedia_is_judged_on_the_news(store: Store) -> None:
    """Catches real files that a domain shift cannot be run on."""
    form: dict[str, Any] = {
        "input": None, "target": None, "labels": None, "metrics": ("exact_match", "f1"),
        "init_words": ("question", "answer"),
    }  # fmt: skip
    own = {
        "squaddev": OwnTask(
            name="squaddev", train=DATA / "squaddev_v1.1.json", dev=None, held_out=0.2, **form
        ),
        **{
            name: OwnTask(
                name=name, train=None, dev=DATA / f"{name}_v1.0.json", held_out=None, **form
            )
            for name in ("new_wiki", "nyt")
        },
    }
    catalogue = Catalogue(own_tasks=own)
    trial = TrialConfig(
        method="prompt_tuning", model_family="nano", model_size="60k",
        pretraining_objective="span_corruption", lm_adaptation_steps=0, prompt_length=5,
        prompt_init="class_label", task="squaddev", data_source="own",
        task_content=own["squaddev"].content, seed=0, train_steps=2, eval_every=2, batch_size=4,
        learning_rate=1.0, train_examples=64, dev_examples=8, long_inputs="cut",
        target_length=32, **catalogue.transfer_fields(["nyt", "new_wiki"]),
    )  # fmt: skip
    model = load_pretrained(catalogue, "nano", "60k", "float32")
    (record,) = _run(model, store, [trial], catalogue=catalogue)
    assert record.provenance["transfer_examples"] == {"new_wiki": 8, "nyt": 8}
    for task in trial.transfers:
        assert {"f1", "exact_match", "score", "chance", "invalid"} == set(_of(record.metrics, task))
        assert len(_answers(store, trial, task)) == 8

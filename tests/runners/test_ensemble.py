"""Several prompts of one task as one, and whether answers are those recorded at evaluation."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from runners import alone
from runners.alone import run_alone
from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.ensemble import judge_ensemble, main
from runners.prompt_tuning import DEFAULTS
from runners.serving.__main__ import main as serve
from runners.store import Store
from runners.tasks.voting import vote_each

Make = Callable[..., TrialConfig]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the store of `voters` is."""
    return tmp_path_factory.mktemp("voters") / "store"


@pytest.fixture
def voters(trained: Path, config: Make) -> tuple[Store, list[str]]:
    """Three trials of WiC that differ in their seeds, and one of RTE behind them."""
    store, ids = Store(trained), []
    for task, seed in (("wic", 0), ("wic", 1), ("wic", 2), ("rte", 0)):
        trial = config(task=task, seed=seed, learning_rate=3.0, train_steps=4, eval_every=4)
        record = run_alone(trial, store, Catalogue())
        assert record is not None
        ids.append(record.trial_id)
    return store, ids


def test_the_vote_in_one_batch_is_the_vote_over_recorded_answers(
    voters: tuple[Store, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches voters that see each other's rows, and a vote that is not theirs."""
    store, ids = voters
    judged = judge_ensemble(ids[:3], store, Catalogue())
    recorded = [
        [json.loads(line)["prediction"] for line in store.read(i, "predictions.jsonl").splitlines()]
        for i in ids[:3]
    ]
    assert list(judged.recorded) == vote_each(recorded)
    assert judged.differing == []
    for trial, score in zip(ids, judged.alone, strict=False):
        record = store.get(trial)
        assert record is not None
        assert score == pytest.approx(record.metrics["score"])
    assert main(["--ensemble", store.root, *ids[:3]]) == 0
    assert "other than the vote over recorded answers: 0" in capsys.readouterr().out


def test_voters_of_two_tasks_are_refused(voters: tuple[Store, list[str]]) -> None:
    """Catches answers to other questions that are counted as votes."""
    store, ids = voters
    with pytest.raises(ValueError, match="let prompts of one task vote"):
        judge_ensemble(ids, store, Catalogue())


@pytest.mark.parametrize(
    ("voting", "said"),
    [
        (["{wic}", "{rte}"], "let prompts of one task vote"),
        (["{wic}", "{wic}"], "votes twice; name each prompt once"),
        (["0123456789abcdef"], "is not committed in store"),
        ([], "has no prompt; name at least one"),
    ],
)
def test_what_cannot_be_judged_is_told_in_a_line(
    voters: tuple[Store, list[str]], capsys: pytest.CaptureFixture[str], voting: list[str],
    said: str,
) -> None:  # fmt: skip
    """Catches a traceback for a mistake, and an exit code that means another thing."""
    store, ids = voters
    trials = [trial.format(wic=ids[0], rte=ids[3]) for trial in voting]
    assert main(["--ensemble", store.root, *trials, "--device", "cpu"]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert (told.out, told.err.count("\n")) == ("", 1)


def test_a_store_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a store that is made where one was to be read, and a traceback."""
    assert main(["--ensemble", str(tmp_path / "nowhere"), "0123456789abcdef"]) == 2
    assert "is not committed in store" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


OWN = """
tasks:
  reviews: {train: rows.tsv, dev: rows.tsv, input: "review: {text}", target: "{label}",
            labels: {"0": "False", "1": "True"}, metrics: [accuracy]}
"""


def test_prompts_of_a_task_of_ones_own_vote(
    tmp_path: Path, config: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches an ensemble of what ships alone, and a remedy that names no file."""
    rows = "".join(f"row {n}\t{n % 2}\n" for n in range(12))
    (tmp_path / "rows.tsv").write_text(f"text\tlabel\n{rows}")
    spec, root = tmp_path / "spec.yaml", str(tmp_path / "store")
    spec.write_text(OWN)
    given = ["--catalogue", str(spec), "--store", root]
    short = ["model_family=nano", "model_size=60k", "pretraining_objective=span_corruption",
             "train_steps=2", "eval_every=2", "batch_size=4", "dev_examples=8"]  # fmt: skip
    for seed in range(2):
        words = [*short, "task=reviews", f"seed={seed}"]
        assert alone.main("door", DEFAULTS, [*words, *given]) == 0
    store = Store(root)
    records = sorted(store.records(), key=lambda record: record.trial_id)
    words = ["--ensemble", root, *(record.trial_id for record in records), "--device", "cpu"]
    capsys.readouterr()
    assert main(words) == 2
    told = capsys.readouterr().err
    assert "reviews" in told
    assert "--catalogue" in told
    assert main([*words, "--catalogue", str(spec)]) == 0
    trials = [{"trial_id": each.trial_id, "panels": [], "config": {}} for each in records]
    store.write_manifest("own", {"spec_path": str(spec), "trials": trials})
    assert main(words) == 0
    assert main([*words, "--catalogue", str(tmp_path / "gone.yaml")]) == 2


def test_served_answers_are_checked_one_by_one(
    voters: tuple[Store, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a check that passes whatever is served, and one that fails where all is well."""
    store, ids = voters
    assert serve([store.root, "--check", "--device", "cpu"]) == 0
    assert capsys.readouterr().out.count("all as recorded") == 2
    best = next(i for i in ids if i in _checked(store, capsys))
    file = Path(store.path(best, "predictions.jsonl"))
    before = file.read_text()
    first, rest = before.split("\n", 1)
    file.write_text(json.dumps({**json.loads(first), "prediction": "never"}) + "\n" + rest)
    record = Path(store.path(best, "predictions.jsonl")).parents[1] / "record.json"
    told = json.loads(record.read_text())
    whole = record.read_text()
    told["files"]["predictions.jsonl"] = "0" * 64
    record.write_text(json.dumps(told, sort_keys=True) + "\n")
    for index in Path(store.root, "index").glob("*"):
        index.unlink()
    try:
        assert serve([store.root, "--check", "--device", "cpu"]) == 1
        assert "1 differ (example 0: recorded 'never'" in capsys.readouterr().out
    finally:
        file.write_text(before)
        record.write_text(whole)


def _checked(store: Store, capsys: pytest.CaptureFixture[str]) -> str:
    serve([store.root, "--check", "--device", "cpu"])
    return capsys.readouterr().out

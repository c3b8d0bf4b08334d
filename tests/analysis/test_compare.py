"""Measured against published, and claims that must hold."""

import subprocess
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd
import pytest
import yaml

from ablation.claim_names import CLAIMS
from ablation.published import published
from analysis import compare
from analysis.cli import main
from analysis.compare import beside_digitised, broken, comparison, must_hold
from analysis.digitised import read_digitised
from analysis.findings import Findings, find
from analysis.tables.claims import Claim


@pytest.fixture(scope="module")
def found(whole: Any) -> Findings:
    """What the whole toy sweep says."""
    return find(whole.manifest, whole.trials(), whole.store)


def test_every_claim_has_a_name_that_specs_know(found: Findings) -> None:
    """A claim that no spec can say must hold."""
    assert {claim.name for claim in found.claims} <= set(CLAIMS)
    assert {"gap_closes", "prompt_length_fades", "adaptation_unlocks"} <= {
        claim.name for claim in found.claims
    }


def test_other_ladders_are_not_held_against_the_paper(found: Findings) -> None:
    """Nano models judged by the scores of T5 XXL."""
    assert comparison(found).empty


def test_published_means_are_found_by_size_task_and_metric(found: Findings) -> None:
    """A mean held against the number of another task, or without its unverified mark."""
    table = pd.DataFrame([
        {"model_size": "xxl", "task": "boolq", "metric": "accuracy", "average": 90.5,
         "best": 99.0, "ensemble": 85.0, "voters": 5}
    ])  # fmt: skip
    frame = found.frame.assign(model_family="t5", transfer_tasks=None)
    rows = comparison(Findings(manifest=found.manifest, frame=frame, ensembles=table))
    wanted = {
        ("table_3_average", 91.1, True), ("table_3_best", 91.3, False),
        ("table_3_ensemble", 91.7, False),
    }  # fmt: skip
    assert {tuple(row) for row in rows[["quantity", "published", "within"]].to_numpy()} == wanted
    assert rows["verified"].all()


def test_both_metrics_of_a_task_are_held_against_their_own(found: Findings) -> None:
    """An exact match that is compared with the F1 beside it."""
    row = {"model_size": "xxl", "task": "multirc", "best": 0.0, "ensemble": 0.0, "voters": 5}
    table = pd.DataFrame([
        {**row, "metric": "exact_match", "average": 65.0}, {**row, "metric": "f1", "average": 88.0},
    ])  # fmt: skip
    frame = found.frame.assign(model_family="t5", transfer_tasks=None)
    rows = comparison(Findings(manifest=found.manifest, frame=frame, ensembles=table))
    average = rows[rows["quantity"] == "table_3_average"]
    assert dict(zip(average["metric"], average["published"], strict=True)) == {
        "exact_match": 65.7, "f1": 88.7,
    }  # fmt: skip
    assert average["within"].all()


def test_released_prompts_are_held_against_their_own_settings(found: Findings) -> None:
    """An imported prompt of which nothing is said, or one of 20 tokens held against 100."""
    prompts = found.frame[found.frame["method"] == "prompt_tuning"]
    frame = prompts[prompts["prompt_length"] == 20].assign(
        model_family="t5", model_size="base", task="mrpc", f1=89.0, accuracy=80.0,
        lm_adaptation_steps=100_000, prompt_init="class_label", transfer_tasks=None,
    )  # fmt: skip
    assert comparison(Findings(manifest=found.manifest, frame=frame)).empty
    rows = comparison(Findings(manifest=found.manifest, frame=frame.assign(prompt_length=100)))
    columns = ["metric", "published", "measured", "within"]
    assert {tuple(row) for row in rows[columns].to_numpy()} == {
        ("f1", 89.7, 89.0, True), ("accuracy", 85.3, 80.0, False),
    }  # fmt: skip


def _voted(*tasks: str) -> pd.DataFrame:
    row = {"model_size": "xxl", "metric": "score", "average": 91.0, "best": 91.0,
           "ensemble": 91.0, "voters": 5}  # fmt: skip
    return pd.DataFrame([{**row, "task": task} for task in tasks])


def test_a_mean_over_some_tasks_is_not_held_against_that_of_superglue(found: Findings) -> None:
    """A sweep of two easy tasks that reaches the paper's SuperGLUE score."""
    frame = found.frame.assign(model_family="t5", transfer_tasks=None)
    tasks = ("boolq", "cb", "copa", "multirc", "record", "rte", "wic", "wsc", "mean")
    some, every = (
        comparison(Findings(manifest=found.manifest, frame=frame, ensembles=_voted(*asked)))
        for asked in (("boolq", "cb", "mean"), tasks)
    )
    assert "mean" not in set(some.get("evaluated", ()))
    assert list(every.loc[every["evaluated"] == "mean", "published"]) == [90.5, 91.0, 91.3]


@pytest.mark.parametrize(("trained", "count"), [("squad", 1), ("squaddev", 0)])
def test_table_1_is_of_models_that_were_tuned_for_squad(
    found: Findings, monkeypatch: pytest.MonkeyPatch, trained: str, count: int
) -> None:
    """Another task's transfer to TextbookQA that is held against SQuAD's."""
    row = {"model_size": "xxl", "task": trained, "evaluated": "textbookqa", "metric": "f1",
           "prompt_tuning_mean": 66.0, "prompt_tuning_n": 3}  # fmt: skip
    monkeypatch.setattr(compare, "domain_shift_table", lambda _: pd.DataFrame([row]))
    frame = found.frame.assign(model_family="t5", transfer_tasks=None)
    rows = comparison(Findings(manifest=found.manifest, frame=frame))
    assert len(rows) == count


def test_superglue_of_table_3_is_the_mean_of_its_tasks() -> None:
    """A number of Table 3 that was mistyped, or a metric that stands under another's name."""
    for column, mean in (("average", 90.5), ("best", 91.0), ("ensemble", 91.3)):
        numbers = [n for n in published() if n.quantity == f"table_3_{column}"]
        assert {n.value for n in numbers if n.evaluated == "mean"} == {mean}
        tasks = {n.evaluated for n in numbers} - {"mean"}
        scores = [
            fmean(number.value for number in numbers if number.evaluated == task)
            for task in sorted(tasks)
        ]
        assert len(scores) == 8
        # 91.06 is printed as 91.0.
        assert fmean(scores) == pytest.approx(mean, abs=0.065)


def test_parameters_must_be_equal_and_times_are_only_shown(found: Findings) -> None:
    """A count that is off by one point and passes, or a machine that is judged by another's."""
    lengths = pd.DataFrame([
        {"model_size": "small", "prompt_length": 20, "trainable": 10_240, "total": 76_971_393,
         "percent": 0.0133},
    ])  # fmt: skip
    times = pd.DataFrame([
        {"method": "prompt_tuning", "prompt_length": 100.0, "model_size": "small",
         "task": "boolq", "seconds_mean": 60.0, "n": 3},
        {"method": "model_tuning", "prompt_length": float("nan"), "model_size": "small",
         "task": "boolq", "seconds_mean": 60.0, "n": 3},
    ])  # fmt: skip
    frame = found.frame.assign(model_family="t5", transfer_tasks=None)
    rows = comparison(
        Findings(manifest=found.manifest, frame=frame, lengths=lengths, convergence=times)
    )
    within = {(row["quantity"], row["metric"]): row["within"] for row in rows.to_dict("records")}
    assert within == {
        ("table_4", "trainable"): True, ("table_4", "total"): False, ("table_4", "percent"): True,
        ("table_5", "seconds"): None,
    }  # fmt: skip
    assert rows.loc[rows["quantity"] == "table_5", "published"].tolist() == [985]


def test_unverified_numbers_keep_their_mark() -> None:
    """Numbers from memory that read like numbers from the paper."""
    marked = {(n.quantity, n.value) for n in published() if not n.verified}
    assert ("gpt3_few_shot", 56.2) in marked
    assert ("gpt3_few_shot", 66.9) in marked
    assert ("table_1", 94.8) not in marked


def test_a_claim_that_must_hold_and_fails_is_told(found: Findings) -> None:
    """A failed claim that passes, or one that nothing speaks to."""
    names = {claim.name: claim for claim in found.claims}
    assert broken(found, ["gap_closes"]) == []
    assert isinstance(names["gap_closes"], Claim)
    (line,) = broken(found, ["model_tuning_learns"])
    assert line == "model_tuning_learns: the sweep measures nothing of it"
    with pytest.raises(ValueError, match="gap_close is no claim"):
        broken(found, ["gap_close"])


def test_must_hold_is_read_from_the_spec_of_the_manifest(found: Findings) -> None:
    """Claims of a spec as it is now, and not as the sweep was planned."""
    assert must_hold(found) == ()


@pytest.mark.parametrize(("name", "code"), [("gap_closes", 0), ("model_tuning_learns", 3)])
def test_exit_code_is_that_of_the_claims(toy: Any, tmp_path: Path, name: str, code: int) -> None:
    """A pipeline that goes on although what must hold does not."""
    lone = {"prompt_length": [20], "prompt_init": ["class_label"]}
    lone |= {"pretraining_objective": ["lm_adaptation"], "lm_adaptation_steps": [1000]}
    made = toy(axes={"model_size": ["60k", "2m"], **lone})
    made.run()
    values = dict(made.store.manifest("toy"))
    values["spec"] = yaml.safe_dump({"name": "toy", "must_hold": [name]})
    made.store.write_manifest("held", {**values, "name": "held"})
    command = [sys.executable, "-m", "analysis", "compare", made.store.root, "--spec", "held"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], capture_output=True, text=True, check=False,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert (tmp_path / "compare.csv").exists()


def test_a_digitised_figure_is_compared_where_sizes_agree(found: Findings, tmp_path: Path) -> None:
    """Points of another size beside each other, or a file whose columns nobody checks."""
    path = tmp_path / "mine.csv"
    path.write_text("figure,series,parameters,score\nfigure_1,prompt_tuning,63000,30\n"
                    "figure_1,prompt_tuning,90000,30\n")  # fmt: skip
    beside = beside_digitised(found, read_digitised(path))
    columns = ["parameters", "measured", "n", "difference", "tolerance", "within"]
    assert beside.table[columns].to_numpy().tolist() == [[63000, 35.5, 2, 5.5, 1.0, False]]
    assert beside.notes == (
        "1 digitised point is not compared: figure_1 has no mean within 5% of the parameters",
    )
    assert beside_digitised(found, read_digitised(path), 6.0).table["within"].all()
    path.write_text("figure,series,score\n")
    with pytest.raises(ValueError, match="lacks the columns parameters"):
        read_digitised(path)


def test_digitised_points_of_figure_3_are_compared_and_none_is_dropped_in_silence(
    found: Findings, tmp_path: Path
) -> None:
    """Rows of Figure 3 that vanish, or a length that is read as the number 20.0."""
    path = tmp_path / "mine.csv"
    path.write_text("figure,series,parameters,score\nfigure_3a,20,62000,36\n"
                    "figure_3b,class_label,2060000,75\nfigure_3d,1000,62000,\"35.5\"\n"
                    "figure_3a,150,62000,1\nfigure_3a,5,62000,1\nfigure_2,x,62000,1\n"
                    "figure_2,y,62000,1\n")  # fmt: skip
    beside = beside_digitised(found, read_digitised(path))
    assert beside.table[["figure", "series", "measured", "within"]].to_numpy().tolist() == [
        ["figure_3a", "20", 35.5, True], ["figure_3b", "class_label", 75.5, True],
        ["figure_3d", "1000", 35.5, True],
    ]  # fmt: skip
    assert [note.partition(" compared: ")[2] for note in beside.notes] == [
        "figure_3a has no line 150 here, only 1, 20",
        "figure_3a has no line 5 here, only 1, 20",
        "figure figure_2 is none of figure_1, figure_3a, figure_3b, figure_3c, figure_3d",
    ]
    assert beside.notes[-1].startswith("2 digitised points are not")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tolerance", "nan"], "--tolerance nan: is not 0 or more; give points of a score"),
        (["--tolerance", "-1"], "--tolerance -1: is not 0 or more"),
        (["--digitised", "none.csv"], "--digitised none.csv: there is no such file; give a CSV"),
        (["--digitised", "empty.csv"], "--digitised empty.csv: is no CSV (No columns to parse"),
        (["--digitised", "image.csv"], "--digitised image.csv: is no CSV ('utf-8' codec"),
        (["--digitised", "far.csv"], "far.csv: parameters 'inf' is not a number"),
    ],
)
def test_what_cannot_be_held_against_anything_is_an_error(
    whole: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, words: list[str], said: str,
) -> None:  # fmt: skip
    """A tolerance within which all or nothing lies, or an error number for a misspelt file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "image.csv").write_bytes(b"\x89PNG\xff\xfe,\x00")
    (tmp_path / "far.csv").write_text(
        "figure,series,parameters,score\nfigure_1,prompt_tuning,inf,3\n"
    )
    assert main(["compare", whole.store.root, *words]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_a_partial_sweep_is_compared_and_says_so(
    small: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Claims of half a sweep that look like those of a whole one, or a mean of nan."""
    small.run(small.configs[:-1])
    assert main(["compare", small.store.root, "--out", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert told.err.startswith("toy: partial, 7 of 8 trials done; 1 missing\n")
    assert ", nan" not in told.out

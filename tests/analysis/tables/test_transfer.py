"""Tables 1 and 2: which scores stand in which row, and in which of the two tables."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.cli import main
from analysis.tables.printed import printed_tables
from analysis.tables.terminal import domain_shift, paraphrase_transfer
from analysis.tables.transfer import domain_shift_table, paraphrase_table
from runners.config import TrialConfig

LONE: dict[str, Any] = {
    "prompt_length": [20], "prompt_init": ["class_label"], "seed": [0, 1, 2],
    "pretraining_objective": ["lm_adaptation"], "lm_adaptation_steps": [1000],
}  # fmt: skip
ADAPTATION = {"batch_size": 4, "learning_rate": 0.001, "seed": 0}
MODEL = {"rte": 80.0, "record": 40.0, "cb": 30.0}
PROMPT = {"rte": 79.0, "record": 52.0, "cb": 30.0}
RIGHT = {
    ("qqp", "mrpc"): (73.0, 81.0), ("mrpc", "qqp"): (75.0, 71.0), ("qqp", "qqp"): (90.0, 88.0),
    ("mrpc", "mrpc"): (85.0, 89.0),
}  # fmt: skip


def _settings(*transfer_tasks: str, **shared: Any) -> dict[str, Any]:
    trained = {"train_steps": 10, "eval_every": 5, "batch_size": 4, "learning_rate": 0.3}
    return {
        "shared": {**trained, "transfer_tasks": list(transfer_tasks), **shared},
        "lm_adaptation": ADAPTATION,
    }


def _shift(config: TrialConfig) -> dict[str, float]:
    """Scores that rise by one a seed; ReCoRD has an F1 that is 2 above, and CB has none."""
    scores = MODEL if config.method == "model_tuning" else PROMPT
    metrics = {"score": scores["rte"] + config.seed, "chance": 50.0, "invalid": 0.0}
    for task in config.transfers:
        metrics[f"{task}/score"] = scores[task] + config.seed
    if "record" in config.transfers:
        metrics["record/f1"] = scores["record"] + config.seed + 2
    return metrics


def _paraphrase(config: TrialConfig) -> dict[str, float]:
    """Prompts are 2 above, and a seed adds one to the accuracy."""
    above = 2.0 if config.method == "prompt_tuning" else 0.0
    metrics = {"chance": 50.0, "invalid": 0.0}
    for task in (config.task, *config.transfers):
        accuracy, f1 = RIGHT[config.task, task]
        own = {"accuracy": accuracy + above + config.seed, "f1": f1 + above}
        own["score"] = (own["accuracy"] + own["f1"]) / 2
        prefix = "" if task == config.task else f"{task}/"
        metrics |= {prefix + name: value for name, value in own.items()}
    return metrics


def _store(
    toy: Callable[..., Any],
    metrics: Callable[[TrialConfig], Mapping[str, float]],
    done: Callable[[TrialConfig], bool],
    tasks: list[str],
    settings: Mapping[str, Any],
) -> Any:
    made = toy(axes={"model_size": ["60k"], "task": tasks, **LONE}, settings=settings)
    for config in filter(done, made.configs):
        made.commit(config, metrics=metrics(config))
    return made


def _all(_: TrialConfig) -> bool:
    return True


@pytest.fixture
def shifted(toy: Callable[..., Any]) -> Any:
    """RTE, judged on CB and ReCoRD too; the prompt of seed 2 is not done."""
    return _store(
        toy, _shift, lambda c: (c.method, c.seed) != ("prompt_tuning", 2), ["rte"],
        _settings("record", "cb"),
    )  # fmt: skip


@pytest.fixture
def paraphrased(toy: Callable[..., Any]) -> Any:
    """QQP and MRPC, each judged on the other too."""
    settings = _settings("qqp", "mrpc", data_source="published")
    return _store(toy, _paraphrase, _all, ["qqp", "mrpc"], settings)


def test_domain_shift_has_a_row_for_every_task_that_is_asked(shifted: Any) -> None:
    """Catches a difference over seeds that one method lacks, or a score beside an F1."""
    table = domain_shift_table(shifted.trials().frame)

    assert list(table["evaluated"]) == ["rte", "cb", "record"]
    assert list(table["metric"]) == ["score", "score", "f1"]
    assert list(table["model_tuning_mean"]) == [81.0, 31.0, 43.0]
    assert list(table["prompt_tuning_mean"]) == [79.5, 30.5, 54.5]
    assert list(table["prompt_tuning_n"]) == [2] * 3
    assert list(table["prompt_tuning_planned_seeds"]) == [3] * 3
    assert list(table["difference"]) == [-1.0, 0.0, 12.0]
    assert list(table["difference_n"]) == [2] * 3
    assert list(table["model_tuning_sd"]) == [1.0] * 3


def test_domain_shift_in_the_terminal(shifted: Any) -> None:
    """Catches a column under another's head, or fewer seeds that nobody tells."""
    assert domain_shift(domain_shift_table(shifted.trials().frame)).splitlines() == [
        "Table 1, domain shift: tuned on rte at 60k",
        "        metric  model tuning              prompt tuning  difference [95% interval]",
        "rte      score    81.0 ± 1.0  79.5 ± 0.7 (2 of 3 seeds)          -1.0 [-1.0, -1.0]",
        "cb       score    31.0 ± 1.0  30.5 ± 0.7 (2 of 3 seeds)             0.0 [0.0, 0.0]",
        "record      f1    43.0 ± 1.0  54.5 ± 0.7 (2 of 3 seeds)          12.0 [12.0, 12.0]",
    ]


def test_paraphrase_transfer_is_zero_shot_alone(paraphrased: Any) -> None:
    """Catches a task's own score taken for transfer, or one direction for the other."""
    frame = paraphrased.trials().frame
    table = paraphrase_table(frame).set_index(["task", "evaluated", "method"])

    assert table["accuracy_mean"].to_dict() == {
        ("qqp", "mrpc", "model_tuning"): 74.0, ("mrpc", "qqp", "model_tuning"): 76.0,
        ("qqp", "mrpc", "prompt_tuning"): 76.0, ("mrpc", "qqp", "prompt_tuning"): 78.0,
    }  # fmt: skip
    assert set(table["accuracy_sd"]) == {1.0}
    assert table["f1_mean"].to_list() == [81.0, 71.0, 83.0, 73.0]
    assert set(zip(table["n"], table["planned_seeds"], strict=True)) == {(3, 3)}
    assert domain_shift_table(frame).empty
    heads, nothing = "  accuracy difference   F1 difference", f"{'-':>21}{'-':>16}"
    assert paraphrase_transfer(paraphrase_table(frame)).splitlines()[:3] == [
        "Table 2, paraphrase transfer",
        "size  tuned on  evaluated on         method    accuracy          F1" + heads,
        "60k        qqp          mrpc   model tuning  74.0 ± 1.0  81.0 ± 0.0" + nothing,
    ]


def test_differences_of_paraphrases_are_paired_by_seed(paraphrased: Any) -> None:
    """Catches an interval that carries the spread of seeds, which both methods share."""
    table = paraphrase_table(paraphrased.trials().frame).set_index(["evaluated", "method"])

    for metric in ("accuracy", "f1"):
        name = f"{metric}_difference"
        columns = [name, f"{name}_sd", f"{name}_n", f"{name}_low", f"{name}_high"]
        assert table.loc[("mrpc", "prompt_tuning"), columns].tolist() == [2.0, 0.0, 3, 2.0, 2.0]
        assert table.loc[("mrpc", "model_tuning"), columns].isna().all()


def test_printed_table_1_has_the_interval_of_each_difference(shifted: Any) -> None:
    """Catches differences that nobody can weigh."""
    table = domain_shift_table(shifted.trials().frame)
    table.loc[0, ["difference_low", "difference_high"]] = [-2.5, 0.5]
    (printed,) = printed_tables({"table_1_domain_shift": table})
    assert (printed.heads[-1], printed.rows[0][-1]) == ("Difference", "-1.0 [-2.5, 0.5]")
    assert "paired by seed, with 95% t intervals" in printed.note


def test_printed_table_2_has_the_difference_beside_prompt_tuning(paraphrased: Any) -> None:
    """Catches differences that stand twice, or beside the method that they are taken from."""
    table = paraphrase_table(paraphrased.trials().frame)
    (printed,) = printed_tables({"table_2_paraphrase_transfer": table})
    assert printed.heads[-2:] == ("Accuracy difference", "F1 difference")
    both = ("+2.0 [2.0, 2.0]",) * 2
    assert [row[-2:] for row in printed.rows] == [("-", "-"), ("-", "-"), both, both]
    assert "paired by seed, with 95% t intervals" in printed.note


def test_other_transfer_of_a_paraphrase_task_is_domain_shift(toy: Callable[..., Any]) -> None:
    """Catches transfer that falls between the two tables, or stands in both."""
    settings = _settings("mrpc", "sst2", data_source="published")

    def metrics(config: TrialConfig) -> dict[str, float]:
        return {**_paraphrase(replace(config, transfer_tasks="mrpc")), "sst2/score": 60.0}

    made = _store(toy, metrics, _all, ["qqp"], settings)
    frame = made.trials().frame
    assert list(domain_shift_table(frame)["evaluated"]) == ["qqp", "sst2"]
    assert list(domain_shift_table(frame)["metric"]) == ["f1", "score"]
    assert set(paraphrase_table(frame)["evaluated"]) == {"mrpc"}


def test_what_is_not_done_is_a_gap_and_no_zero(toy: Callable[..., Any]) -> None:
    """Catches tables that break, or that average over nothing, before any trial is done."""
    made = _store(toy, _shift, lambda c: c.method == "model_tuning", ["rte"], _settings("cb"))
    table = domain_shift_table(made.trials().frame)
    assert list(table["prompt_tuning_n"]) == [0, 0]
    assert table[["prompt_tuning_mean", "difference"]].isna().all(axis=None)
    assert domain_shift(table).splitlines()[2].endswith("-                          -")


def test_a_sweep_without_transfer_has_neither_table(frame_of: Callable[..., pd.DataFrame]) -> None:
    """Catches an empty table in every other sweep."""
    assert domain_shift_table(frame_of()).empty
    assert paraphrase_table(frame_of()).empty


def test_both_are_written_and_said(
    paraphrased: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a table that is computed and that nobody sees."""
    assert main(["figures", paraphrased.store.root, "--out", str(tmp_path)]) == 0
    assert "\nTable 2, paraphrase transfer\n" in capsys.readouterr().out
    written = pd.read_csv(tmp_path / "table_2_paraphrase_transfer.csv")
    assert len(written) == 4
    assert not (tmp_path / "table_1_domain_shift.csv").exists()


def test_data_of_other_tasks_that_drifted_is_a_note(toy: Callable[..., Any]) -> None:
    """Catches two versions of a domain in one mean."""
    made = toy(
        axes={"model_size": ["60k"], "task": ["rte"], **LONE}, settings=_settings("cb", "record")
    )
    for config in made.configs:
        versions = {"cb": "one", "record": f"of seed {config.seed}"}
        provenance = {"model_parameters": 62_000, "transfer_data": versions}
        made.commit(config, metrics=_shift(config), provenance=provenance)
    trials = made.trials()
    assert trials.notes == (
        "the records come from 3 versions of the data of record, on which they were judged too",
    )
    assert set(trials.frame["transfer_data.cb"]) == {"one"}

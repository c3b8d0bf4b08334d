"""Measured against published, and claims that must hold."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from ablation.claim_names import CLAIMS
from ablation.published import published
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
    wanted = {("table_3_average", 91.1, True), ("table_3_ensemble", 91.7, False)}
    assert {tuple(row) for row in rows[["quantity", "published", "within"]].to_numpy()} == wanted
    assert rows["verified"].all()


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
    table = beside_digitised(found, read_digitised(path))
    assert table[["parameters", "measured", "difference"]].to_numpy().tolist() == [
        [63000, 35.5, 5.5]
    ]
    path.write_text("figure,series,score\n")
    with pytest.raises(ValueError, match="lacks the columns parameters"):
        read_digitised(path)

"""Votes of the prompts of a task, from answers in real stores."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.ensembles import ensemble_table

TARGETS = ["True", "False", "True", "False"]
ANSWERS = {0: ["True", "False", "False", "False"], 1: ["False", "False", "True", "False"],
           2: ["True", "True", "True", "False"]}  # fmt: skip


@pytest.fixture
def voters(toy: Any) -> Any:
    """One size and BoolQ, three prompts with one wrong answer each, none committed."""
    lone = {"prompt_length": [20], "prompt_init": ["class_label"]}
    lone |= {"pretraining_objective": ["lm_adaptation"], "lm_adaptation_steps": [1000]}
    axes = {"model_size": ["60k"], "task": ["boolq"], "seed": [0, 1, 2], **lone}
    return toy(axes=axes, baselines=[])


def commit(
    made: Any, record: Any, *, scores: dict[int, float] | None = None,
    said: dict[int, list[str]] = ANSWERS,
) -> None:  # fmt: skip
    """Commit each seed's answers with its score."""
    for config in made.configs:
        answers = said[config.seed]
        right = 100 * sum(a == t for a, t in zip(answers, TARGETS, strict=True)) / 4
        attempt = made.store.begin(config.trial_id)
        lines = [
            {"key": [n], "input": f"q{n}", "target": target, "prediction": answer}
            for n, (target, answer) in enumerate(zip(TARGETS, answers, strict=True))
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (attempt.folder / "predictions.jsonl").write_text(text)
        score = (scores or {}).get(config.seed, right)
        assert attempt.commit(replace(record(config, score), attempt=attempt.id))


def test_average_best_and_vote_of_three_prompts(voters: Any, record: Any) -> None:
    """An ensemble that is the best prompt, or an average of another metric."""
    commit(voters, record)
    table, notes = ensemble_table(voters.trials().frame, voters.store)
    assert notes == []
    row = table.set_index("metric").loc["score"]
    assert (row["average"], row["best"], row["ensemble"]) == (75.0, 75.0, 100.0)
    assert (row["voters"], row["planned_seeds"], row["ties"]) == (3, 3, 0)


def test_votes_are_counted_as_the_task_reads_answers(toy: Any, record: Any) -> None:
    """Would catch ReCoRD's `Lund` and `lund` as two answers that lose to a third."""
    lone = {"prompt_length": [20], "prompt_init": ["class_label"]}
    lone |= {"pretraining_objective": ["lm_adaptation"], "lm_adaptation_steps": [1000]}
    axes = {"model_size": ["60k"], "task": ["record"], "seed": [0, 1, 2], **lone}
    made = toy(axes=axes, baselines=[])
    said = {0: ["no", *TARGETS[1:]], 1: TARGETS, 2: [target.lower() for target in TARGETS]}
    commit(made, record, said=said, scores={0: 75.0, 1: 100.0, 2: 100.0})
    table, notes = ensemble_table(made.trials().frame, made.store)
    assert notes == []
    row = table.set_index("metric").loc["score"]
    assert (row["ensemble"], row["ties"]) == (100.0, 0)


def test_answers_that_do_not_give_the_recorded_score_are_not_voted_on(
    voters: Any, record: Any
) -> None:
    """A vote scored by other rules than the trials were."""
    commit(voters, record, scores={1: 50.0})
    table, notes = ensemble_table(voters.trials().frame, voters.store)
    assert table.empty
    assert len(notes) == 1
    assert "do not give its score" in notes[0]


def test_one_prompt_alone_is_no_ensemble(voters: Any, record: Any) -> None:
    """Table 3 with one voter, whose vote is the prompt itself."""
    voters.commit(voters.configs[0])
    table, notes = ensemble_table(voters.trials().frame, voters.store)
    assert table.empty
    assert notes == [
        "Table 3 has no row for boolq at 60k: 1 of 3 prompts are done, and a vote takes two"
    ]


def test_what_lacks_a_vote_for_one_reason_is_one_note(toy: Any) -> None:
    """A page that says 24 times that a sweep has just begun, and nothing else."""
    made = toy(axes={"task": ["boolq", "cb"], "model_size": ["60k"]})
    _, notes = ensemble_table(made.trials().frame, made.store)
    assert notes == [
        "Table 3 has no row for boolq, cb at 60k: 0 of 2 prompts are done, and a vote takes two"
    ]


def test_answers_of_another_form_leave_the_rest_to_be_drawn(voters: Any, record: Any) -> None:
    """Would catch a file of somebody else's answers that ends every figure with a KeyError."""
    commit(voters, record)
    trial = voters.configs[1].trial_id
    (file,) = Path(voters.store.root).glob(f"trials/*/{trial}/*/predictions.jsonl")
    file.write_text('{"input": "q", "target": "True", "prediction": "True"}\n')
    table, notes = ensemble_table(voters.trials().frame, voters.store)
    assert table.empty
    assert notes == [
        f"Table 3 has no row for boolq at 60k: the answers of trial {trial} have no key ({file})"
    ]

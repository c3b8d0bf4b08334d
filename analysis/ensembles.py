"""Table 3: several prompts of one task, their average, the best of them, and their vote.

The voters are the default cell's prompts of one task and size, one a seed, in the order
of their seeds; `runners.tasks.voting` says what counts as one answer, who wins, and what decides
a tie.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ablation import model_size
from ablation.published import MEAN
from ablation.settings import STUDIED
from analysis.frame import in_panel
from analysis.trial_files import PREDICTIONS, Read, read_lines
from runners.catalogue import TASKS_OF
from runners.store import Store
from runners.tasks.task import Example, Task
from runners.tasks.voting import vote_each

_TOLERANCE = 1e-6


def ensemble_table(
    frame: pd.DataFrame, store: Store, read: Read = read_lines
) -> tuple[pd.DataFrame, list[str]]:
    """A row for each (size, task, metric), and the mean `score` over tasks where all are there.

    Columns: `average` and `best` over the voters (the best by its score), `ensemble`,
    `voters`, `planned_seeds`, and `ties`, the questions where the rule for ties chose.
    Notes say which tasks have no row: fewer than two voters, a user's own task, whose
    metric is not in the store, or answers that no longer give the score of their record.
    """
    trials = in_panel(frame, str(model_size.AXIS.panel))
    trials = trials[trials["method"] == STUDIED]
    rows: list[dict[str, Any]] = []
    lacking: dict[tuple[str, str], list[str]] = {}
    for size, of_size in trials.groupby("model_size", sort=False):
        judged = 0
        for task, voters in of_size.groupby("task", sort=False):
            found, why = _voted(voters.sort_values("seed"), store, read)
            known: dict[str, Any] = {
                "model_size": size, "task": task, "planned_seeds": len(voters)
            }  # fmt: skip
            rows += [{**known, **row} for row in found]
            judged += bool(found)
            if why:
                lacking.setdefault((str(size), why), []).append(str(task))
        if judged > 1 and judged == of_size["task"].nunique():
            rows.append(_mean(str(size), rows))
    return pd.DataFrame(rows), [
        f"Table 3 has no row for {', '.join(tasks)} at {size}: {why}"
        for (size, why), tasks in lacking.items()
    ]


def _mean(size: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    of_size = pd.DataFrame([r for r in rows if r["model_size"] == size and r["metric"] == "score"])
    mean = of_size[["average", "best", "ensemble"]].mean()
    numbers = {str(name): float(value) for name, value in mean.items()}
    counts = {name: int(of_size[name].min()) for name in ("voters", "planned_seeds")}
    return {"model_size": size, "task": MEAN, "metric": "score", **numbers, **counts,
            "ties": int(of_size["ties"].sum())}  # fmt: skip


def _voted(trials: pd.DataFrame, store: Store, read: Read) -> tuple[list[dict[str, Any]], str]:
    """The rows of one task and size, or why there are none."""
    done = trials[trials["status"] == "done"].to_dict("records")
    if len(trials) < 2:
        return [], ""
    if len(done) < 2:
        return [], f"{len(done)} of {len(trials)} prompts are done, and a vote takes two"
    task = TASKS_OF.get(done[0]["data_source"], {}).get(done[0]["task"])
    if task is None:
        return [], "its metric is in the spec that it came from, and not in the store"
    try:
        answers, scores, examples = _judged(task, done, store, read)
    except ValueError as error:
        return [], str(error)
    return list(_rows(task, answers, scores, examples)), ""


def _judged(
    task: Task, trials: Sequence[Mapping[Any, Any]], store: Store, read: Read
) -> tuple[list[list[str]], list[dict[str, float]], list[Example]]:
    """Answers and metrics of each voter, and the questions; ValueError where they do not fit."""
    answers: list[list[str]] = []
    scores: list[dict[str, float]] = []
    examples: list[Example] = []
    for trial in trials:
        lines = read(store, trial["trial_id"], PREDICTIONS)
        if any("key" not in line for line in lines):
            path = store.path(trial["trial_id"], PREDICTIONS.name)
            raise ValueError(f"the answers of trial {trial['trial_id']} have no key ({path})")
        answers.append([line["prediction"] for line in lines])
        theirs = [_example(line) for line in lines]
        if examples and examples != theirs:
            raise ValueError("its prompts were judged on different questions")
        examples = theirs
        scores.append(task.score(answers[-1], examples))
        if abs(scores[-1]["score"] - trial["score"]) > _TOLERANCE:
            raise ValueError(f"the answers of trial {trial['trial_id']} do not give its score")
    return answers, scores, examples


def _rows(
    task: Task,
    answers: Sequence[Sequence[str]],
    scores: Sequence[Mapping[str, float]],
    examples: Sequence[Example],
) -> Iterator[dict[str, Any]]:
    votes = vote_each(answers, task.canonical)
    ensemble = task.score([vote.answer for vote in votes], examples)
    best = max(scores, key=lambda metrics: metrics["score"])
    for metric in (name for name in ensemble if name != "invalid"):
        yield {
            "metric": metric, "average": sum(each[metric] for each in scores) / len(scores),
            "best": best[metric], "ensemble": ensemble[metric], "voters": len(scores),
            "ties": sum(vote.tied for vote in votes),
        }  # fmt: skip


def _example(line: Mapping[str, Any]) -> Example:
    """The question behind an answer; older files have one right answer, and no more."""
    return Example(
        input=line["input"], target=line["target"], key=tuple(line["key"]),
        references=tuple(line.get("references", (line["target"],))),
        holds=line.get("holds", True),
    )  # fmt: skip

"""Winners as a table for a terminal."""

from collections.abc import Iterable, Sequence
from typing import Any

from runners.config import RULES, to_words
from runners.prompt.winners import Config, Contest, Winner, whole
from runners.record import TrialRecord

_HEAD = ("task", "score", "chance", "best of", "trial", "config that differs")
_STATED = "*"
_RIGHT = ("score", "chance", "best of")
_OF_ADAPTATION = (
    "lm_adaptation_batch_size", "lm_adaptation_learning_rate", "lm_adaptation_seed"
)  # fmt: skip


def listing(contest: Contest) -> str:
    """The table of winners, the fields that all trials share, and notes."""
    values = _values(contest.trials)
    differing = [name for name, found in values.items() if len(found) > 1]
    shared = {name: found[0] for name, found in values.items() if len(found) == 1}
    common = [word for word in to_words(shared) if not word.endswith("=null")]
    rows = [_HEAD, *(_row(winner, differing) for winner in contest.winners)]
    parts = [_table(rows), f"in all, where it applies: {' '.join(common)}"]
    parts += [f"note: {note}" for note in _notes(contest)]
    return "\n".join(parts)


def _values(records: Iterable[TrialRecord]) -> dict[str, list[Any]]:
    """Every value of every field; settings of an adaptation do not count where there is none."""
    configs = [whole(record.config) for record in records]
    values = {name: list(dict.fromkeys(config[name] for config in configs)) for name in RULES}
    for name in _OF_ADAPTATION:
        values[name] = [value for value in values[name] if value is not None] or [None]
    return values


def choice(winner: Winner) -> str:
    """How a winner was chosen, as a sentence for those who get it."""
    count = len(winner.rivals)
    if count == 1:
        return "No choice was made: there was one trial."
    return (
        f"The best of {count} trials by this score, which is therefore biased upward; "
        "judge it on data that chose nothing."
    )


def _row(winner: Winner, differing: Sequence[str]) -> tuple[str, ...]:
    record = winner.record
    chance = record.metrics.get("chance")
    return (
        record.config["task"],
        f"{record.metrics['score']:.2f}{'' if record.measured else _STATED}",
        "" if chance is None else f"{chance:.2f}",
        str(len(winner.rivals)),
        record.trial_id,
        " ".join(_words(whole(record.config), differing)),
    )


def _words(config: Config, differing: Sequence[str]) -> list[str]:
    """The fields that differ, as they are written on a command line."""
    fields = {name: config[name] for name in differing if name != "task"}
    applying = {n: v for n, v in fields.items() if v is not None or n not in _OF_ADAPTATION}
    return to_words(applying)


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if name in _RIGHT else cell.ljust(width)
            for name, cell, width in zip(_HEAD, row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def _notes(contest: Contest) -> list[str]:
    notes = list(contest.notes)
    if any(len(winner.rivals) > 1 for winner in contest.winners):
        notes.append("chosen by dev score, so the scores of winners are biased upward")
    if any(not winner.record.measured for winner in contest.winners):
        notes.append(f"{_STATED} stated by whoever imported it, not measured here")
    return notes


def folder_names(contest: Contest, by: str) -> dict[str, Winner]:
    """A name for the folder of each winner: its task where that tells them apart, else its label.

    A label has the beginning of the trial id after it, because labels of two
    trials can be the same.
    """
    tasks = [str(winner.record.config["task"]) for winner in contest.winners]
    if by == "task" and len(set(tasks)) == len(tasks):
        return dict(zip(tasks, contest.winners, strict=True))
    return {f"{w.record.label}-{w.record.trial_id[:8]}": w for w in contest.winners}

"""Winners as a table for a terminal."""

from collections.abc import Sequence

from runners.config import RULES, to_words
from runners.prompt.winners import Config, Contest, Winner, whole

_HEAD = ("task", "score", "chance", "best of", "trial", "config that differs")
_STATED = "*"
_RIGHT = ("score", "chance", "best of")


def listing(contest: Contest) -> str:
    """The table of winners, the fields that all trials share, and notes."""
    configs = [whole(record.config) for record in contest.trials]
    differing = [name for name in RULES if len({config[name] for config in configs}) > 1]
    shared = [name for name in RULES if name not in differing]
    rows = [_HEAD, *(_row(winner, differing) for winner in contest.winners)]
    parts = [_table(rows), f"in all: {_words(configs[0], shared)}"]
    parts += [f"note: {note}" for note in _notes(contest)]
    return "\n".join(parts)


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
        _words(whole(record.config), [name for name in differing if name != "task"]),
    )


def _words(config: Config, names: Sequence[str]) -> str:
    """Fields as they are written on a command line; those that do not apply are left out."""
    return " ".join(to_words({name: config[name] for name in names if config[name] is not None}))


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

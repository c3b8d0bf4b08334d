"""The winning prompt of each task or cell of a store; no tensors are loaded.

A winner is chosen by its dev score, so that score is biased upward: the best of
many runs is partly the luckiest. Report a mean over seeds for a method, and a
score on data that chose nothing for a prompt.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runners.config import RULES, TrialConfig
from runners.record import TrialRecord
from runners.rules import nearest
from runners.store import Defect, Store

Config = Mapping[str, Any]
"""A record's config, or some of its fields that are asked for."""
_DEFAULTS = {
    field.name: field.default
    for field in dataclasses.fields(TrialConfig)
    if field.default is not dataclasses.MISSING
}
_LISTED = 12
"""As many values are listed in an error."""


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The best trial of a group, and every trial of it, the winner included."""

    record: TrialRecord
    rivals: tuple[TrialRecord, ...]


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Winners in the order of their groups, and what to know beside them."""

    winners: tuple[Winner, ...]
    notes: tuple[str, ...]

    @property
    def trials(self) -> list[TrialRecord]:
        """All that took part."""
        return [record for winner in self.winners for record in winner.rivals]


GROUPINGS: Mapping[str, Callable[[Config], tuple[Any, ...]]] = {
    "task": lambda config: (config["task"], config["data_source"]),
    "cell": lambda config: (config["task"], *(config[n] for n in RULES if n != "seed")),
}
"""What can have a winner, and the fields that tell one group from another.

A task is a task of one source of data. A cell is everything but the seed, task
included: its trials repeat each other.
"""


def find_winners(store: Store, filters: Config, by: str) -> Contest:
    """The trial of prompt tuning with the highest dev score in each group of those that match.

    `filters` are values of config fields, `by` one of `GROUPINGS`. Of equal
    scores the shorter prompt wins, then the lower seed, then the lower trial id.
    Raises ValueError where nothing matches, with the values that are there.
    """
    defects: list[Defect] = []
    tuned = [record for record in store.records(defects) if _is_prompt(record)]
    matching = [record for record in tuned if _matches(record.config, filters)]
    if not matching:
        raise ValueError(_nothing(store, tuned, filters))
    groups: dict[tuple[Any, ...], list[TrialRecord]] = {}
    for record in matching:
        groups.setdefault(GROUPINGS[by](whole(record.config)), []).append(record)
    ordered = [groups[key] for key in sorted(groups, key=lambda key: [*map(_place, key)])]
    absent = _absent(store, filters, defects)
    return Contest(
        winners=tuple(
            Winner(record=min(rivals, key=_rank), rivals=tuple(rivals)) for rivals in ordered
        ),
        notes=(*_unlike(ordered), *absent, *map(str, defects)),
    )


def best_first(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Trials from the winner down, as `find_winners` ranks them."""
    return sorted(records, key=_rank)


def whole(config: Config) -> Config:
    """A record's config with the defaults of fields that came after it was written."""
    return {name: config.get(name, _DEFAULTS.get(name)) for name in RULES}


def _is_prompt(record: TrialRecord) -> bool:
    return record.stage == "tuning" and record.config.get("method") == "prompt_tuning"


def _matches(config: Config, filters: Config) -> bool:
    return all(config.get(n, _DEFAULTS.get(n)) == value for n, value in filters.items())


def _rank(record: TrialRecord) -> tuple[float, int, int, str]:
    config = record.config
    return -record.metrics["score"], config["prompt_length"], config["seed"], record.trial_id


def _place(value: str | float | None) -> tuple[bool, float, str]:
    """Where a value of a field sorts among the others: nothing first, numbers by size."""
    number = float(value) if isinstance(value, int | float) else 0.0
    return value is not None, number, str(value)


def _nothing(store: Store, tuned: Sequence[TrialRecord], filters: Config) -> str:
    """Why nothing matches: a store without prompts, values that are not there, or not together."""
    if not tuned:
        return (
            f"store {store.root}: has no committed trial of prompt_tuning; run some, or import a "
            "prompt (promptscale import)"
        )
    there = [whole(record.config) for record in tuned]
    known = {name: sorted({config[name] for config in there}, key=_place) for name in filters}
    absent = [_not_there(n, v, known[n]) for n, v in filters.items() if v not in known[n]]
    if absent:
        return "\n".join(absent)
    words = " ".join(f"{name}={value}" for name, value in filters.items())
    return f"{words}: no committed trial has all of these, each has some of them; leave one out"


def _not_there(name: str, value: object, known: Sequence[object]) -> str:
    words = ["null" if each is None else str(each) for each in known]
    shown = ", ".join(words[:_LISTED]) + (", ..." if len(words) > _LISTED else "")
    near = nearest(str(value), words)
    remedy = f"did you mean {near!r}?" if near else "give one of these"
    return f"{name}: {value!r} is of no committed trial of prompt_tuning, only {shown}; {remedy}"


def _unlike(groups: Iterable[Sequence[TrialRecord]]) -> list[str]:
    """A note for each task with a group whose scores are not of the same dev examples."""
    notes = []
    for rivals in groups:
        counts = sorted({whole(record.config)["dev_examples"] for record in rivals}, key=_place)
        if len(counts) > 1:
            said = " and ".join("all" if count is None else str(count) for count in counts)
            notes.append(
                f"trials of {rivals[0].config['task']} were scored on {said} dev examples; "
                "dev_examples=N compares like with like"
            )
    return list(dict.fromkeys(notes))


def _absent(store: Store, filters: Config, defects: list[Defect]) -> list[str]:
    """Notes on trials that match and have no score."""
    wanted = {"method": "prompt_tuning", **filters}
    failed = {each.trial_id for each in store.failures(defects) if _matches(each.config, wanted)}
    planned = {
        trial["trial_id"]
        for manifest in store.manifests().values()
        for trial in manifest["trials"]
        if _matches(trial["config"], wanted)
    }
    undone = planned - failed - store.done(planned, [])
    said = (
        (failed, "failed and have no score"),
        (undone, "are planned and not done, so winners may change"),
    )
    return [f"trials that match: {len(trials)} {what}" for trials, what in said if trials]

"""Whether models can read the data of trials and write their answers, before weights are read.

A trial finds out when its turn comes, which may be after hours of LM adaptation. Every
split is read once, and of its rows the longest are what counts.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from runners.catalogue import MICROWORLD, Catalogue, DataPlace, Part
from runners.config import TrialConfig
from runners.data.examples import (
    Reader,
    Reading,
    ReadSplit,
    dev_examples_of,
    examples_of,
    read_place,
    read_split,
    reading_of,
    transfer_readings,
)
from runners.data.lengths import Lengths, Notebook, lengths_of
from runners.data.positions import check_positions, needed_positions
from runners.data.source import (
    check_labels,
    check_sentinel,
    forget,
    load_task_data,
    load_transfer_data,
)
from runners.model.codec import Codec
from runners.model.preview import Preview, Previews
from runners.tasks.own import OwnTask
from runners.tasks.task import Example, Split


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What is wrong with the data and the models of trials.

    `unreadable` has what is wrong with splits of benchmarks; where there is any, no rows were
    tried. `misfits` says what does not fit, each with its sizes; `absent` which checkpoints and
    tokenizers of the hub could not be had, each with the reason, so that they were not tried.
    """

    unreadable: Mapping[Part, ValueError]
    misfits: Mapping[str, list[str]]
    absent: Mapping[str, str]


def findings(
    trials: Iterable[TrialConfig], catalogue: Catalogue, parts: Mapping[Part, DataPlace],
    notes: Notebook | None = None,
) -> Findings:  # fmt: skip
    """Reads all `parts`, and tries every trial on what is read or is a user's own.

    Of benchmarks that are not among the `parts` the labels alone are tried. Rows whose
    lengths the `notes` have are not measured again.
    """
    fitting = _Fitting(catalogue=catalogue, parts=parts, previews=Previews(catalogue))
    asked = {trial: fitting.asked(trial) for trial in _unlike(trials)}
    asks = list(dict.fromkeys(ask for each in asked.values() for ask in each.asks))
    abouts = dict.fromkeys([*(part[:2] for part in parts), *(ask.about for ask in asks)])
    for about in abouts:
        fitting.read(about, [ask for ask in asks if ask.about == about], notes)
    misfits: dict[str, list[str]] = {}
    for trial, each in asked.items() if not fitting.unreadable else ():
        said = each.error or fitting.misfit(trial, each)
        if said is not None:
            sizes = misfits.setdefault(said, [])
            if trial.model_size not in sizes:
                sizes.append(trial.model_size)
    absent = {str(place): why for place, why in fitting.previews.absent.items()}
    return Findings(unreadable=fitting.unreadable, misfits=misfits, absent=absent)


def _unlike(trials: Iterable[TrialConfig]) -> list[TrialConfig]:
    """Of trials that read the same with the same model, that of the longest prompt; by task."""
    found: dict[tuple[object, ...], TrialConfig] = {}
    for trial in trials:
        key = (
            trial.task, trial.data_source, trial.mixture, trial.transfers, trial.method,
            trial.model_size, trial.pretraining_objective, trial.lm_adaptation_steps,
        )  # fmt: skip
        before = found.setdefault(key, trial)
        if (trial.prompt_length or 0) > (before.prompt_length or 0):
            found[key] = trial
    return sorted(found.values(), key=lambda trial: trial.task)


@dataclass(frozen=True, kw_only=True)
class _Ask:
    """The rows of a task in one tokenizer: both splits, or the dev rows of a transfer task."""

    codec: Codec
    reading: Reading
    is_transfer: bool

    @property
    def about(self) -> tuple[str, str]:
        return self.reading.source, self.reading.task


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What a trial is tried on, or what is wrong with its model or labels already."""

    asks: tuple[_Ask, ...] = ()
    model: Preview | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Fitting:
    """Tries trials on splits that are read once."""

    catalogue: Catalogue
    parts: Mapping[Part, DataPlace]
    previews: Previews
    unreadable: dict[Part, ValueError] = field(default_factory=dict)
    lengths: dict[_Ask, Mapping[Split, Lengths]] = field(default_factory=dict)
    _said: dict[object, str | None] = field(default_factory=dict)

    def asked(self, trial: TrialConfig) -> _Asked:
        """Which rows of a trial have to be measured."""
        mixed = self.catalogue.mixture_of(trial)
        try:
            model = self.previews.of(trial)
            if model is None:
                return _Asked()
            for each in mixed:
                check_labels(self.catalogue.task_of(each), model.codec)
            if trial.pretraining_objective == "span_corruption_sentinel":
                check_sentinel(model.codec)
        except ValueError as error:
            return _Asked(error=str(error))
        if _fits_when_cut(trial, model.positions):
            return _Asked(model=model)
        own = [reading_of(each, each.task, each.data_source, self.catalogue) for each in mixed]
        others = list(transfer_readings(trial, self.catalogue).values())
        if not self._are_here(own):
            return _Asked(model=model)
        asks = [_Ask(codec=model.codec, reading=each, is_transfer=False) for each in own]
        if self._are_here(others):
            asks += [_Ask(codec=model.codec, reading=each, is_transfer=True) for each in others]
        return _Asked(asks=tuple(asks), model=model)

    def _are_here(self, readings: Iterable[Reading]) -> bool:
        """Whether examples can be read here: they are no benchmark's, or among the parts."""
        return all(
            isinstance(reading.origin, OwnTask)
            or reading.source == MICROWORLD
            or (reading.source, reading.task, "dev") in self.parts
            for reading in readings
        )

    def read(self, about: tuple[str, str], asks: Iterable[_Ask], notes: Notebook | None) -> None:
        """Read the splits of a task that anybody wants, and measure the rows that are asked for."""
        read: dict[Split, ReadSplit] = {}
        for (source, task, split), place in self.parts.items():
            if (source, task) != about:
                continue
            try:
                read[split] = read_place(source, task, split, place)
            except ValueError as error:
                self.unreadable[source, task, split] = error

        def once(reading: Reading, split: Split) -> ReadSplit:
            if split not in read:
                read[split] = read_split(reading, split)
            return read[split]

        for ask in asks if not self.unreadable else ():
            # What is wrong with rows a trial says in its own words, below.
            with suppress(ValueError):
                self.lengths[ask] = _measured(ask, once, notes)

    def misfit(self, trial: TrialConfig, asked: _Asked) -> str | None:
        """What a trial would say of its rows; None where they fit."""
        if asked.model is None or all(self._fits(trial, asked.model, ask) for ask in asked.asks):
            return None
        # Of trials that read the same rows with as many positions, one is enough.
        alike = (asked.asks, asked.model.positions, trial.prompt_length)
        if alike not in self._said:
            try:
                self._load(trial, asked, asked.model)
                self._said[alike] = None
            except ValueError as error:
                self._said[alike] = str(error)
            finally:
                forget()
        return self._said[alike]

    def _load(self, trial: TrialConfig, asked: _Asked, model: Preview) -> None:
        """Load all data of a trial as it would itself; raises ValueError as it would."""
        mixed = self.catalogue.mixture_of(trial)
        data = [load_task_data(each, model.codec, self.catalogue) for each in mixed]
        check_positions(trial, data, model.positions)
        if any(ask.is_transfer for ask in asked.asks):
            others = load_transfer_data(trial, model.codec, self.catalogue)
            check_positions(trial, others.values(), model.positions)

    def _fits(self, trial: TrialConfig, model: Preview, ask: _Ask) -> bool:
        """Whether the longest rows are no longer than they may be, in any case."""
        lengths = self.lengths.get(ask)
        if lengths is None:
            return False
        needed = 0
        for split, each in lengths.items():
            t, d = each.input, each.target
            if trial.long_inputs == "cut":
                t, d = min(t, trial.input_length), min(d, trial.target_length)
            elif t > trial.input_length or d > trial.target_length:
                return False
            # A dev row may be answered by as many tokens as the longest right answer has.
            needed = max(needed, t + d if split == "dev" else min(t + d, each.row))
        return _have_room(trial, needed, model.positions)


def _fits_when_cut(trial: TrialConfig, positions: int | None) -> bool:
    """Whether rows fit whatever their length, and their number is not asked for."""
    longest = trial.input_length + trial.target_length
    is_cut = trial.long_inputs == "cut" and trial.train_examples is None
    return is_cut and _have_room(trial, longest, positions)


def _have_room(trial: TrialConfig, tokens: int, positions: int | None) -> bool:
    """Whether input and target have room beside the prompt."""
    return positions is None or needed_positions(trial, tokens) <= positions


def _measured(ask: _Ask, read: Reader, notes: Notebook | None) -> dict[Split, Lengths]:
    """The lengths of the rows of each split; raises ValueError where they cannot be made."""
    splits: dict[Split, list[Example]] = {}
    if ask.is_transfer:
        splits["dev"], _ = dev_examples_of(ask.reading, read=read)
    else:
        found = examples_of(ask.reading, continues=ask.codec.continues, read=read)
        splits |= {"train": found.train, "dev": found.dev}
    lengths: dict[Split, Lengths] = {}
    for split, examples in splits.items():
        rows = [(each.input, answer) for each in examples for answer in _answers(each, split)]
        written = ask.reading.written(answer for _, answer in rows)
        lengths[split] = lengths_of(ask.codec, [text for text, _ in rows], written, notes)
    return lengths


def _answers(example: Example, split: Split) -> Iterable[str]:
    """What an example is to be answered by: on dev by any right answer, which may be longer."""
    right = example.references if split == "dev" else ()
    return dict.fromkeys((example.target, *right))

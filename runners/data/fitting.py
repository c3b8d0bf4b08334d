"""Whether models can read the data of trials and write their answers, before weights are read.

A trial finds out when its turn comes, which may be after hours of LM adaptation.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from runners.catalogue import MICROWORLD, Catalogue, DataPlace
from runners.config import TrialConfig
from runners.data.positions import check_positions
from runners.data.source import (
    check_labels,
    check_sentinel,
    forget,
    load_task_data,
    load_transfer_data,
)
from runners.model.causal_backbone import check_decoder, positions_of
from runners.model.codec import Codec
from runners.model.family import Place
from runners.model.loading import check_pieces
from runners.model.reading import read_codec, read_config
from runners.model.t5_backbone import check_t5

_KINDS: dict[str, Callable[[Any, Place], None]] = {"t5": check_t5, "causal": check_decoder}


def misfits(configs: Iterable[TrialConfig], catalogue: Catalogue) -> dict[str, list[str]]:
    """What does not fit of trials whose tokenizers are on this machine, and of which sizes.

    Of data that are at the hub the labels alone are tried.
    """
    fitting = _Fitting(catalogue=catalogue)
    found: dict[str, list[str]] = {}
    # All models of a task one after the other, so that its rows are in memory once.
    for _, alike in itertools.groupby(_unlike(configs), key=lambda config: config.task):
        for config in alike:
            try:
                fitting.check(config)
            except ValueError as error:
                sizes = found.setdefault(str(error), [])
                if config.model_size not in sizes:
                    sizes.append(config.model_size)
        forget()
    return found


def _unlike(configs: Iterable[TrialConfig]) -> list[TrialConfig]:
    """Of trials that read the same with the same model, that of the longest prompt; by task."""
    found: dict[tuple[object, ...], TrialConfig] = {}
    for config in configs:
        sentinel = config.pretraining_objective == "span_corruption_sentinel"
        key = (
            config.task, config.data_source, config.mixture, config.transfers, config.method,
            config.model_size, sentinel,
        )  # fmt: skip
        before = found.setdefault(key, config)
        if (config.prompt_length or 0) > (before.prompt_length or 0):
            found[key] = config
    return sorted(found.values(), key=lambda config: config.task)


@dataclass(kw_only=True)
class _Fitting:
    """Tries one trial after another; equal tokenizers are one."""

    catalogue: Catalogue
    _shapes: dict[Place, Any] = field(default_factory=dict)
    _codecs: dict[tuple[Place, bool], Codec] = field(default_factory=dict)
    _alike: dict[object, Codec] = field(default_factory=dict)

    def check(self, config: TrialConfig) -> None:
        """Raises ValueError for the first thing that cannot be read or does not fit."""
        rung = self.catalogue.rung(config.model_family, config.model_size)
        architecture = self.catalogue.architecture(config.model_family)
        codec = self._codec(rung.tokenizer, continues=architecture == "causal")
        positions = None
        if rung.checkpoint.hub_id is None:
            shape = self._shape(rung.checkpoint)
            _KINDS[architecture](shape, rung.checkpoint)
            rows = shape.get_text_config().vocab_size
            check_pieces(codec, rung.tokenizer, rows, rung.checkpoint)
            positions = positions_of(shape) if architecture == "causal" else None
        mixed = self.catalogue.mixture_of(config) if config.mixture else [config]
        for each in mixed:
            check_labels(self.catalogue.task_of(each), codec)
        if config.pretraining_objective == "span_corruption_sentinel":
            check_sentinel(codec)
        # Rows that are cut fit whatever their length, and are not read for their labels.
        cut = config.long_inputs == "cut" and positions is None and config.train_examples is None
        if cut or not all(self._is_here(each.data_source, each.task) for each in mixed):
            return
        data = [load_task_data(each, codec, self.catalogue) for each in mixed]
        check_positions(config, data, positions)
        sources = (
            (self.catalogue.transfer_source(task, config.data_source), task)
            for task in config.transfers
        )
        if all(self._is_here(source, task) for source, task in sources):
            asked = load_transfer_data(config, codec, self.catalogue)
            check_positions(config, asked.values(), positions)

    def _is_here(self, source: str | None, task: str) -> bool:
        """Whether the examples of a task are on this machine."""
        assert source is not None
        origin = self.catalogue.origin(source, task)
        return source == MICROWORLD or not isinstance(origin, DataPlace) or bool(origin.folder)

    def _shape(self, place: Place) -> Any:
        """The config of a checkpoint."""
        if place not in self._shapes:
            self._shapes[place] = read_config(place)
        return self._shapes[place]

    def _codec(self, place: Place, *, continues: bool) -> Codec:
        """The tokenizer there; of equal ones, which a ladder has many of, the first."""
        if (place, continues) not in self._codecs:
            read = read_codec(place, continues=continues)
            inner = getattr(read.tokenizer, "backend_tokenizer", None)
            key = (inner.to_str() if inner else place, read.end_id, read.pad_id)
            self._codecs[place, continues] = self._alike.setdefault(key, read)
        return self._codecs[place, continues]

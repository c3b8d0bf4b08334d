"""What is known of models from their configs and tokenizers, before any weights are read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from transformers import AutoModelForCausalLM

from runners.catalogue import Catalogue
from runners.config import TrialConfig, adaptation_of
from runners.model.causal_backbone import positions_of
from runners.model.causal_loading import check_decoder
from runners.model.codec import Codec
from runners.model.family import Place, Rung
from runners.model.loading import check_pieces, check_size
from runners.model.reading import count, read_codec, read_config
from runners.model.t5_backbone import check_t5, t5_class

_Found = TypeVar("_Found")


@dataclass(frozen=True, kw_only=True)
class Preview:
    """How a model reads and writes text; None positions are as many as anybody asks for."""

    codec: Codec
    positions: int | None


@dataclass(frozen=True)
class Previews:
    """Looks at the models of trials, each place once; equal tokenizers are one.

    `absent` has the places at the hub that cannot be had now, each with the reason.
    """

    catalogue: Catalogue
    absent: dict[Place, str] = field(default_factory=dict)
    _configs: dict[Place, Any] = field(default_factory=dict)
    _codecs: dict[tuple[Place, bool], Codec | None] = field(default_factory=dict)
    _alike: dict[object, Codec] = field(default_factory=dict)
    _sound: set[tuple[str, Place]] = field(default_factory=set)

    def of(self, trial: TrialConfig) -> Preview | None:
        """The model that a trial starts from; None where its tokenizer is absent.

        Raises ValueError where it is of another kind or size than its family file says, or
        where what is here cannot be read.
        """
        rung = self.catalogue.rung(trial.model_family, trial.model_size)
        causal = self.catalogue.architecture(trial.model_family) == "causal"
        codec = self._codec(rung.tokenizer, continues=causal)
        steps = trial.lm_adaptation_steps if adaptation_of(trial) is None else 0
        checkpoint = rung.adapted[steps] if steps else rung.checkpoint
        config = self._config(checkpoint)
        positions = None
        if config is not None:
            (check_decoder if causal else check_t5)(config, checkpoint)
            if codec is not None:
                rows = config.get_text_config().vocab_size
                check_pieces(codec, rung.tokenizer, rows, checkpoint)
            self._check_size(rung, trial.model_family, checkpoint, config, causal=causal)
            positions = positions_of(config) if causal else None
        return None if codec is None else Preview(codec=codec, positions=positions)

    def _check_size(
        self, rung: Rung, family: str, checkpoint: Place, config: Any, *, causal: bool
    ) -> None:
        """Raises ValueError where the family file has other counts than the config."""
        local = checkpoint.local()
        # What a GGUF file makes of its config is not known before it is read.
        if (rung.name, checkpoint) in self._sound or (local and local.suffix == ".gguf"):
            return
        make = AutoModelForCausalLM.from_config if causal else t5_class(config)
        parameters, width = count(make, config, checkpoint)
        # An output layer that the config ties has its own weights where the checkpoint has them.
        output = config.get_text_config().vocab_size * width
        if not (causal and rung.parameters == parameters + output):
            check_size(rung, family, checkpoint, parameters, width)
        self._sound.add((rung.name, checkpoint))

    def _config(self, place: Place) -> Any:
        if place not in self._configs:
            self._configs[place] = self._had(place, lambda **how: read_config(place, **how))
        return self._configs[place]

    def _codec(self, place: Place, *, continues: bool) -> Codec | None:
        """The tokenizer there; of equal ones, which a ladder has many of, the first."""
        if (place, continues) not in self._codecs:
            read = self._had(place, lambda **how: read_codec(place, continues=continues, **how))
            alike = read and self._alike.setdefault(read.content or place, read)
            self._codecs[place, continues] = alike
        return self._codecs[place, continues]

    def _had(self, place: Place, read: Callable[..., _Found]) -> _Found | None:
        """What is read from a place; None where it is at the hub and cannot be had."""
        if place.hub_id is None:
            return read()
        try:
            # Once the hub did not answer, what its cache has is enough to ask for.
            return read(**({"local_files_only": True} if self.absent else {}))
        except ValueError as error:
            self.absent.setdefault(place, str(error))
            return None

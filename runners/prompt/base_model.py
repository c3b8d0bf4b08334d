"""The frozen model that a trial's prompt belongs to, and how others get it.

A checkpoint that was released is named by its hub id. A model of this machine,
or a milestone of an LM adaptation in the store, has no name that others could
look up, so it is written beside the prompt.
"""

from dataclasses import replace
from pathlib import Path

from runners.catalogue import Catalogue
from runners.config import TrialConfig, adaptation_of
from runners.model.family import Place, Rung
from runners.prompt.naming import GIVEN
from runners.prompt.peft_format import Base
from runners.record import TrialRecord
from runners.rules import ConfigError
from runners.store import Store


def released_place(config: TrialConfig, rung: Rung) -> Place | None:
    """Where the model of a trial was released; None for a milestone of the trial's own store."""
    if adaptation_of(config) is not None:
        return None
    steps = config.lm_adaptation_steps
    return rung.adapted[steps] if steps else rung.checkpoint


def released_base(config: TrialConfig, record: TrialRecord, catalogue: Catalogue) -> Base:
    """The model of a trial by its hub id, and the commit that the trial has seen where it says so.

    Raises ValueError where the catalogue has no such model, or the model has no
    hub id.
    """
    rung = _rung(config, catalogue)
    place = released_place(config, rung)
    if place is None or place.hub_id is None:
        where = "a milestone in the store" if place is None else str(place.path or place)
        raise ValueError(
            f"trial {record.trial_id} ({record.label}): its frozen model {config.model_family} "
            f"{config.model_size} is {where}, which nobody else can load by name; add "
            "--with-model, and the model is written beside the prompt"
        )
    seen, _, commit = str(record.provenance.get("checkpoint", "")).partition("@")
    revision = commit if seen == place.hub_id and commit else place.revision
    architecture = catalogue.architecture(config.model_family)
    return replace(_base(place.hub_id, rung, architecture), released=True, revision=revision)


def written_base(config: TrialConfig, catalogue: Catalogue, folder: Path) -> Base:
    """The model of a trial as `write_base` puts it into a folder."""
    rung = _rung(config, catalogue)
    return _base(str(folder), rung, catalogue.architecture(config.model_family))


def base_name(config: TrialConfig) -> str:
    """A name for the folder of a trial's model; trials that share one share the name."""
    adaptation, steps = adaptation_of(config), config.lm_adaptation_steps
    parts = [config.model_family, config.model_size]
    parts += [f"lm{steps}"] if steps else []
    parts += [adaptation.milestone_id(steps)[:8]] if adaptation else []
    return "-".join([*parts, config.compute_dtype])


def write_base(config: TrialConfig, store: Store, catalogue: Catalogue, folder: Path) -> None:
    """Write the model of a trial into `folder`, which is there, for plain `transformers`.

    Raises ValueError where the model cannot be loaded.
    """
    # Torch takes seconds to load, and only a model needs it.
    from runners.model.loading import load_backbone
    from runners.model.writing import write_checkpoint

    backbone = load_backbone(config, store, catalogue)
    write_checkpoint(backbone, _rung(config, catalogue).checkpoint, folder)


def _rung(config: TrialConfig, catalogue: Catalogue) -> Rung:
    problems = catalogue.problems_of_model(config)
    if config.model_family not in catalogue.families:
        remedy = f"give the spec or the file that has it ({GIVEN})"
        problems = [replace(problem, remedy=remedy) for problem in problems]
    if problems:
        raise ConfigError(problems)
    return catalogue.rung(config.model_family, config.model_size)


def _base(name: str, rung: Rung, architecture: str) -> Base:
    shape = rung.shape
    return Base(
        name=name, released=False, revision=None, architecture=architecture,
        heads=shape.heads if shape else None, layers=shape.encoder_layers if shape else None,
    )  # fmt: skip

"""One trial outside a sweep: parse, adapt where needed, train, show."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from runners.catalogue import Catalogue, undroppable
from runners.catalogue_section import load_catalogue
from runners.config import RULES, TrialConfig, adaptation_of, from_mapping, parse_overrides
from runners.model.device import DEVICES, choose
from runners.record import ASIDE, TrialRecord
from runners.rules import ConfigError, count
from runners.store import Store


def main(program: str, defaults: Mapping[str, object], words: Sequence[str]) -> int:
    """Run the trial that `words` ask for; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="One trial. Fields and defaults: "
        + ", ".join(f"{name}={defaults[name]}" if name in defaults else name for name in RULES),
    )
    parser.add_argument(
        "--store", default="results/alone", help="folder or URL of the store (default %(default)s)"
    )
    parser.add_argument(
        "--catalogue",
        type=Path,
        metavar="FILE",
        help="a spec, or a YAML file with its keys families, tasks and data, for more names",
    )
    parser.add_argument(
        "--device", choices=DEVICES, default="auto", help="auto is a GPU where one is (%(default)s)"
    )
    parser.add_argument(
        "--threads", type=count, default=1,
        help="cores to compute on, of which small models are the slower for each (%(default)s)",
    )  # fmt: skip
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    options = parser.parse_intermixed_args(words)
    try:
        catalogue = load_catalogue(options.catalogue) if options.catalogue else Catalogue()
        config = config_of(options.overrides, defaults, catalogue)
        record = run_alone(
            config, Store(options.store), catalogue, device=options.device, threads=options.threads
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if record is None:
        print(f"{config.label} failed", file=sys.stderr)
        return 1
    print(describe(record))
    return 0


def config_of(
    words: Sequence[str], defaults: Mapping[str, object], catalogue: Catalogue
) -> TrialConfig:
    """The trial that `key=value` words mean over the defaults; raises `ConfigError` for mistakes.

    Names in it need not exist.
    """
    given = catalogue.meant_by(parse_overrides(words))
    return from_mapping(with_overrides(defaults, given, catalogue))


def with_overrides(
    defaults: Mapping[str, object], given: Mapping[str, object], catalogue: Catalogue
) -> dict[str, object]:
    """The defaults with what is given.

    They lose their adaptation where the objective has none, and how it trains
    where others have released it.
    """
    values = {**defaults, **given}
    own = dict.fromkeys(
        name for name in RULES if name.startswith("lm_adaptation_") and name not in given
    )
    if values["pretraining_objective"] != "lm_adaptation":
        return {**values, **own, "lm_adaptation_steps": given.get("lm_adaptation_steps", 0)}
    family = catalogue.families.get(str(values["model_family"]))
    rung = family.rungs.get(str(values["model_size"])) if family else None
    if rung is not None and values["lm_adaptation_steps"] in rung.adapted:
        own.pop("lm_adaptation_steps", None)
        return {**values, **own}
    return values


def run_alone(
    config: TrialConfig, store: Store, catalogue: Catalogue, *, device: str = "auto",
    threads: int = 1,
) -> TrialRecord | None:  # fmt: skip
    """The trial's record, from the store or trained now on one of `DEVICES`.

    None where the trial diverged, which the store records, or its adaptation.
    Raises ValueError, before anything is trained, for names that nothing goes
    by, for data that does not fit and for a GPU that is not there.
    """
    record = store.get(config.trial_id)
    if record is not None:
        return record
    problems = catalogue.problems(config)
    if not problems:
        undropped = undroppable(catalogue.families[config.model_family], config.dropout)
        problems = [undropped] if undropped else []
    if problems:
        raise ConfigError(problems)
    # Torch is imported here, so that --help and a bad word answer at once.
    import torch

    from runners.data.source import load_task_data, load_transfer_data
    from runners.model.loading import load_backbone, load_pretrained
    from runners.training.adaptation import adapt
    from runners.training.session import Session
    from runners.training.trial import Diverged

    torch.set_num_threads(threads)
    place = choose(device)
    # Data that does not fit is told before an adaptation has taken minutes.
    pretrained = load_pretrained(catalogue, config.model_family, config.model_size, "float32")
    load_task_data(config, pretrained.codec, catalogue)
    load_transfer_data(config, pretrained.codec, catalogue)
    adaptation = adaptation_of(config)
    if adaptation is not None:
        try:
            steps = [config.lm_adaptation_steps]
            for step, total in adapt(adaptation, steps, store, catalogue, device=place):
                _show("LM adaptation", step, total)
        except Diverged as error:
            print(error, file=sys.stderr)
            return None
    session = Session(
        backbone=load_backbone(config, store, catalogue, place),
        store=store, catalogue=catalogue, slots=1,
    )  # fmt: skip
    for live in session.train([config]):
        for run in live:
            _show(config.label, run.step, config.steps)
    failures = (failure for failure in store.failures() if failure.trial_id == config.trial_id)
    for failure in failures:
        print(failure.message, file=sys.stderr)
    return store.get(config.trial_id)


def _show(title: str, step: int, total: int) -> None:
    """A line to standard error every tenth of the way."""
    if step * 10 // total > (step - 1) * 10 // total:
        print(f"{title}: step {step} of {total}", file=sys.stderr, flush=True)


def describe(record: TrialRecord) -> str:
    """The trial's numbers, one a line; of an imported trial, those that were stated."""
    metrics = record.metrics
    chance = f"   chance {metrics['chance']:.2f}" if "chance" in metrics else ""
    lines = [f"{record.label}  (trial {record.trial_id})"]
    before = f"   before training {metrics['start_score']:.2f}" if "start_score" in metrics else ""
    lines.append(f"score     {metrics['score']:6.2f}{chance}{before}")
    lines += [
        f"{name:<9} {value:6.2f}"
        for name, value in sorted(metrics.items())
        if name not in ASIDE and "/" not in name
    ]
    lines += _transfer_lines(metrics)
    provenance = record.provenance
    trained, frozen = provenance["trainable_parameters"], provenance["model_parameters"]
    beside = f"{trained:,} trained parameters beside {frozen:,} ({100 * trained / frozen:.2f}%)"
    if not record.measured:
        file = provenance["imported_from"]["file"]
        return "\n".join([*lines, f"imported from {file}; scores are stated, not measured", beside])
    invalid = f"{100 * metrics['invalid']:.1f}% of answers invalid"
    if "train_loss" in metrics:
        best = f"best at step {metrics['best_step']:.0f} of {record.config['train_steps']}"
        lines.append(f"{best}, {invalid}, train loss {metrics['train_loss']:.3f}")
    else:
        lines.append(f"nothing trained, {invalid}")
    lines.append(f"{beside}, {provenance['seconds']:.1f} s")
    return "\n".join([*lines, *_reported(record)])


def _reported(record: TrialRecord) -> list[str]:
    """A line for whatever was not as asked; a record of an earlier version does not say."""
    provenance, config, lines = record.provenance, record.config, []
    there = provenance.get("examples", {}).get("dev")
    asked = config.get("dev_examples")
    if there is not None and asked is not None and there < asked:
        lines.append(f"dev has {there} examples, of at most {asked} that were asked")
    cut = {**provenance.get("cut_rows", {}), **provenance.get("transfer_cut_rows", {})}
    lines += [
        f"{count:,} rows of {place} lost tokens, for they were too long"
        for place, count in cut.items()
        if count
    ]
    if dropped := provenance.get("labels_dropped"):
        length = config["prompt_length"]
        lines.append(f"prompt_length {length} has no position for the label {', '.join(dropped)}")
    return lines


def _transfer_lines(metrics: Mapping[str, float]) -> list[str]:
    """A line for each transfer task, its score first."""
    tasks = [name.removesuffix("/score") for name in metrics if name.endswith("/score")]
    lines = []
    for task in tasks:
        own = {
            n.removeprefix(f"{task}/"): v for n, v in metrics.items() if n.startswith(f"{task}/")
        }
        score, chance, invalid = (own.pop(name) for name in ("score", "chance", "invalid"))
        parts = ", ".join(f"{name} {value:.2f}" for name, value in sorted(own.items()))
        lines.append(
            f"on {task}: score {score:.2f} ({parts}), chance {chance:.2f}, "
            f"{100 * invalid:.1f}% of answers invalid"
        )
    return lines

"""The command line of sweeps.

python -m sweeps plan sweeps/specs/laptop.yaml             # what it is, has, lacks and waits for
python -m sweeps plan sweeps/specs/laptop.yaml --trials    # and each trial, and why it stands so
python -m sweeps plan sweeps/specs/paper.yaml --cluster sweep.yaml    # and what it takes there
python -m sweeps plan sweeps/specs/laptop.yaml --json      # the same for programs
python -m sweeps doctor sweeps/specs/laptop.yaml           # can it run? what would go wrong?
python -m sweeps run sweeps/specs/laptop.yaml              # run what is missing
python -m sweeps submit sweeps/specs/laptop.yaml           # send the code to a cluster, run there
python -m sweeps status sweeps/specs/laptop.yaml           # how far it is, and what failed
python -m sweeps status sweeps/specs/laptop.yaml --wait    # once nobody runs it any more
python -m sweeps track sweeps/specs/laptop.yaml            # every trial as a run of W&B
python -m sweeps verify sweeps/specs/laptop.yaml           # read its whole store, check every byte
python -m sweeps withdraw sweeps/specs/laptop.yaml TRIAL --reason WHY    # so that it runs again
python -m sweeps restart sweeps/specs/laptop.yaml TRIAL    # drop its checkpoint
"""

import argparse
import contextlib
import gc
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from runners.rules import ConfigError, Problem
from runners.store import Store
from sweeps import nodes, outage, summary
from sweeps.execution import number_of
from sweeps.forecast.as_json import as_json, pack_numbers
from sweeps.forecast.estimate import Forecast, forecast
from sweeps.forecast.hardware import UnknownGpuError
from sweeps.forecast.machine import this_machine
from sweeps.forecast.tables import NO_NODE, forecast_text, misfit_text, packs_text
from sweeps.lease import LostError
from sweeps.outage import LowMemoryError, OutageError
from sweeps.plan import survey
from sweeps.remote import submission, submit
from sweeps.run import LACK, counts, is_done, refusal, run, verdict
from sweeps.spec import SweepSpec, load
from sweeps.tracking.settings import MODES
from sweeps.waiting import wait

OVERRIDES = ("project", "entity", "mode", "folder")
"""What `track` is told in place of the spec's `execution.tracking`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code.

    0 where all is well, 1 where trials are not done or a store has defects, 2 where
    the spec, its store or its cluster is wrong, with every reason on stderr, 3 where
    `status --wait` has waited long enough; 141 where nobody reads on, as shells say of
    a process that a closed pipe ended.
    """
    try:
        code = _main(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still to be written at the exit would fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


def _main(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    try:
        with _uncollected():
            spec = load(options.spec, to_run=options.verb is _run)
        if getattr(options, "workers", None) is not None:
            execution = replace(spec.execution, workers=_workers(options.workers))
            spec = replace(spec, execution=execution)
    except ConfigError as error:
        count = len(error.problems)
        print(f"{error}\n{count} mistake{'s' * (count > 1)}; nothing was started", file=sys.stderr)
        return 2
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        with outage.explained(spec.execution.store):
            code: int = options.verb(spec, options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except (LostError, OutageError, LowMemoryError) as error:
        print(error, file=sys.stderr)
        return 1
    return code


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """A block without garbage collection: it finds nothing among 100,000 trials, and takes long."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _plan(spec: SweepSpec, options: argparse.Namespace) -> int:
    with _uncollected():
        plan = survey(spec)
        machines = nodes.load(options.cluster) if options.cluster else [this_machine()]
        found = forecast(plan, machines, workers=spec.execution.workers)
    if options.json:
        json.dump(as_json(plan, found), sys.stdout)
        print()
    else:
        print(f"{summary.overview(plan)}\n\n{forecast_text(found)}".rstrip())
        if options.trials:
            print(f"\n{summary.listing(plan, pack_numbers(found))}")
        if options.packs:
            print(f"\n{packs_text(found)}".rstrip())
    if options.cluster is None:
        return 0
    if found is None:
        raise ValueError(f"{options.cluster}: {NO_NODE}")
    for line in misfit_text(found):
        print(f"{options.cluster}: {line}", file=sys.stderr)
    return 2 if found.misfits else 0


def _workers(said: str) -> int | None:
    """The number of `--workers`; raises ValueError for what is none."""
    found = number_of("workers", int(said) if said.isdecimal() else said)
    if isinstance(found, Problem):
        raise ValueError(f"--{found}")
    return found


def _run(spec: SweepSpec, options: argparse.Namespace) -> int:
    return run(spec, prunes=options.prune_nodes)


def _submit(spec: SweepSpec, options: argparse.Namespace) -> int:
    asked = submission(
        options.spec, cluster=options.cluster, tmux=options.tmux, sync=not options.no_sync,
        workers=options.workers,
    )  # fmt: skip
    found = _room_there(spec, asked.cluster)
    if found is not None and spec.execution.workers is None:
        # Nodes that are still to be started have room too, and only their file tells of them.
        asked = replace(asked, workers=str(found.at_once))
    return submit(asked)


def _room_there(spec: SweepSpec, cluster: Path) -> Forecast | None:
    """What a cluster's file says of the sweep, None where it does not.

    Raises ValueError where something that is left fits none of its nodes.
    """
    if not nodes.are_said(cluster):
        print(f"{cluster}: says nothing of its nodes, so whether there is room is not looked at")
        return None
    try:
        found = forecast(survey(spec), nodes.load(cluster), workers=spec.execution.workers)
    except UnknownGpuError as error:
        print(f"{cluster}: {error}; whether there is room is not looked at")
        return None
    lines = [NO_NODE] if found is None else misfit_text(found)
    if lines:
        raise refusal(str(cluster), LACK, lines)
    return found


def _doctor(spec: SweepSpec, options: argparse.Namespace) -> int:
    # The hub's client takes a second to load, and only this verb needs it.
    from sweeps.doctor import as_text, examine

    found = examine(spec, options.cluster)
    print(as_text(found))
    return 2 if any(each.verdict == "bad" for each in found) else 0


def _status(spec: SweepSpec, options: argparse.Namespace) -> int:
    if not options.wait:
        print(summary.standing(survey(spec)))
        return 0
    ended = wait(spec, options.seconds)
    plan = survey(spec)
    print(summary.standing(plan))
    if not ended:
        print(f"\n{spec.name}: still runs after {options.seconds:g} s of waiting")
        return 3
    print(f"\n{verdict(spec.name, counts(plan))}")
    return 0 if is_done(plan) else 1


def _track(spec: SweepSpec, options: argparse.Namespace) -> int:
    from sweeps.tracking.command import track

    asked = {name: getattr(options, name) for name in OVERRIDES}
    told = {name: value for name, value in asked.items() if value is not None}
    return track(spec, replace(spec.execution.tracking, **told))


def _verify(spec: SweepSpec, options: argparse.Namespace) -> int:
    store = Store(spec.execution.store)
    if options.rebuild_index:
        store.rebuild_index([])
    defects = store.verify()
    for defect in defects:
        print(defect)
    print(f"{store.root}: {len(defects) or 'no'} defect{'s' * (len(defects) != 1)}")
    return 1 if defects else 0


def _withdraw(spec: SweepSpec, options: argparse.Namespace) -> int:
    store = Store(spec.execution.store)
    for trial_id in options.trials:
        store.withdraw(trial_id, options.reason)
        print(f"{trial_id}: withdrawn, and kept under discarded/; the next run trains it again")
    return 0


def _restart(spec: SweepSpec, options: argparse.Namespace) -> int:
    store = Store(spec.execution.store)
    for trial_id in options.trials:
        store.clear_state(trial_id)
        print(f"{trial_id}: has no checkpoint, and starts anew")
    return 0


_CLUSTER = {"metavar": "FILE", "help": "forecast for its nodes, such as sweep.yaml"}
_WORKERS = {"metavar": "N", "help": "in place of execution.workers; all: as many as fit"}
_TRIALS = {"metavar": "TRIAL", "nargs": "+", "help": "an id of 16 hex digits"}
_INSTEAD = "in place of the spec's execution.tracking"
_OPTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "plan": {
        "--trials": {"action": "store_true", "help": "list every trial, and why it stands so"},
        "--packs": {"action": "store_true", "help": "list what workers are given, and its memory"},
        "--json": {"action": "store_true", "help": "docs/plan.schema.json"},
        "--cluster": _CLUSTER,
        "--workers": _WORKERS,
    },
    "doctor": {"--cluster": _CLUSTER, "--workers": _WORKERS},
    "run": {
        "--workers": _WORKERS,
        "--prune-nodes": {
            "action": "store_true", "help": "take code off a cluster's nodes that is not here"
        },
    },
    "submit": {
        "--workers": _WORKERS,
        "--cluster": {"metavar": "FILE", "help": "in place of sweep.yaml"},
        "--tmux": {"action": "store_true", "help": "go on in a terminal there, without this one"},
        "--no-sync": {"action": "store_true", "help": "send nothing, but compare what is there"},
    },
    "status": {
        "--wait": {"action": "store_true", "help": "until no driver works on the sweep any more"},
        "--seconds": {"type": float, "default": math.inf, "help": "wait no longer than this"},
    },
    "track": {
        f"--{name}": {"choices": MODES if name == "mode" else None, "help": _INSTEAD}
        for name in OVERRIDES
    },
    "verify": {
        "--rebuild-index": {
            "action": "store_true", "help": "write the index anew from the records"
        },
    },
    "withdraw": {
        "trials": _TRIALS,
        "--reason": {"required": True, "help": "kept beside what is withdrawn"},
    },
    "restart": {"trials": _TRIALS},
}  # fmt: skip
"""What each verb takes beside its spec, in the words of `argparse`."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sweeps", description="When and where a sweep runs."
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for name, verb, words in (
        ("plan", _plan, "what a sweep is, has, lacks and waits for; nothing is run"),
        ("doctor", _doctor, "what would go wrong in a run, as far as can be known before"),
        ("run", _run, "run what is missing; a finished trial never runs again"),
        ("submit", _submit, "send this checkout to a Ray cluster, and run the spec there"),
        ("status", _status, "how far a sweep is, and what failed"),
        ("track", _track, "mirror the store to W&B, every trial a run; again to write what is new"),
        ("verify", _verify, "read every byte of a sweep's store and say what is wrong with it"),
        ("withdraw", _withdraw, "take back results, so that their trials run again"),
        ("restart", _restart, "drop the checkpoints of trials or adaptations that are under way"),
    ):
        command = verbs.add_parser(name, help=words, description=words)
        command.add_argument("spec", metavar="SPEC", help="a file such as sweeps/specs/laptop.yaml")
        command.set_defaults(verb=verb)
        for option, how in _OPTIONS.get(name, {}).items():
            command.add_argument(option, **how)
    return parser

"""What can be known before hours are spent: `python -m sweeps doctor SPEC`.

Each look gives findings: good, of concern, or bad. A sweep with a bad one would fail,
now or after hours. Where RAY_ADDRESS names a cluster its nodes are asked
(`sweeps.doctor_nodes`), and workers are to have room there; all else is known here.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from huggingface_hub import constants, file_exists, try_to_load_from_cache

# What its client raises where nobody answers; which client that is has changed.
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

from ablation.parameter_count import trained_by_prompt_tuning
from runners.config import TUNES_MODEL
from runners.model.checkpoint import SAFE_REMEDY, WEIGHTS, pickled
from runners.model.family import Place
from runners.store import Store
from sweeps import address, nodes
from sweeps.finding import Finding, Verdict, store_finding
from sweeps.fits import Look, look, parts_left
from sweeps.forecast.estimate import Forecast, forecast
from sweeps.forecast.machine import this_machine
from sweeps.forecast.tables import NO_NODE, misfit_text
from sweeps.hub_data import hub_findings
from sweeps.needs import needs_of
from sweeps.nodes import NodeType
from sweeps.plan import Plan, survey
from sweeps.room import settled, workers_on
from sweeps.spec import SweepSpec
from sweeps.tracking.settings import has_key, mode_of

_SAFE = (WEIGHTS, f"{WEIGHTS}.index.json")
"""Weights of a checkpoint on the hub, whole or in shards."""
TRIAL_BYTES = 1e6
"""What a record with its history and predictions takes on disk, at most."""
PROMPT_BYTES = 12
"""And a prompt, with the checkpoint of its trial, for each of its parameters."""


def examine(spec: SweepSpec, cluster: str | None) -> list[Finding]:
    """Everything that can be known of a sweep before it runs, on the nodes of a cluster's file.

    Raises ValueError where the store is none, or the cluster's file has mistakes.
    """
    plan = survey(spec)
    machines = [this_machine()] if cluster is None else list(nodes.load(cluster))
    planned = forecast(plan, machines, workers=spec.execution.workers)
    elsewhere = cluster is None and address.is_named()
    found = [
        Finding(subject="spec", verdict="good", said=f"{len(spec.trials):,} trials, all legal"),
        *_absent(plan),
        *_data(plan),
        *hub_findings(plan),
        *_mixed(plan),
        store_finding(spec.execution.store),
        *_disk(plan, planned),
        *([] if elsewhere else _room(plan, machines, planned)),
        *_models(plan),
        _tracking(spec),
    ]
    return found + _cluster(spec)


def as_text(found: Sequence[Finding]) -> str:
    """A line for each finding, and the sum."""
    marks = {"good": "ok  ", "concern": "look", "bad": "BAD "}
    lines = [f"{marks[each.verdict]}  {each.subject}: {each.said}" for each in found]
    bad = sum(each.verdict == "bad" for each in found)
    concerns = sum(each.verdict == "concern" for each in found)
    last = "it can run" if not bad else f"{bad} thing{'s' * (bad > 1)} to mend before it can run"
    return "\n".join([*lines, f"{last}, {concerns} to look at" if concerns else last])


def _cluster(spec: SweepSpec) -> list[Finding]:
    """What the nodes of the cluster of RAY_ADDRESS say; nothing where there is none."""
    try:
        where = address.cluster()
        if where is None:
            return []
        # Ray takes seconds to load, and has nothing to say of a machine alone.
        from sweeps.connection import node_types, on_cluster
        from sweeps.doctor_nodes import node_findings

        with on_cluster(where):
            found = node_findings(Store(spec.execution.store).root, needs_of(spec))
            return [*_workers_there(spec, node_types()), *found]
    except ValueError as error:
        return [Finding(subject="cluster", verdict="bad", said=str(error))]


def _workers_there(spec: SweepSpec, there: Sequence[NodeType]) -> Iterator[Finding]:
    """Whether the nodes that are up have room; how much memory their GPUs have Ray does not say."""
    execution = settled(spec.execution, there)
    room = sum(workers_on(node, execution) for node in there)
    wanted = spec.execution.workers or 1
    said = f"room for {room} on the {len(there)} nodes that are up"
    if room < wanted:
        said += f", and {wanted} are wanted; the others wait for nodes that join"
    # A cluster may start nodes when somebody waits for them.
    yield Finding(subject="workers", verdict="concern" if room < wanted else "good", said=said)
    said = "is not looked at; --cluster FILE knows what its nodes have (metadata.nodes)"
    yield Finding(subject="memory", verdict="concern", said=said)


def _absent(plan: Plan) -> Iterator[Finding]:
    for each in plan.spec.absent:
        said = f"{plan.spec.path}:{each.line}: {each.problem}"
        yield Finding(subject="data", verdict="bad", said=said)


def _data(plan: Plan) -> Iterator[Finding]:
    """Whether local copies of benchmarks have all that is left to be read, and models fit it."""
    absent = {each.problem.key for each in plan.spec.absent}
    parts = {
        part: place
        for part, place in parts_left(plan, hub=False).items()
        if f"data.{part[0]}.dir" not in absent
    }
    found = look(plan, parts, models=not plan.absent and not absent, notes=_Read(plan.root))
    for each in found.mistakes:
        said = f"{plan.spec.path}:{each.line}: {each.problem}"
        yield Finding(subject="data", verdict="bad", said=said)
    if parts and not found.mistakes:
        tasks = {task for _, task, _ in parts}
        said = f"{len(parts)} splits of {len(tasks)} tasks were read from local folders"
        yield Finding(subject="data", verdict="good", said=said)
    if not found.mistakes:
        yield from _fit(found)


def _fit(found: Look) -> Iterator[Finding]:
    """Whether the models that can be had read the data that are here, and write their answers."""
    for line in found.misfits:
        yield Finding(subject="fit", verdict="bad", said=line)
    if found.untried:
        yield Finding(subject="fit", verdict="concern", said=found.untried)
    elif found.tasks and not found.misfits:
        said = f"the models' tokenizers read and answer {found.tasks} task"
        yield Finding(subject="fit", verdict="good", said=said + "s" * (found.tasks > 1))


class _Read(Store):
    """A store as a doctor knows it, who writes nothing into it."""

    def note_measured(self, key: str, numbers: Mapping[str, int]) -> None:
        """Nothing is noted."""


def _mixed(plan: Plan) -> Iterator[Finding]:
    """Results of other code, data or checkpoints, of which those of the latter forbid a run."""
    for drift in plan.drifts:
        verdict: Verdict = "bad" if drift in plan.foreign else "concern"
        yield Finding(subject="results", verdict=verdict, said=str(drift))


def _disk(plan: Plan, planned: Forecast | None) -> Iterator[Finding]:
    """Whether there is room for everything that is not done yet, where the store is a folder."""
    if "://" in plan.root:
        return
    rungs = plan.spec.study.family.rungs
    left = [work.config for work in plan.left]
    needed = TRIAL_BYTES * len(left)
    needed += sum(
        PROMPT_BYTES * float(trained_by_prompt_tuning(rungs[each.model_size], each.prompt_length))
        for each in left
        if each.prompt_length is not None
    )
    missing = [work for work in plan.milestones if work.state.status != "done"]
    needed += sum(4.0 * rungs[work.adaptation.model_size].parameters for work in missing)
    # A run that changes the model keeps a checkpoint of it, of which two are there for a moment.
    running = [work.adaptation.model_size for work in missing]
    running += [w.config.model_size for w in plan.trials if w.config.method in TUNES_MODEL]
    largest = max((rungs[size].parameters for size in running), default=0)
    needed += 2 * 4.0 * largest * (planned.at_once if planned else 1)
    nearest = Path(plan.root)
    while not nearest.exists():
        nearest = nearest.parent
    free = shutil.disk_usage(nearest).free
    said = f"{needed / 1e9:,.1f} GB needed at most, {free / 1e9:,.1f} GB free at {nearest}"
    yield Finding(subject="disk", verdict="good" if free > needed else "bad", said=said)


def _room(plan: Plan, machines: Sequence[NodeType], found: Forecast | None) -> Iterator[Finding]:
    """Whether workers can be placed, and have memory for what they are given."""
    execution = plan.spec.execution
    if found is None:
        yield Finding(subject="workers", verdict="bad", said=NO_NODE)
        return
    wanted = execution.workers or found.room
    said = f"room for {found.room} on {', '.join(node.name for node in machines)}"
    if found.room < wanted:
        said += f", and {wanted} are wanted; the others would wait for ever"
    elif found.room > wanted:
        said += f", of which {wanted} are wanted (--workers all takes them all)"
    verdict: Verdict = "bad" if found.room < wanted else "good"
    yield Finding(subject="workers", verdict=verdict, said=said)
    lines = misfit_text(found)
    for line in lines:
        yield Finding(subject="memory", verdict="bad", said=line)
    if not lines:
        yield Finding(subject="memory", verdict="good", said="everything that is left has room")


def _models(plan: Plan) -> Iterator[Finding]:
    """Whether every checkpoint and tokenizer that is needed can be had."""
    family = plan.spec.study.family
    sizes = {work.config.model_size for work in plan.trials if work.state.status != "done"}
    checkpoints: dict[Place, None] = {}
    tokenizers: dict[Place, None] = {}
    for size in family.rungs:
        if size in sizes:
            rung = family.rungs[size]
            checkpoints[rung.checkpoint] = tokenizers[rung.tokenizer] = None
            steps = {w.config.lm_adaptation_steps for w in plan.trials}
            checkpoints |= dict.fromkeys(p for at, p in rung.adapted.items() if at in steps)
    for place in {**checkpoints, **tokenizers}:
        yield place_finding(place, weights=place in checkpoints)


def _pickled(place: Place) -> str | None:
    folder = place.local()
    said = pickled(folder) if folder else None
    return said and f"{place}: {said}"


def place_finding(place: Place, *, weights: bool = True) -> Finding:
    """Whether a checkpoint or tokenizer is here, in the hub's cache, or at the hub.

    One that has `weights` is to have them where a trial reads them, in safetensors.
    """
    if place.hub_id is None:
        missing = place.missing() or _pickled(place)
        verdict: Verdict = "good" if missing is None else "bad"
        return Finding(subject="model", verdict=verdict, said=missing or f"{place} is here")
    told = str(place)
    if isinstance(
        try_to_load_from_cache(place.hub_id, "config.json", revision=place.revision), str
    ):
        return Finding(subject="model", verdict="good", said=f"{told} is in the hub's cache")
    if constants.HF_HUB_OFFLINE:
        said = f"{told} is not in the hub's cache, and HF_HUB_OFFLINE forbids to get it"
        return Finding(subject="model", verdict="bad", said=said)
    try:
        there = file_exists(place.hub_id, "config.json", revision=place.revision)
        safe = not weights or any(
            file_exists(place.hub_id, name, revision=place.revision) for name in _SAFE
        )
    except (OSError, HTTPError) as error:
        said = f"{told} is not in the hub's cache, and the hub does not answer ({error})"
        return Finding(subject="model", verdict="bad", said=said)
    if there and not safe:
        said = f"{told} has no safetensors at the hub; {SAFE_REMEDY}"
        return Finding(subject="model", verdict="bad", said=said)
    said = f"{told} is {'' if there else 'not '}at the hub"
    return Finding(subject="model", verdict="good" if there else "bad", said=said)


def _tracking(spec: SweepSpec) -> Finding:
    tracking = spec.execution.tracking
    mode = mode_of(tracking)
    when = "while trials train" if tracking.live else "by `sweeps track`"
    if mode == "online" and not has_key():
        said = "online, and wandb finds no key; `wandb login`, or mode: offline"
        return Finding(subject="W&B", verdict="bad" if tracking.live else "concern", said=said)
    return Finding(subject="W&B", verdict="good", said=f"{mode}, {when}")

"""What the machines of a cluster are: node types with their cores, GPUs, memory and prices.

They stand in the cluster's own file, under `metadata.nodes`, which Ray leaves alone:

metadata:
  nodes:
    worker: {gpu: A100-80GB, gpus: 8, gpu_memory_gb: 80, cpus: 96, memory_gb: 1000,
             price_per_hour: 32.77, count: 2}

In a file with `available_node_types` the names are those, and there are at most as
many nodes as it says there. A KubeRay manifest, whose metadata are those of
Kubernetes, has the same lines in the annotation `promptscale/nodes`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runners.rules import ConfigError, Problem, Rule, nearest
from runners.section import Section
from sweeps import document
from sweeps.document import Document, Located

ANNOTATION = "promptscale/nodes"
"""Where a Kubernetes manifest has the lines of `metadata.nodes`."""
KUBERAY_HEAD = "headgroup"
"""What Ray calls the node type of a KubeRay head."""


@dataclass(frozen=True, kw_only=True)
class NodeType:
    """Nodes of one kind, and the most of them that the cluster has."""

    name: str
    cpus: int
    """Cores of one node that trials may use; 0 where the node runs none, as a head may."""
    memory_gb: float
    """Memory of one node, in 10^9 bytes."""
    gpu: str | None = None
    """What the GPUs are called, such as A100-80GB; None where there are none."""
    gpus: int = 0
    """GPUs of one node."""
    gpu_memory_gb: float = 0.0
    """Memory of one GPU, in 10^9 bytes."""
    price_per_hour: float | None = None
    """Of one node, in the currency of the reader; None where nobody said."""
    count: int = 1
    """Nodes of this type, at most."""


class ClusterError(ConfigError):
    """Every mistake in what a cluster file says of its nodes, a line each."""

    def __init__(self, path: str, mistakes: Iterable[Located]) -> None:
        ordered = sorted(mistakes, key=lambda mistake: mistake.line)
        super().__init__(mistake.problem for mistake in ordered)
        self.args = ("\n".join(f"{path}:{m.line}: {m.problem}" for m in ordered),)


_RULES = {
    "cpus": Rule(type=int, minimum=0),
    "memory_gb": Rule(type=float, above=0),
    "gpu": Rule(type=str, optional=True),
    "gpus": Rule(type=int, minimum=1, optional=True),
    "gpu_memory_gb": Rule(type=float, above=0, optional=True),
    "price_per_hour": Rule(type=float, minimum=0, optional=True),
    "count": Rule(type=int, minimum=1, optional=True),
}
_OF_GPUS = ("gpu", "gpus", "gpu_memory_gb")


def load(path: str | Path) -> tuple[NodeType, ...]:
    """The node types of a cluster file, in its order.

    Raises `ClusterError` (a ValueError) with every mistake in them, and
    ValueError where there is no such file.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise missing(path, Path(path).parent) from error
    return parse(text, path=str(path))


def are_said(path: str | Path) -> bool:
    """Whether a cluster file says anything of its nodes; also where it says it wrongly."""
    top = document.read(Path(path).read_text(encoding="utf-8")).values
    metadata = top.get("metadata") if isinstance(top, Mapping) else None
    if not isinstance(metadata, Mapping):
        return False
    annotations = metadata.get("annotations")
    return "nodes" in metadata or (isinstance(annotations, Mapping) and ANNOTATION in annotations)


def missing(path: str | Path, *folders: Path) -> ValueError:
    """The error of a cluster file that is not there, with the nearest one in these folders."""
    near = nearest(str(path), (str(file) for folder in folders for file in folder.glob("*.yaml")))
    remedy = f"did you mean {near}?" if near else "give the path of a cluster's YAML"
    return ValueError(f"{path}: there is no such cluster file; {remedy}")


def parse(text: str, *, path: str) -> tuple[NodeType, ...]:
    """The node types of a cluster file's text; errors call the file `path`.

    Raises `ClusterError` with every mistake.
    """
    source = document.read(text)
    problems: list[Problem] = []
    top = source.values
    if not isinstance(top, Mapping):
        wrong = source.mistakes or [source.locate(_no_mapping(top))]
        raise ClusterError(path, wrong)
    nodes, counts = _written(top, source, problems)
    types = [_node_type(nodes, name, counts, problems) for name in nodes.values]
    _same_names(nodes, counts)
    # What else a cluster file holds is Ray's to judge.
    ours = [m for m in source.mistakes if m.problem.key.startswith(nodes.path)]
    mistakes = [*ours, *map(source.locate, problems)]
    if mistakes:
        raise ClusterError(path, mistakes)
    return tuple(each for each in types if each is not None)


def _no_mapping(top: object) -> Problem:
    rule, remedy = "is no cluster's YAML", "give a file such as sweep.yaml"
    return Problem(key="cluster", value=top, rule=rule, remedy=remedy)


def _written(
    top: Mapping[str, Any], source: Document, problems: list[Problem]
) -> tuple[Section, dict[str, int] | None]:
    """What is said of nodes, and how many the file has of each, where it says so elsewhere."""
    metadata = Section(top, problems).section("metadata")
    if "apiVersion" not in top:
        nodes = metadata.section("nodes")
        if not nodes.values and "nodes" not in metadata.values:
            remedy = "say what the machines are, as the head of sweeps/nodes.py shows"
            metadata.report("nodes", None, "is missing", remedy)
        return nodes, _ray_counts(top)
    annotations = metadata.section("annotations")
    if not annotations.check(ANNOTATION, annotations.values.get(ANNOTATION), Rule(type=str)):
        return Section({}, problems, annotations.key(ANNOTATION)), None
    inner = document.read(str(annotations.values[ANNOTATION]))
    problems += [replace(m.problem, key=annotations.key(ANNOTATION)) for m in inner.mistakes]
    return Section(inner.values, problems, annotations.key(ANNOTATION)), _kuberay_counts(top)


def _ray_counts(top: Mapping[str, Any]) -> dict[str, int] | None:
    """Nodes of each of `available_node_types`, the head's one among them; None without it."""
    types = top.get("available_node_types")
    if not isinstance(types, Mapping):
        return None
    head, most = top.get("head_node_type"), top.get("max_workers", 0)
    return {
        name: values.get("max_workers", 0 if name == head else most) + (name == head)
        for name, values in types.items()
        if isinstance(values, Mapping)
    }


def _kuberay_counts(top: Mapping[str, Any]) -> dict[str, int]:
    """Nodes of the head's group and of each group of workers."""
    spec = top.get("spec", {})
    cluster = spec.get("rayClusterSpec", spec)
    groups = cluster.get("workerGroupSpecs", [])
    workers = {g.get("groupName"): g.get("maxReplicas", g.get("replicas", 1)) for g in groups}
    return {KUBERAY_HEAD: 1, **workers}


def _node_type(
    nodes: Section, name: str, counts: Mapping[str, int] | None, problems: list[Problem]
) -> NodeType | None:
    before = len(problems)
    section = nodes.section(name)
    if not isinstance(nodes.values[name], Mapping):
        return None
    section.only(_RULES)
    values = {key: section.value(key, rule) for key, rule in _RULES.items()}
    given = [key for key in _OF_GPUS if key in section.values]
    for key in _OF_GPUS:
        if given and key not in given:
            remedy = f"give {', '.join(_OF_GPUS)}, or none of them"
            section.report(key, None, f"is missing beside {given[0]}", remedy)
    if counts is not None and values["count"] is not None:
        rule = "is said twice, for the file says elsewhere how many nodes there are"
        section.report("count", values["count"], rule, "leave it out")
    if len(problems) > before:
        return None
    if counts is not None:
        values["count"] = counts.get(name)
    return NodeType(name=name, **{k: v for k, v in values.items() if v is not None})


def _same_names(nodes: Section, counts: Mapping[str, int] | None) -> None:
    """Reports types that only one of the two places knows."""
    if counts is None:
        return
    nodes.only(counts)
    for name in counts:
        if name not in nodes.values:
            nodes.report(name, None, "is missing", "say what these nodes are")

"""What a cluster file says of its nodes, and what is said of its mistakes."""

from pathlib import Path

import pytest

from sweeps.nodes import ClusterError, NodeType, load, parse

RAY = """\
provider: {type: aws}
head_node_type: head
max_workers: 6
available_node_types:
  head: {node_config: {}, resources: {}}
  big: {node_config: {}, resources: {}, max_workers: 4}
  small: {node_config: {}, resources: {}}
metadata:
  nodes:
    head: {cpus: 0, memory_gb: 16}
    big: {gpu: A100-80GB, gpus: 8, gpu_memory_gb: 80, cpus: 96, memory_gb: 1000,
          price_per_hour: 32.77}
    small: {gpu: L4, gpus: 1, gpu_memory_gb: 24, cpus: 8, memory_gb: 32.5, price_per_hour: 1}
"""
OWN = """\
provider: {type: local, head_ip: 192.0.2.1, worker_ips: []}
metadata:
  nodes:
    box: {cpus: 8, memory_gb: 32, count: 3}
"""
KUBERNETES = """\
apiVersion: ray.io/v1
kind: RayJob
metadata:
  annotations:
    promptscale/nodes: |
      headgroup: {cpus: 0, memory_gb: 16}
      worker: {gpu: H100, gpus: 8, gpu_memory_gb: 80, cpus: 96, memory_gb: 1000}
spec:
  rayClusterSpec:
    workerGroupSpecs: [{groupName: worker, replicas: 1, maxReplicas: 2}]
"""


def mistakes(text: str) -> str:
    """What a cluster file of that text is told."""
    with pytest.raises(ClusterError) as caught:
        parse(text, path="my.yaml")
    return str(caught.value)


def test_nodes_of_rented_machines() -> None:
    """A plan that counts nodes which the autoscaler never starts, or prices the wrong ones."""
    assert parse(RAY, path="my.yaml") == (
        NodeType(name="head", cpus=0, memory_gb=16.0, count=1),
        NodeType(
            name="big", gpu="A100-80GB", gpus=8, gpu_memory_gb=80.0, cpus=96, memory_gb=1000.0,
            price_per_hour=32.77, count=4,
        ),
        NodeType(
            name="small", gpu="L4", gpus=1, gpu_memory_gb=24.0, cpus=8, memory_gb=32.5,
            price_per_hour=1.0, count=6,
        ),
    )  # fmt: skip


def test_nodes_of_machines_that_are_there() -> None:
    """A cluster of three machines planned as one."""
    assert parse(OWN, path="my.yaml") == (NodeType(name="box", cpus=8, memory_gb=32.0, count=3),)


def test_nodes_of_kubernetes() -> None:
    """A manifest whose metadata are Kubernetes' own and cannot hold our lines."""
    head, worker = parse(KUBERNETES, path="my.yaml")

    assert (head.name, head.count) == ("headgroup", 1)
    assert (worker.name, worker.gpus, worker.count) == ("worker", 8, 2)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "cpus: 8, memory_gb: 32.5",
            "cpu: 8, memory_gb: -1",
            (
                "my.yaml:13: metadata.nodes.small.cpu: 'cpu' is not a known key; "
                "did you mean 'cpus'?\n"
                "my.yaml:13: metadata.nodes.small.cpus: None is missing; "
                "give a whole number of 0 or more\n"
                "my.yaml:13: metadata.nodes.small.memory_gb: -1 is not a number above 0; "
                "write a number above 0"
            ),
        ),
        (
            "gpu: L4, gpus: 1, ",
            "",
            (
                "my.yaml:13: metadata.nodes.small.gpu: None is missing beside gpu_memory_gb; "
                "give gpu, gpus, gpu_memory_gb, or none of them\n"
                "my.yaml:13: metadata.nodes.small.gpus: None is missing beside gpu_memory_gb; "
                "give gpu, gpus, gpu_memory_gb, or none of them"
            ),
        ),
        (
            "    small: {gpu",
            "    smal: {gpu",
            (
                "my.yaml:9: metadata.nodes.small: None is missing; say what these nodes are\n"
                "my.yaml:13: metadata.nodes.smal: 'smal' is not a known key; did you mean 'small'?"
            ),
        ),
        (
            "price_per_hour: 1}",
            "count: 2}",
            (
                "my.yaml:13: metadata.nodes.small.count: 2 is said twice, for the file says "
                "elsewhere how many nodes there are; leave it out"
            ),
        ),
        (
            "    head: {cpus: 0, memory_gb: 16}",
            "    head: 16",
            (
                "my.yaml:10: metadata.nodes.head: 16 is not a mapping; "
                "write 'key: value' lines below it"
            ),
        ),
    ],
)
def test_bad_nodes(old: str, new: str, said: str) -> None:
    """A mistake that makes a forecast wrong, and is not named with its line."""
    assert old in RAY
    assert mistakes(RAY.replace(old, new)) == said


def test_a_file_without_nodes() -> None:
    """A plan of no nodes, in which nothing fits and nothing says why."""
    said = mistakes("provider: {type: local}\n")

    assert said.startswith("my.yaml:1: metadata.nodes: None is missing; say what the machines are")


def test_a_manifest_without_nodes() -> None:
    """As above, where the lines belong elsewhere."""
    said = mistakes(KUBERNETES.replace("promptscale/nodes", "promptscale/node"))

    assert "metadata.annotations.promptscale/nodes: None is missing" in said


def test_what_is_no_cluster_file() -> None:
    """A traceback in place of a reason."""
    assert mistakes("- a\n") == (
        "my.yaml:1: cluster: ['a'] is no cluster's YAML; give a file such as sweep.yaml"
    )
    assert "my.yaml:2: spec: 'YAML' cannot be read" in mistakes("a: [\n")


def test_what_only_ray_reads_is_left_to_ray() -> None:
    """Anchors and numbers as keys, which cluster files have and specs must not."""
    text = OWN + "x: &a {1: 2}\ny: *a\n"

    assert parse(text, path="my.yaml") == parse(OWN, path="my.yaml")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A near miss that is not named."""
    (tmp_path / "sweep.yaml").write_text(OWN)

    with pytest.raises(ValueError, match=r"no such cluster file; did you mean .*sweep\.yaml"):
        load(tmp_path / "sweeps.yaml")

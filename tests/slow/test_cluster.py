"""A sweep on a real cluster whose hosts are namespaces: how it gets there, and what is refused."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.store import Store
from tests.slow.hosts import Network, checkout, missing, network, start_ray

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]

SPEC = """\
name: tiny
design: star
model_family: nano
axes: {model_size: [60k], task: [cb], seed: [0, 1, 2]}
defaults:
  {prompt_length: 2, prompt_init: class_label, pretraining_objective: span_corruption,
   lm_adaptation_steps: 0}
settings:
  shared: {train_examples: 16, dev_examples: 8, batch_size: 4}
  prompt_tuning: {train_steps: 8, eval_every: 8, learning_rate: 0.3}
execution: {store: STORE, workers: 2, pack_size: 1}
"""
RUN = ["python", "-m", "sweeps", "run", "tiny.yaml"]


def write_spec(folder: Path, store: str) -> None:
    """The spec, into a checkout."""
    (folder / "tiny.yaml").write_text(SPEC.replace("STORE", store))


@pytest.fixture
def one() -> Iterator[Network]:
    """A host."""
    with network("head") as net:
        yield net


@pytest.fixture
def three() -> Iterator[Network]:
    """Three hosts."""
    with network("head", "w1", "w2") as net:
        yield net


def test_a_job_runs_a_spec(one: Network) -> None:
    """`ray job submit` without the code, with another exit code, or whose results Ray deletes."""
    head, folder, store = one.hosts["head"], checkout(one.base / "checkout"), one.base / "store"
    start_ray(head, "--num-cpus=2", "--include-dashboard=true")
    submit = ["ray", "job", "submit", "--address=http://127.0.0.1:8265", "--working-dir=.", "--"]

    write_spec(folder, "results/tiny")
    done = head.run([*submit, *RUN], folder)
    assert done.returncode == 1, done.stdout
    assert "results/tiny lies in the working directory of a Ray job" in done.stdout
    assert "Traceback" not in done.stdout

    write_spec(folder, str(store))
    done = head.run([*submit, *RUN], folder)
    assert done.returncode == 0, done.stdout
    assert "tiny: all 3 trials are done" in done.stdout
    assert len(list(Store(store).records())) == 3


def test_nodes_that_cannot_take_part_are_named(three: Network) -> None:
    """A worker that fills a folder of its own, or trains with other code, until somebody looks.

    And one that no submit could use again, for it had a module that was renamed.
    """
    head, blind, other = three.hosts.values()
    folder, store = checkout(three.base / "checkout"), three.base / "shared" / "store"
    elsewhere = shutil.copytree(folder, three.base / "elsewhere")
    with (elsewhere / "runners" / "store.py").open("a") as file:
        file.write("# other\n")
    store.parent.mkdir()
    blind.run(["mount", "-t", "tmpfs", "tmpfs", str(store.parent)])
    other.run(["mount", "--bind", str(elsewhere), str(folder)])
    write_spec(folder, str(store))
    start_ray(head, "--num-cpus=2", "--include-dashboard=false")
    for host in (blind, other):
        start_ray(host, "--num-cpus=2", head=head)

    done = head.run(RUN, folder, RAY_ADDRESS="auto")
    assert done.returncode == 2, done.stdout
    assert "nothing was started, for not every node can take part:" in done.stdout
    said = [line for line in done.stdout.splitlines() if line.startswith("  node ")]
    assert len(said) == 2, done.stdout
    assert f"  node w1 ({blind.address}), store: does not see what is written here; " in done.stdout
    assert f"  node w2 ({other.address}): has code " in done.stdout
    assert list(Store(store).records()) == []
    assert blind.run(["ls", str(store.parent)]).stdout == ""
    doctor = head.run(["python", "-m", "sweeps", "doctor", "tiny.yaml"], folder, RAY_ADDRESS="auto")
    assert doctor.returncode == 2
    assert f"ok    node head ({head.address}): same code, and the same store" in doctor.stdout

    # As after a sync: what is sent there is the same, and a module of before lies beside it.
    shutil.copy(folder / "runners" / "store.py", elsewhere / "runners" / "store.py")
    (elsewhere / "runners" / "old.py").touch()
    done = head.run([*RUN, "--prune-nodes"], folder, RAY_ADDRESS="auto")
    assert done.returncode == 2, done.stdout
    removed = f"node w2 ({other.address}): runners/old.py is removed: it was not submitted"
    assert removed in done.stdout
    assert not (elsewhere / "runners" / "old.py").exists()
    assert "has code" not in done.stdout

    other.end()
    blind.run(["umount", str(store.parent)])
    done = head.run(RUN, folder, RAY_ADDRESS=f"{head.address}:6379")
    assert done.returncode == 0, done.stdout
    assert {r.provenance["host"] for r in Store(store).records()} <= {"head", "w1"}
    assert json.loads((store / "layout.json").read_text())

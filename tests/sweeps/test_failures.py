"""Failures: how an error gets from a worker to the store with its class and its words."""

import pickle
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from ray.exceptions import ActorDiedError, OutOfMemoryError, RayActorError, RayTaskError

from runners.config import AdaptationConfig, to_mapping
from runners.record import FAILURES
from runners.storage.defects import Defect, DefectError
from runners.store import Store
from runners.training.trial import Diverged
from sweeps.failures import Explained, Loss, PackError, loss_of, loss_of_text, record
from sweeps.packs import Pack
from sweeps.spec import SweepSpec

Act = Callable[..., None]


class Unpicklable(Exception):
    """An error that cannot be made again from its arguments."""

    def __init__(self, where: str, *, why: str) -> None:
        super().__init__(f"{where}: {why}")


def raised(error: BaseException) -> Loss:
    """What comes of an error that a worker raised, after it crossed to the driver."""
    with pytest.raises(PackError) as caught, Explained():
        raise error
    return loss_of(_across(caught.value))


def _across(error: PackError) -> BaseException:
    """What Ray makes of a worker's error on its way to the driver."""
    wrap: Callable[..., BaseException] = RayTaskError
    return wrap("train", "trace", pickle.loads(pickle.dumps(error)), "t", 1, "ip")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (Diverged("loss nan at step 2"), "diverged", "Diverged: loss nan at step 2"),
        (MemoryError("no room"), "out_of_memory", "MemoryError: no room"),
        (torch.OutOfMemoryError("CUDA"), "out_of_memory", "OutOfMemoryError: CUDA"),
        (ValueError("bad"), "code", "ValueError: bad"),
        (Unpicklable("here", why="x"), "code", "Unpicklable: here: x"),
        (
            DefectError("r", [Defect(path="p", problem="is torn", remedy="mend it")]),
            "code",
            "DefectError: store r: 1 defect\np: is torn; mend it",
        ),
    ],
)
def test_an_error_of_a_worker_keeps_its_class_and_words(
    error: Exception, kind: str, message: str
) -> None:
    """An error that the driver cannot unpickle ends the sweep; one without words helps nobody."""
    loss = raised(error)
    assert loss.kind == kind
    assert loss.kind in FAILURES
    assert loss.message.startswith(message)


def test_a_rank_that_died_before_it_was_asked_may_be_replaced() -> None:
    """A group that is given up as faulty code, for its first rank was killed between two looks."""
    loss = raised(RayActorError(error_msg="The actor is dead because its process died."))
    assert loss.kind == "lost_worker"
    assert loss.may_pass


def test_torch_without_memory_is_known(tmp_path: Path) -> None:
    """Torch says it in a plain RuntimeError, in words that differ between releases."""
    with pytest.raises(PackError) as caught, Explained():
        torch.empty(10**16)
    assert caught.value.loss.kind == "out_of_memory"


def test_only_errors_of_code_carry_their_traceback() -> None:
    """A table of failures in which each fills a screen, or a bug without its line."""
    assert "Traceback" not in raised(Diverged("nan")).message
    assert "in raised" in raised(ValueError("bad")).message


def test_a_stop_is_no_failure() -> None:
    """Ctrl-C in a worker that is taken for an error of the trial."""
    with pytest.raises(KeyboardInterrupt), Explained():
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("error", "kind"), [(ActorDiedError(), "lost_worker"), (ImportError("no torch"), "code")]
)
def test_what_ray_itself_says(error: Exception, kind: str) -> None:
    """A node that went away must not look like a bug."""
    assert loss_of(error).kind == kind


def test_only_what_is_owed_has_failed(spec: SweepSpec, store: Store, commit: Act) -> None:
    """A result with a failure beside it, or a failure without its config."""
    done, owed = (trial.config for trial in spec.trials[:2])
    commit(done.trial_id)
    pack = Pack(name="p", cost=1.0, trials=(done, owed))
    record(store, pack, Loss(kind="code", message="why"))
    (failure,) = store.failures()
    assert (failure.trial_id, failure.kind, failure.message) == (owed.trial_id, "code", "why")
    assert failure.config == to_mapping(owed)
    assert "versions" in failure.provenance


def test_a_failure_leaves_no_empty_attempt(spec: SweepSpec, store: Store) -> None:
    """Folders that look like attempts of which files were lost."""
    config = spec.trials[0].config
    record(store, Pack(name="p", cost=1.0, trials=(config,)), Loss(kind="code", message=""))
    assert not list(Path(store.root, "trials").glob("*/*/*"))


def test_an_adaptation_fails_under_the_id_of_its_run(store: Store, commit: Act) -> None:
    """A failure that the plan looks for under another id, or of one with all its milestones."""
    config = AdaptationConfig(
        model_family="nano",
        model_size="60k",
        batch_size=32,
        learning_rate=1e-3,
        seed=0,
        compute_dtype="float32",
    )
    pack = Pack(name="60k LM adaptation", cost=1.0, adaptation=config, milestones=(100, 200))
    commit(config.milestone_id(100))
    record(store, pack, Loss(kind="diverged", message="nan"))
    (failure,) = store.failures()
    assert failure.trial_id == config.run_id
    assert failure.config == asdict(config)
    commit(config.milestone_id(200))
    record(store, pack, Loss(kind="code", message="at its very end"))
    assert list(store.failures()) == [failure]


def test_why_a_worker_died_is_told_before_who_it_was() -> None:
    """A table of failures that shows ids, and is cut off before the cause."""
    said = "The actor died unexpectedly.\n\tclass_name: Rank\n\tpid: 7\nIts process was killed."
    assert loss_of(RayActorError(error_msg=said)).message.splitlines() == [
        "The actor died unexpectedly.",
        "Its process was killed.",
        "\tclass_name: Rank",
        "\tpid: 7",
    ]


def test_what_a_node_had_to_do_with_it_is_told() -> None:
    """A spot node that is taken back, or a full memory, for which a pack is blamed."""
    lost = loss_of(ActorDiedError())
    assert (lost.kind, lost.node, lost.may_pass) == ("lost_worker", "", True)
    died = RayActorError(error_msg="The actor died because its node has died. Node Id: 1f")
    assert loss_of(died).node == "gone"
    assert loss_of(RayActorError(preempted=True)).node == "gone"
    said = "1 worker(s) were killed due to the node running low on memory."
    memory: Callable[[str], Exception] = OutOfMemoryError
    for full in (loss_of(memory(said)), loss_of_text(f"Failure # 1\n{said}")):
        assert (full.kind, full.node, full.may_pass) == ("out_of_memory", "full", True)
    code = loss_of_text("ImportError")
    assert (code.kind, code.may_pass) == ("code", False)

"""Which packs several ranks train, what they hold, and what is said of a group that fails."""

from pathlib import Path

import pytest

from runners.catalogue import Catalogue
from runners.training.ranks import misses_another
from sweeps import driver
from sweeps.execution import Execution
from sweeps.failures import Loss
from sweeps.packs import Pack, packs_of
from sweeps.plan import survey
from sweeps.ranks import GRAVEST, _gravest, ranks_of
from sweeps.spec import SpecError, parse

GIGABYTE = 10**9


def _packs(text: str) -> list[Pack]:
    return packs_of(survey(parse(text, path="small.yaml")), workers=1, slots=4)


def test_only_what_trains_the_whole_model_has_ranks(text: str) -> None:
    """Catches prompts that are tuned by several ranks, and an adaptation by one."""
    execution = Execution(store="s", ranks={"60k": 3})
    found: dict[tuple[str, str], set[int]] = {}
    for pack in _packs(text):
        size, what = pack.name.split()[:2]
        found.setdefault((size, what), set()).add(ranks_of(pack, execution, Catalogue()))
    assert found == {
        ("60k", "LM"): {3}, ("60k", "model_tuning"): {3}, ("60k", "prompt_tuning"): {1},
        ("200k", "LM"): {1}, ("200k", "model_tuning"): {1}, ("200k", "prompt_tuning"): {1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "gigabytes", "ranks"),
    [
        (2_849_757_184, 80, 1), (11_135_332_352, 80, 2), (11_135_332_352, 40, 4),
        (60_000, 80, 1), (2_849_757_184, 24, 2),
    ],
)  # fmt: skip
def test_ranks_follow_from_memory(parameters: int, gigabytes: int, ranks: int) -> None:
    """Catches an XXL that is given one GPU, in which not even its weights have room."""
    execution = Execution(store="s", gpu_gigabytes=gigabytes, ranks={"said": 7})
    assert execution.ranks_of("xxl", parameters) == ranks
    assert 8 * parameters / ranks < gigabytes * GIGABYTE
    assert execution.ranks_of("said", parameters) == 7


def test_every_rank_holds_what_a_worker_holds() -> None:
    """Catches ranks that share one GPU, and a watcher that keeps a core from them."""
    execution = Execution(store="s", threads=3, gpus_per_worker=1.0)
    group = driver._resources(execution, "xxl", 4)
    assert group.required_resources == {"CPU": 12.0, "GPU": 4.0}
    assert group.bundles == [{"CPU": 3.0, "GPU": 1.0}] * 4
    assert group.head_bundle_is_empty
    assert not driver._resources(execution, "xxl").head_bundle_is_empty


def test_what_ended_a_group_is_told_before_what_others_saw_of_it() -> None:
    """Catches a group that ran out of memory and is told to have lost a worker."""
    losses = [Loss(kind=kind, message=kind) for kind in reversed(GRAVEST)]
    assert _gravest(losses).loss.kind == "out_of_memory"
    assert _gravest(losses[:2]).loss.kind == "code"
    assert _gravest(losses[:1]).loss.kind == "lost_worker"


def test_a_lost_rank_is_known_by_its_error() -> None:
    """Catches a rank that is killed and counts as a mistake of the code, which nobody retries."""
    gloo = RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error")
    assert misses_another(gloo)
    assert not misses_another(RuntimeError("shape mismatch"))


@pytest.mark.parametrize(
    ("ranks", "said"),
    [
        ("{60m: 2}", "execution.ranks.60m: '60m' is not a known key; did you mean '60k'?"),
        ("{60k: 0}", "execution.ranks.60k: 0 is not a whole number of 1 or more; "),
        ("2", "execution.ranks: 2 is not a mapping; "),
    ],
)
def test_ranks_that_nobody_can_have_are_mistakes(text: str, ranks: str, said: str) -> None:
    """Catches a size that is mistyped, and then trains on one device until memory runs out."""
    with pytest.raises(SpecError) as caught:
        parse(text.replace("workers: 2", f"ranks: {ranks}"), path="small.yaml")
    assert said in str(caught.value)


def test_decoder_only_models_have_no_ranks() -> None:
    """Catches a group that starts, and finds that it cannot share its model."""
    path = Path(__file__).parents[2] / "sweeps/specs/smollm2.yaml"
    text = path.read_text(encoding="utf-8").replace("workers: 2", "ranks: {135m_instruct: 2}")
    with pytest.raises(SpecError) as caught:
        parse(text, path=str(path), to_run=False)
    said = "execution.ranks.135m_instruct: 2 is not there for smollm2, for only T5 trains over "
    assert said in str(caught.value)

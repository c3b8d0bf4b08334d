"""Models that are added, replaced and removed while others ask."""

import asyncio
import dataclasses
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from runners.catalogue import Catalogue
from runners.config import from_mapping
from runners.prompt.exporting import export_peft
from runners.record import TrialRecord
from runners.serving.desk import Desk
from runners.serving.frozen import load_frozen
from runners.serving.limits import Limits
from runners.serving.models import Directory
from runners.serving.replica import Replica
from runners.serving.sources import find_models, parse_sources
from runners.store import Store

httpx = pytest.importorskip("httpx")
app = pytest.importorskip("runners.serving.app", reason="the extra `serve` is not installed")

TEXTS = ("passage: The bag is black. question: is the bag red", "Mary", "question: who has it")
Commit = Callable[..., Any]


@asynccontextmanager
async def _client(
    store: Store, *, token: str | None = None, limits: Limits | None = None, wait: float = 0.001,
    words: Sequence[str] = (),
) -> AsyncIterator[Any]:  # fmt: skip
    found = find_models(parse_sources(words or [store.root]), Catalogue())
    backbone = load_frozen(found.frozen, Catalogue())
    replica = Replica(backbone, wait=wait)
    directory = Directory(found.frozen, found.models)
    desk = Desk(directory, backbone.codec, replica, limits or Limits())
    made = app.build_app(desk, app.Upkeep(store=store, catalogue=Catalogue(), token=token))
    transport = httpx.ASGITransport(app=made)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        client.desk, client.directory = desk, directory
        yield client
    await replica.close()


def _run(scenario: Callable[[Any], Awaitable[Any]], store: Store, **more: Any) -> Any:
    async def whole() -> Any:
        async with _client(store, **more) as client:
            return await scenario(client)

    return asyncio.run(whole())


async def _put(client: Any, name: str, *trials: str, **more: Any) -> Any:
    return await client.put(f"/v1/models/{name}", json={"trials": list(trials)}, **more)


async def _ask(client: Any, name: str) -> tuple[int, tuple[str, ...]]:
    """The status, and the answers to all texts in one request."""
    body = {"model": name, "prompt": list(TEXTS), "max_tokens": 5}
    found = await client.post("/v1/completions", json=body)
    errors = [choice["error"] for choice in found.json()["choices"] if choice["error"]]
    status = 404 if errors and errors[0]["code"] == "model_not_found" else found.status_code
    return status, tuple(choice["text"] for choice in found.json()["choices"])


@pytest.fixture
def trials(commit_prompt: Commit) -> Sequence[str]:
    """Trials of one task in the store, whose prompts are of several lengths."""
    return [
        commit_prompt(task="boolq", seed=n, prompt_length=length)[0].trial_id
        for n, length in enumerate((1, 3, 7, 20))
    ]


def test_a_name_is_added_replaced_and_removed(store: Store, trials: Sequence[str]) -> None:
    """Catches a change that is said and not made, or made to another name."""

    async def scenario(client: Any) -> None:
        before = await _ask(client, "boolq")
        made = await _put(client, "mine", trials[1])
        assert (made.status_code, made.json()["prompts"][0]["id"]) == (201, trials[1])
        first = await _ask(client, "mine")
        replaced = await _put(client, "mine", trials[2])
        assert replaced.status_code == 200
        second = await _ask(client, "mine")
        assert first[1] != second[1]
        votes = await _put(client, "mine", *trials[1:])
        assert [p["id"] for p in votes.json()["prompts"]] == list(trials[1:])
        removed = await client.delete("/v1/models/mine")
        assert removed.json() == {"id": "mine", "object": "model", "deleted": True}
        assert (await _ask(client, "mine"))[0] == 404
        assert (await client.delete("/v1/models/mine")).status_code == 404
        assert await _ask(client, "boolq") == before

    _run(scenario, store)


def test_a_trial_that_ran_again_is_served_anew(store: Store, trials: Sequence[str]) -> None:
    """Catches the old prompt's answers under an id that was withdrawn and committed again."""

    async def scenario(client: Any) -> None:
        made = await _put(client, "mine", trials[2])
        before = await _ask(client, "mine")
        record = store.get(trials[2])
        assert record is not None
        store.withdraw(trials[2], "its seed was not set")
        _commit_other(store, record, torch.ones(7, 32))
        again = await _put(client, "mine", trials[2])
        assert again.status_code == 200
        (old,), (new,) = made.json()["prompts"], again.json()["prompts"]
        assert old["id"] == new["id"] == trials[2]
        assert old["key"] != new["key"]
        assert (await _ask(client, "mine"))[1] != before[1]

    _run(scenario, store)


def _commit_other(store: Store, record: TrialRecord, prompt: torch.Tensor) -> None:
    """Commit another prompt [P, H] under the id of a record that was withdrawn."""
    attempt = store.begin(record.trial_id)
    save_file({"prompt": prompt}, attempt.folder / "prompt.safetensors")
    assert attempt.commit(dataclasses.replace(record, attempt=attempt.id, files={}))


def test_no_answer_is_half_old_and_half_new(store: Store, trials: Sequence[str]) -> None:
    """Catches a request that two prompts answer, and an old answer after the put."""

    async def scenario(client: Any) -> None:
        await _put(client, "mine", trials[0])
        versions = []
        for trial in trials:
            await _put(client, "sure", trial)
            versions.append(await _ask(client, "sure"))
        assert len(set(versions)) == len(trials)
        for turn in range(8):
            old, new = versions[turn % 4], versions[(turn + 1) % 4]
            early = [asyncio.create_task(_ask(client, "mine")) for _ in range(3)]
            for _ in range(turn):
                await asyncio.sleep(0)
            putting = asyncio.create_task(_put(client, "mine", trials[(turn + 1) % 4]))
            meanwhile = [asyncio.create_task(_ask(client, "mine")) for _ in range(3)]
            assert (await putting).status_code == 200
            late = [asyncio.create_task(_ask(client, "mine")) for _ in range(3)]
            for answers in await asyncio.gather(*early, *meanwhile):
                assert answers in (old, new)
            assert await asyncio.gather(*late) == [new] * 3

    _run(scenario, store, wait=0.01)


@pytest.mark.parametrize(
    ("name", "trials", "status", "said"),
    [
        ("mine", [], 400, "has 0 trials, and a model has 1 to 64"),
        ("mine", ["0" * 16] * 65, 400, "has 65 trials"),
        ("mine", ["../../../etc"], 400, "is not 16 hex digits"),
        ("mine", ["0" * 16], 409, "is not committed"),
        ("mine", ["{boolq}", "{boolq}"], 409, "votes twice"),
        ("mine", ["{boolq}", "{rte}"], 409, "let prompts of one task vote"),
        ("mine", ["{other}"], 409, "serve it with its own model"),
        ("mine", ["{narrow}"], 409, "has vectors of 8 numbers where those served have 32"),
        ("-mine", ["{boolq}"], 409, "choose another name"),
        ("x" * 65, ["{boolq}"], 409, "choose another name"),
    ],
)
def test_what_cannot_be_served_is_refused_and_nothing_changes(
    store: Store, commit_prompt: Commit, name: str, trials: Sequence[str], status: int, said: str
) -> None:
    """Catches a prompt that is put before a model that it does not fit."""
    boolq = commit_prompt(task="boolq")[0]
    ids = {
        "boolq": boolq.trial_id,
        "rte": commit_prompt(task="rte")[0].trial_id,
        "narrow": _narrow(store, dataclasses.replace(boolq, metrics={"score": 1.0})),
        "other": commit_prompt(task="boolq", model_size="200k", score=1.0)[0].trial_id,
    }

    async def scenario(client: Any) -> None:
        before = (await client.get("/v1/models")).json()
        found = await _put(client, name, *(trial.format(**ids) for trial in trials))
        assert found.status_code == status
        assert said in found.json()["error"]["message"]
        assert (await client.get("/v1/models")).json() == before

    _run(scenario, store)


def _narrow(store: Store, record: TrialRecord) -> str:
    """A trial like that of a record, whose prompt has 8 numbers a position."""
    config = {**record.config, "seed": 6}
    trial_id = from_mapping(config).trial_id
    attempt = store.begin(trial_id)
    save_file({"prompt": torch.zeros(5, 8)}, attempt.folder / "prompt.safetensors")
    changes = {"trial_id": trial_id, "attempt": attempt.id, "config": config, "files": {}}
    assert attempt.commit(dataclasses.replace(record, **changes))
    return trial_id


@pytest.mark.parametrize("given", [None, "Bearer", "Bearer other", "secret", "Basic secret"])
def test_with_a_token_only_who_has_it_changes_anything(
    store: Store, trials: Sequence[str], given: str | None
) -> None:
    """Catches a change by whoever reaches the server, and a token that nobody is let in with."""

    async def scenario(client: Any) -> None:
        headers = {} if given is None else {"Authorization": given}
        assert (await _put(client, "mine", trials[0], headers=headers)).status_code == 401
        gone = await client.delete("/v1/models/boolq", headers=headers)
        assert gone.json()["error"]["code"] == "no_token"
        assert gone.headers["www-authenticate"] == "Bearer"
        right = {"Authorization": "Bearer secret"}
        assert (await _put(client, "mine", trials[0], headers=right)).status_code == 201
        assert (await client.delete("/v1/models/boolq", headers=right)).status_code == 200

    _run(scenario, store, token="secret")


def test_names_have_an_end(store: Store, trials: Sequence[str]) -> None:
    """Catches a directory that grows until memory is full; replacing goes on."""

    async def scenario(client: Any) -> None:
        assert (await _put(client, "second", trials[0])).status_code == 201
        full = await _put(client, "third", trials[0])
        assert full.json()["error"]["code"] == "too_many_models"
        assert (await _put(client, "second", trials[1])).status_code == 200

    _run(scenario, store, limits=Limits(models=2))


def test_names_that_are_put_together_stay_within_their_number(
    store: Store, trials: Sequence[str]
) -> None:
    """Catches a limit that is looked at before the trials are read, and passed while they are."""

    async def scenario(client: Any) -> None:
        putting = [_put(client, f"m{n}", trials[n % 4]) for n in range(6)]
        found = await asyncio.gather(*putting)
        assert sorted(each.status_code for each in found) == [201, 400, 400, 400, 400, 400]
        assert len((await client.get("/v1/models")).json()["data"]) == 2

    _run(scenario, store, limits=Limits(models=2))


def test_equal_prompts_are_held_once_and_all_within_a_bound(
    store: Store, trials: Sequence[str]
) -> None:
    """Catches a front whose memory grows with every name of a prompt that it has."""
    of_seven = 7 * 32 * 4

    async def scenario(client: Any) -> None:
        directory = client.directory
        (best,) = directory.models["boolq"].prompts
        most = best.vectors.nbytes + of_seven
        client.desk.limits = Limits(prompt_bytes=most)
        for n in range(5):
            assert (await _put(client, f"m{n}", trials[2])).status_code == 201
        assert len({id(directory.models[f"m{n}"].prompts[0].vectors) for n in range(5)}) == 1
        full = await _put(client, "more", trials[1])
        assert (full.status_code, full.json()["error"]["code"]) == (400, "too_many_prompts")
        assert f"and may have {most}; remove a model" in full.json()["error"]["message"]
        client.desk.limits = Limits(prompt_bytes=most + 3 * 32 * 4)
        assert (await _put(client, "more", trials[1])).status_code == 201

    _run(scenario, store)


def test_a_put_that_takes_too_long_changes_nothing(
    store: Store, trials: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a store that hangs and holds its client for ever, and a change after a refusal."""
    let_go, upkeep = threading.Event(), sys.modules["runners.serving.upkeep"]
    read = upkeep.model_of

    def slow(*given: Any) -> Any:
        assert let_go.wait(10)
        return read(*given)

    monkeypatch.setattr(upkeep, "model_of", slow)

    async def scenario(client: Any) -> None:
        late = await _put(client, "mine", trials[0])
        assert (late.status_code, late.json()["error"]["code"]) == (503, "too_late")
        let_go.set()
        assert "mine" not in client.directory.models

    _run(scenario, store, limits=Limits(seconds=0.2))


def test_trials_of_the_same_weights_elsewhere_are_served(
    store: Store, commit_prompt: Commit, tmp_path: Path
) -> None:
    """Catches a server of an exported model that refuses every trial of the store it came from."""
    first, second = (commit_prompt(task="rte", seed=n)[0] for n in range(2))
    folder = export_peft(first, store, Catalogue(), tmp_path / "out", with_model=True)

    async def scenario(client: Any) -> None:
        assert (await _put(client, "mine", second.trial_id)).status_code == 201
        assert (await _ask(client, "mine"))[0] == 200

    _run(scenario, store, words=[str(folder)])
    found = find_models(parse_sources([str(folder), store.root, "seed=1"]), Catalogue())
    assert [model.name for model in found.models] == ["rte", f"rte-{second.trial_id}"]
    assert len({p.frozen for model in found.models for p in model.prompts}) == 1


def test_trials_of_other_weights_are_refused_and_no_path_is_told(
    store: Store, commit_prompt: Commit, tmp_path: Path
) -> None:
    """Catches a prompt before weights that it was not tuned on, and folders told to strangers."""
    first, second = (commit_prompt(task="rte", seed=n)[0] for n in range(2))
    folder = export_peft(first, store, Catalogue(), tmp_path / "out", with_model=True)
    weights = folder.parent / "base" / "model.safetensors"
    save_file({n: t + 1 for n, t in load_file(weights).items()}, weights, {"format": "pt"})
    damaged = commit_prompt(task="rte", seed=2)[0].trial_id
    Path(store.path(damaged, "prompt.safetensors")).write_bytes(b"")

    async def scenario(client: Any) -> None:
        for trial, said in (
            (second.trial_id, "was tuned on other weights of nano 60k in float32"),
            (damaged, "is not what was committed; withdraw the trial"),
            ("0" * 16, "is not committed in store (a path of the server)"),
        ):
            found = await _put(client, "mine", trial)
            assert found.status_code == 409
            assert said in found.json()["error"]["message"]
            assert str(tmp_path) not in found.text
            assert "/" not in found.json()["error"]["message"]
        assert "mine" not in client.directory.models

    _run(scenario, store, words=[str(folder)])

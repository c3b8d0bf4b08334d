"""Questions to a random model, and what it is that asks them."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from runners.catalogue import Catalogue
from runners.config import from_mapping
from runners.model.backbone import Weights
from runners.model.t5_backbone import T5Backbone
from runners.serving.desk import Desk
from runners.serving.engine import Asked
from runners.serving.frozen import Frozen
from runners.serving.limits import Limits
from runners.serving.models import Directory, ServedPrompt, served_model, served_prompt
from runners.serving.protocol import Query
from runners.serving.replica import Replica

END = 1
MakeAsked = Callable[..., Asked]


@pytest.fixture(scope="session")
def loud(backbone: T5Backbone) -> T5Backbone:
    """The random model with a loud end-of-sequence, so that some answers end early."""
    output = backbone.weights["lm_head.weight"].clone()
    output[END] *= 3
    weights: Weights = {**backbone.weights, "lm_head.weight": output}
    return T5Backbone(**{**vars(backbone), "weights": weights})


@pytest.fixture(scope="session")
def prompts(backbone: T5Backbone) -> Mapping[int, torch.Tensor]:
    """A prompt of each of several lengths, by its length."""
    generator = torch.Generator().manual_seed(2)
    return {
        length: torch.randn(length, backbone.width, generator=generator)
        for length in (1, 2, 5, 11, 20)
    }


@pytest.fixture(scope="session")
def make_asked(prompts: Mapping[int, torch.Tensor]) -> MakeAsked:
    """A question of `tokens` to the prompt of a length, drawn from a seed."""

    def make(
        length: int = 5, tokens: int = 7, *, seed: int = 0, limit: int = 6, choices: int = 0
    ) -> Asked:
        rng = np.random.default_rng([seed, tokens])
        ids = tuple(int(i) for i in rng.integers(3, 600, size=tokens))
        words = tuple(
            (*(int(i) for i in rng.integers(3, 600, size=size)), END)
            for size in rng.integers(1, 4, size=choices)
        )
        query = Query(prompt=f"p{length}", input_ids=ids, limit=limit, choices=words)
        return Asked(query=query, prompt=prompts[length])

    return make


LENGTHS = {"boolq": 5, "rte": 11, "wic": 1, "record": 20}


@pytest.fixture(scope="session")
def directory(prompts: Mapping[int, torch.Tensor]) -> Directory:
    """Four tasks with prompts of different lengths, and three voters on BoolQ."""
    made = {}
    for (task, length), seed in zip(LENGTHS.items(), range(4), strict=True):
        made[task] = _served(task, prompts[length], seed)
    voters = [_served("boolq", prompts[length], length) for length in (2, 5, 11)]
    models = [served_model(task, [prompt]) for task, prompt in made.items()]
    return Directory(FROZEN, [*models, served_model("boolq-vote", voters)])


FROZEN = Frozen(family="nano", size="60k", dtype="float32")


def _served(task: str, prompt: torch.Tensor, seed: int) -> ServedPrompt:
    config = from_mapping(
        {
            "method": "prompt_tuning", "model_family": "nano", "model_size": "60k",
            "pretraining_objective": "span_corruption", "lm_adaptation_steps": 0,
            "prompt_length": len(prompt), "prompt_init": "class_label", "task": task,
            "seed": seed, "train_steps": 6, "eval_every": 3, "batch_size": 4,
            "learning_rate": 0.3, "target_length": 6, "input_length": 64,
        }
    )  # fmt: skip
    return served_prompt(prompt.numpy(), config, FROZEN, Catalogue(), trial=config.trial_id)


TEXT = "passage: The bag is black. question: is the bag red"
_GOOD = {"model": "boolq", "prompt": TEXT}
_LABEL = {"model": "boolq", "input": TEXT}
_DEEP = b'{"model": ' + b"[" * 1500 + b"]" * 1500 + b"}"


def _with(**changes: Any) -> bytes:
    return json.dumps({**_GOOD, **changes}).encode()


def _class(**changes: Any) -> bytes:
    return json.dumps({**_LABEL, **changes}).encode()


COMPLETE, CLASSIFY, MODELS = "/v1/completions", "/v1/classify", "/v1/models"
LIMITS = Limits(body_bytes=4096, items=8, characters=2000, answer_tokens=16, body_seconds=0.3)
HOSTILE: Sequence[tuple[str, str, bytes, int]] = (
    # What is no JSON, or not of the form.
    ("POST", COMPLETE, b"", 400),
    ("POST", COMPLETE, b"{", 400),
    ("POST", COMPLETE, b"null", 400),
    ("POST", COMPLETE, b"[]", 400),
    ("POST", COMPLETE, b'"text"', 400),
    ("POST", COMPLETE, b"NaN", 400),
    ("POST", COMPLETE, b"\xff\xfe\x00", 400),
    ("POST", COMPLETE, b"\x00" * 100, 400),
    ("POST", COMPLETE, b'{"model": "boolq", "prompt": "\xff"}', 400),
    ("POST", COMPLETE, _DEEP, 400),
    ("POST", COMPLETE, b'{"model": "boolq", "prompt": "x"} {}', 400),
    ("POST", COMPLETE, b'{"model": "boolq"}', 400),
    ("POST", COMPLETE, b'{"prompt": "x"}', 400),
    ("POST", COMPLETE, b"{}", 400),
    ("POST", COMPLETE, b'{"model": "boolq", "prompt": "x", "max_tokens": NaN}', 400),
    ("POST", COMPLETE, b'{"model": "boolq", "prompt": "x", "temperature": NaN}', 400),
    ("POST", COMPLETE, b'{"model": "boolq", "prompt": "x", "temperature": 1e999}', 400),
    ("POST", COMPLETE, b'{"model": "rte", "prompt": "x", "max_tokens": ' + b"9" * 3000 + b"}", 400),
    ("POST", COMPLETE, b"model=boolq&prompt=x", 400),
    ("POST", COMPLETE, b"<xml/>", 400),
    # Values of other types and beyond their bounds.
    ("POST", COMPLETE, _with(prompt=None), 400),
    ("POST", COMPLETE, _with(prompt=5), 400),
    ("POST", COMPLETE, _with(prompt={}), 400),
    ("POST", COMPLETE, _with(prompt=[]), 400),
    ("POST", COMPLETE, _with(prompt=[TEXT, 5]), 400),
    ("POST", COMPLETE, _with(prompt=[[1, 2, 3]]), 400),
    ("POST", COMPLETE, _with(prompt=["x"] * 9), 400),
    ("POST", COMPLETE, _with(prompt="word " * 300), 400),
    ("POST", COMPLETE, _with(prompt="x" * 2001), 400),
    ("POST", COMPLETE, _with(prompt="\ud800"), 400),
    ("POST", COMPLETE, _with(model="\udfff"), 400),
    ("POST", COMPLETE, _with(model=["boolq", "rte"]), 400),
    ("POST", COMPLETE, _with(model=[]), 400),
    ("POST", COMPLETE, _with(model=None), 400),
    ("POST", COMPLETE, _with(max_tokens=0), 400),
    ("POST", COMPLETE, _with(max_tokens=-1), 400),
    ("POST", COMPLETE, _with(max_tokens=17), 400),
    ("POST", COMPLETE, _with(max_tokens=10**30), 400),
    ("POST", COMPLETE, _with(max_tokens="5"), 400),
    ("POST", COMPLETE, _with(max_tokens=1.5), 400),
    ("POST", COMPLETE, _with(max_tokens=True), 400),
    ("POST", COMPLETE, _with(temperature=0.7), 400),
    ("POST", COMPLETE, _with(temperature="hot"), 400),
    ("POST", COMPLETE, _with(n=2), 400),
    ("POST", COMPLETE, _with(stream="yes"), 400),
    ("POST", COMPLETE, _with(stream=True, prompt=[TEXT]), 400),
    ("POST", COMPLETE, _with(stream=True, model="boolq-vote"), 400),
    ("POST", COMPLETE, _with(best_of=3), 400),
    ("POST", COMPLETE, _with(n=True), 400),
    ("POST", COMPLETE, _with(top_p=0.9), 400),
    ("POST", COMPLETE, _with(stop="."), 400),
    ("POST", COMPLETE, _with(stop=["."]), 400),
    ("POST", COMPLETE, _with(logprobs=0), 400),
    ("POST", COMPLETE, _with(echo=True), 400),
    ("POST", COMPLETE, _with(frequency_penalty=0.5), 400),
    ("POST", COMPLETE, _with(presence_penalty=-1), 400),
    ("POST", COMPLETE, _with(logit_bias={"5": 100}), 400),
    ("POST", COMPLETE, _with(suffix="x"), 400),
    ("POST", COMPLETE, _with(__proto__={"a": 1}), 400),
    ("POST", COMPLETE, _with(prompt_embeds="gASVAAAA"), 400),
    # Names that are paths, code or nothing.
    ("POST", COMPLETE, _with(model=""), 404),
    ("POST", COMPLETE, _with(model="../../etc/passwd"), 404),
    ("POST", COMPLETE, _with(model="/etc/passwd"), 404),
    ("POST", COMPLETE, _with(model="boolq\x00"), 404),
    ("POST", COMPLETE, _with(model="BOOLQ"), 404),
    ("POST", COMPLETE, _with(model="{{7*7}}"), 404),
    ("POST", COMPLETE, _with(model="x" * 1000), 404),
    ("POST", COMPLETE, _with(model="boolq", stream=True, prompt="word " * 300), 400),
    ("POST", COMPLETE, _with(model="nobody", stream=True), 404),
    ("GET", f"{MODELS}/..%2f..%2fetc%2fpasswd", b"", 404),
    ("GET", f"{MODELS}/nobody", b"", 404),
    ("GET", f"{MODELS}/%00", b"", 404),
    ("GET", "/etc/passwd", b"", 404),
    ("GET", "//etc/passwd", b"", 404),
    ("GET", "/..%2f..%2fetc%2fpasswd", b"", 404),
    ("GET", "/docs", b"", 404),
    # Labels.
    ("POST", CLASSIFY, _class(model="record"), 400),
    ("POST", CLASSIFY, _class(labels=[]), 400),
    ("POST", CLASSIFY, _class(labels=["one"]), 400),
    ("POST", CLASSIFY, _class(labels=["a", "a"]), 400),
    ("POST", CLASSIFY, _class(labels=["a", ""]), 400),
    ("POST", CLASSIFY, _class(labels=["a", "b" * 201]), 400),
    ("POST", CLASSIFY, _class(labels=["a", "\ud800"]), 400),
    ("POST", CLASSIFY, _class(labels=[str(n) for n in range(33)]), 400),
    ("POST", CLASSIFY, _class(labels="a,b"), 400),
    ("POST", CLASSIFY, _class(input=[]), 400),
    ("POST", CLASSIFY, _class(prompt=TEXT), 400),
    # Methods and upkeep without a store.
    ("GET", COMPLETE, b"", 405),
    ("DELETE", COMPLETE, b"", 405),
    ("PATCH", COMPLETE, b"{}", 405),
    ("TRACE", COMPLETE, b"", 405),
    ("POST", MODELS, b"{}", 405),
    ("PUT", f"{MODELS}/new", b'{"trials": ["0123456789abcdef"]}', 403),
    ("PUT", f"{MODELS}/new", b'{"trials": "/etc/passwd"}', 400),
    ("PUT", f"{MODELS}/new", b'{"path": "/etc/passwd"}', 400),
    ("DELETE", f"{MODELS}/boolq", b"", 403),
    # Sizes.
    ("POST", COMPLETE, b" " * 5000, 413),
    ("POST", COMPLETE, _with(prompt="x" * 4200), 413),
)  # fmt: skip


@pytest.fixture(scope="session")
def run_app(loud: T5Backbone, directory: Directory) -> Callable[..., Any]:
    """Runs a scenario, a coroutine function of a client of the application; gives its result.

    The client has the application's desk. `codec` stands in for that of the model.
    """
    httpx = pytest.importorskip("httpx")
    app = pytest.importorskip("runners.serving.app", reason="the extra `serve` is not installed")

    async def run(
        scenario: Callable[[Any], Awaitable[Any]], limits: Limits, wait: float, codec: Any
    ) -> Any:
        replica = Replica(loud, wait=wait)
        own = Directory(directory.frozen, list(directory.models.values()))
        desk = Desk(own, codec or loud.codec, replica, limits)
        made = app.build_app(desk, app.Upkeep(store=None, catalogue=Catalogue()))
        transport = httpx.ASGITransport(app=made, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            client.desk = desk
            found = await scenario(client)
        await replica.close()
        return found

    def run_whole(
        scenario: Callable[[Any], Awaitable[Any]], *, limits: Limits = LIMITS, wait: float = 0.001,
        codec: Any = None,
    ) -> Any:  # fmt: skip
        return asyncio.run(run(scenario, limits, wait, codec))

    return run_whole


@pytest.fixture(scope="session")
def hostile() -> Sequence[tuple[str, str, bytes, int]]:
    """Requests that deserve no answer: method, path, body, and the status that they deserve."""
    return HOSTILE

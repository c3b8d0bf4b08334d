"""Serving under Ray Serve: replicas of the frozen model behind one HTTP front.

Of serving, only this module knows Ray.

A question names its prompt by a hash of its numbers, and a
replica that lacks it asks back for its vectors; so replicas come and go, and
prompts are replaced, without a replica ever holding what is stale. A replica
that dies has its questions asked once more, of another.
"""

import dataclasses
import logging
import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from runners.catalogue import Catalogue
from runners.prompt.vectors import Vectors
from runners.serving.app import build_app
from runners.serving.batching import TOKENS, WAIT_SECONDS
from runners.serving.cluster import (
    APP,
    FRONT,
    MODEL,
    TOKEN_VARIABLE,
    read_arguments,
    require_seen,
)
from runners.serving.desk import Desk
from runners.serving.frozen import Frozen, load_codec, load_frozen
from runners.serving.guard import LOG, App, note
from runners.serving.limits import Limits
from runners.serving.models import Directory, ServedModel
from runners.serving.protocol import Answer, Failed, Missing, NotComputed, Query, Unavailable
from runners.serving.replica import Replica
from runners.serving.upkeep import Upkeep
from runners.store import Store

_GONE = (RayActorError, DeploymentUnavailableError, BackPressureError)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setup:
    """Everything that a front and its replicas are made from; it travels to them as it is."""

    models: tuple[ServedModel, ...]
    frozen: Frozen
    store: str | None = None
    catalogue: Catalogue = dataclasses.field(default_factory=Catalogue)
    limits: Limits = dataclasses.field(default_factory=Limits)
    device: str = "cpu"
    threads: int = 1
    tokens: int = TOKENS
    wait: float = WAIT_SECONDS
    token: str | None = None


class ModelReplica:
    """A replica as an actor."""

    def __init__(self, setup: Setup) -> None:
        import torch

        require_seen("model", (setup.frozen.folder, setup.frozen.store))
        torch.set_num_threads(setup.threads)
        backbone = load_frozen(setup.frozen, setup.catalogue, device=setup.device)
        self._stuck_seconds = setup.limits.stuck_seconds
        self._replica = Replica(
            backbone, tokens=setup.tokens, wait=setup.wait, stuck_seconds=self._stuck_seconds
        )
        # So that a prompt of another width stops the start, and not each of its questions.
        for prompt in (p for model in setup.models for p in model.prompts):
            self._replica.bank.put(prompt.key, prompt.vectors)

    async def answer(
        self, queries: Sequence[Query], prompts: Mapping[str, Vectors]
    ) -> list[Answer | Failed] | Missing:
        """As `Replica.answer`."""
        return await self._replica.answer(queries, prompts)

    async def tokens(
        self, query: Query, prompts: Mapping[str, Vectors]
    ) -> AsyncGenerator[int | Answer | Missing | Failed, None]:
        """As `Replica.tokens`."""
        async for token in self._replica.tokens(query, prompts):
            yield token

    async def is_ready(self) -> bool:
        """As `Replica.is_ready`."""
        return await self._replica.is_ready()

    async def check_health(self) -> None:
        """Ray Serve replaces a replica where this raises three times; RuntimeError if it is stuck.

        Its event loop answers whatever the model's thread does, so Serve would not notice else.
        """
        if not await self._replica.is_ready():
            raise RuntimeError(
                f"the model has been at one batch for more than {self._stuck_seconds:g} seconds; "
                "raise limits.stuck_seconds where batches take so long, or lower tokens"
            )


class Replicas:
    """All replicas as one `Backend`."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle

    async def ask(
        self, queries: Sequence[Query], prompts: Mapping[str, Vectors]
    ) -> list[Answer | Failed]:
        """As `Backend.ask`; asked once more where a replica died with it."""
        try:
            return await self._ask(queries, prompts)
        except _GONE:
            note(logging.WARNING, lost="a replica; its questions are asked again")
        try:
            return await self._ask(queries, prompts)
        except _GONE as error:
            raise _unavailable() from error

    async def _ask(
        self, queries: Sequence[Query], prompts: Mapping[str, Vectors]
    ) -> list[Answer | Failed]:
        found: list[Answer | Failed] | Missing = await self._handle.answer.remote(list(queries), {})
        if isinstance(found, Missing):
            found = await self._handle.answer.remote(list(queries), dict(prompts))
        assert not isinstance(found, Missing)
        return found

    async def stream(
        self, query: Query, prompts: Mapping[str, Vectors]
    ) -> AsyncGenerator[int | Answer, None]:
        """As `Backend.stream`; asked once more where a replica died with it.

        What was said is not said again, and is not gone on from by a replica that says another
        thing: raises `Unavailable` then.
        """
        said: list[int] = []
        try:
            async for token in self._tokens(query, prompts, said):
                yield token
            return
        except _GONE:
            note(logging.WARNING, lost="a replica; its stream is asked for again")
        try:
            async for token in self._tokens(query, prompts, said):
                yield token
        except _GONE as error:
            raise _unavailable() from error

    async def _tokens(
        self, query: Query, prompts: Mapping[str, Vectors], said: list[int]
    ) -> AsyncGenerator[int | Answer, None]:
        """Tokens beyond those `said`, which they are added to, and the answer."""
        place, before = 0, len(said)
        streaming: Any = self._handle.options(stream=True)
        async for told in streaming.tokens.remote(query, dict(prompts)):
            if isinstance(told, Failed):
                raise NotComputed(told.message)
            if isinstance(told, Answer):
                _require_same(list(told.ids[:before]), said[:before])
                yield told
            elif place < before:
                _require_same([told], said[place : place + 1])
            else:
                said.append(told)
                yield told
            place += 1

    async def is_ready(self) -> bool:
        """Whether a replica answers that it is."""
        try:
            return bool(await self._handle.is_ready.remote())
        except (*_GONE, RayTaskError):
            return False


def _unavailable() -> Unavailable:
    return Unavailable("the replica died, and so did the one that was asked after it; try again")


def _require_same(told: list[int], said: list[int]) -> None:
    """Raises `Unavailable` where a second replica says another thing than the first one did."""
    if told != said:
        raise Unavailable(
            "the replica died after a part of the answer, and another one answers otherwise; "
            "ask again"
        )


def build(setup: Setup, *, replicas: Mapping[str, Any] | None = None) -> serve.Application:
    """The application: a front, and replicas as `replicas` says in the words of Ray Serve."""
    options = {"num_replicas": 1, "max_ongoing_requests": 1024, "health_check_period_s": 2}
    quiet = {"enable_access_log": False}  # The front logs requests itself.
    own = {**options, "logging_config": quiet, **(replicas or {})}
    model: Any = serve.deployment(name=MODEL, **own)(ModelReplica)

    @serve.ingress(lambda: _front(setup))
    class Front:
        """Answers HTTP; holds the names, the tokenizer and no model."""

        def __init__(self, _: DeploymentHandle[Any]) -> None:
            """The model is bound, so that it is deployed together with its front."""

    front: Any = serve.deployment(
        name=FRONT, num_replicas=1, max_ongoing_requests=4096,
        ray_actor_options={"num_cpus": 0}, logging_config=quiet,
    )(Front)  # fmt: skip
    application: serve.Application = front.bind(model.bind(setup))
    return application


def _front(setup: Setup) -> App:
    """The front's ASGI application, made where it runs."""
    if not LOG.handlers:
        LOG.addHandler(logging.StreamHandler(sys.stderr))
    LOG.setLevel(logging.INFO)
    copies = serve.get_replica_context().world_size
    if copies > 1:
        raise ValueError(
            f"deployment {FRONT}: num_replicas {copies} is more than 1, and what one front has "
            f"changed another would not serve; write 1, and give replicas to {MODEL}"
        )
    require_seen("model", (setup.frozen.folder,))
    require_seen("store", (setup.store,))
    handle = serve.get_deployment_handle(MODEL)
    desk = Desk(
        Directory(setup.frozen, setup.models), load_codec(setup.frozen, setup.catalogue),
        Replicas(handle), setup.limits,
    )  # fmt: skip
    store = Store(setup.store) if setup.store else None
    upkeep = Upkeep(store=store, catalogue=setup.catalogue, token=setup.token)
    return build_app(desk, upkeep, echoed=True)  # By Serve's proxy.


def app(args: dict[str, Any]) -> serve.Application:
    """The application of a config file, whose `args` it reads (`runners.serving.cluster`).

    Raises ValueError with every mistake; Ray Serve shows it as the state of the application.
    """
    arguments = read_arguments(args)
    store, token = arguments.changing_store(), os.environ.get(TOKEN_VARIABLE)
    if store and not token:
        raise ValueError(
            f"store {store}: whoever reaches the server could change what is served from it; "
            f"set {TOKEN_VARIABLE} below env_vars of the application's runtime_env"
        )
    found, catalogue = arguments.found()
    given = {name: getattr(arguments, name) for name in ("tokens", "wait")}
    return build(
        Setup(
            models=found.models, frozen=found.frozen, store=store, catalogue=catalogue,
            limits=arguments.limits, device=arguments.device, threads=arguments.threads,
            token=token, **{name: value for name, value in given.items() if value is not None},
        )
    )  # fmt: skip


def start(setup: Setup, *, host: str, port: int, replicas: int) -> Callable[[], None]:
    """Serve from a Ray of this process, HTTP on `host` and `port`; returns what stops it.

    Where Ray's own processes listen is as it was when Ray was imported (docs/serving.md).
    """
    ray.init(
        address="local", num_cpus=replicas, include_dashboard=False, configure_logging=False,
        log_to_driver=True,
    )  # fmt: skip
    serve.start(http_options={"host": host, "port": port, "request_timeout_s": 120})
    serve.run(build(setup, replicas={"num_replicas": replicas}), name=APP)

    def stop() -> None:
        # First of all the application, for the proxy would be gone before its last answers.
        serve.delete(APP)
        serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()

    return stop

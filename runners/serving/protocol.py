"""What is asked of a replica, and what it answers; torch-free, for those who only ask."""

import hashlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runners.prompt.vectors import Vectors


def key_of(vectors: Vectors) -> str:
    """The key of a prompt [P, H]: 16 hex digits of SHA-256 over its shape and numbers."""
    digest = hashlib.sha256(repr(vectors.shape).encode())
    digest.update(vectors.tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Query:
    """One question to one prompt: written out greedily, or chosen where there are choices."""

    prompt: str
    """The key of the prompt in the bank."""
    input_ids: tuple[int, ...]
    """T tokens, end-of-sequence included where the model wants one."""
    limit: int
    """The most tokens of an answer, end-of-sequence included."""
    choices: tuple[tuple[int, ...], ...] = ()
    """The tokens of each answer that may be chosen, end-of-sequence included."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a query, and of the batch that it was in."""

    ids: tuple[int, ...] = ()
    """Tokens of a written answer, end-of-sequence included unless it was cut at its limit."""
    log_likelihoods: tuple[float, ...] = ()
    """Of each choice, in nats, summed over its tokens."""
    batch: int = 1
    """Queries of the batch."""
    prompts: int = 1
    """Different prompts of the batch."""
    seconds: float = field(default=0.0, compare=False)
    """How long the batch took."""


@dataclass(frozen=True, kw_only=True)
class Missing:
    """The replica lacks these prompts; ask again with their vectors."""

    keys: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A query that the model could not compute, and why."""

    message: str


class NotComputed(RuntimeError):
    """A question that the model could not compute."""


class Unavailable(RuntimeError):
    """No replica answered; the same question may be asked again later."""


class Backend(Protocol):
    """Whoever answers queries: a replica in this process, or one of many elsewhere.

    `prompts` has the vectors of every prompt that the queries name.
    """

    async def ask(
        self, queries: Sequence[Query], prompts: Mapping[str, Vectors]
    ) -> list[Answer | Failed]:
        """An answer to each query, in order; raises `Unavailable` where nobody answers."""

    def stream(
        self, query: Query, prompts: Mapping[str, Vectors]
    ) -> AsyncGenerator[int | Answer, None]:
        """The tokens of one written answer as they come, and then the answer.

        Raises `Unavailable` and `NotComputed`.
        """

    async def is_ready(self) -> bool:
        """Whether a model is loaded, and busy or idle rather than stuck in a batch."""

"""What a server lets anybody ask of it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on one request, and on all that are under way together."""

    body_bytes: int = 2**20
    """Bytes of a request's body."""
    body_seconds: float = 10.0
    """How long a client may take to send one."""
    items: int = 64
    """Inputs of one request."""
    characters: int = 20_000
    """Characters of one input, before anything is tokenized."""
    answer_tokens: int = 128
    """The most tokens of an answer that can be asked for."""
    labels: int = 32
    """Labels that one classification may choose from."""
    waiting: int = 512
    """Questions to prompts under way together, beyond which a request is turned away."""
    seconds: float = 60.0
    """How long a request may take once it is read."""
    ready_seconds: float = 5.0
    """How long a replica may take to say that it is ready, before `/ready` says no."""
    stuck_seconds: float = 120.0
    """How long a batch may take; a replica that is longer at one is not ready, and is replaced."""
    models: int = 10_000
    """Names that can be served."""
    prompt_bytes: int = 2**30
    """Bytes of all their prompts together, which the front holds; equal prompts count once."""
    voters: int = 64
    """Prompts of one ensemble."""

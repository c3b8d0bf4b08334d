"""The frozen model behind one small interface.

Notation: B rows, T input tokens, P prompt positions, D target tokens, N targets, H model
width, V vocabulary.
The trainer, evaluation and serving know only `Backbone`; encoder-decoders fill
it in `t5_backbone`, decoder-only models in `causal_backbone`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor
from transformers.utils.logging import EmptyTqdm, set_tqdm_hook

from runners.model.codec import Codec
from runners.model.dropout import NONE, Dropout
from runners.prompt.soft_prompt import Prompted

Weights = Mapping[str, Tensor]
"""The weights of a model by their names in the checkpoint."""
IGNORED = -100
"""The target id of padding, which has no loss."""


class Backbone(Protocol):
    """A language model as functions of its weights, which callers may replace or train."""

    @property
    def codec(self) -> Codec:
        """From text to ids and back."""

    @property
    def dtype(self) -> torch.dtype:
        """The precision that it computes in."""

    @property
    def weights(self) -> Weights:
        """The frozen weights by their names in the checkpoint."""

    @property
    def source(self) -> str:
        """Where the weights come from: a folder, or a hub id and its commit."""

    @property
    def fingerprint(self) -> str:
        """16 hex digits that tell these weights from any others."""

    @property
    def width(self) -> int:
        """H."""

    @property
    def parameter_count(self) -> int:
        """All parameters of the model, prompts excluded."""

    @property
    def positions(self) -> int | None:
        """The most that a row may have, prompt and answer included; None where any number goes."""

    @property
    def reads_prompts_once(self) -> bool:
        """Whether `losses` computes a prompt once for all of its rows, and not along with each."""

    def embedding_table(self) -> Tensor:
        """The frozen input embedding [V, H]."""

    def embed(self, weights: Weights, ids: Tensor) -> Tensor:
        """Token ids [B, T] -> [B, T, H] in the compute dtype."""

    def losses(
        self,
        weights: Weights,
        embedded: Tensor,
        mask: Tensor,
        targets: Tensor,
        dropout: Dropout = NONE,
        *,
        prompts: Prompted | None = None,
        of_row: Tensor | None = None,
    ) -> Tensor:
        """Cross-entropy of each target token in nats, 0 where the target is `IGNORED`.

        embedded [B, T, H] behind `prompts`, mask [B, T], targets [N, D] -> [N, D]. Each
        target is that of the row at its place, or of row `of_row` [N], which is read once
        for all of its targets.
        """

    def continuations(
        self, weights: Weights, embedded: Tensor, mask: Tensor, *, limits: Sequence[int],
        prompts: Prompted | None = None,
    ) -> Iterator[Tensor]:  # fmt: skip
        """Greedy continuations, token by token: [B] at each step.

        A row ends with its end-of-sequence, or at its own limit of tokens, at least 1, and is
        given padding from then on. Ends after the step at which the last row ends.
        embedded [B, T, H] behind `prompts`, mask [B, T], `limits` for each row.
        """

    def generate(
        self, weights: Weights, embedded: Tensor, mask: Tensor, *, limit: int,
        prompts: Prompted | None = None,
    ) -> Tensor:  # fmt: skip
        """Greedy continuations of at most `limit` tokens, padded after end-of-sequence.

        embedded [B, T, H] behind `prompts`, mask [B, T] -> [B, up to limit].
        """


class Greedy:
    """Writes in one piece what a `Backbone` continues token by token."""

    @property
    def reads_prompts_once(self) -> bool:
        """Not where prompts see the input that follows them."""
        return False

    def generate(
        self: Backbone, weights: Weights, embedded: Tensor, mask: Tensor, *, limit: int,
        prompts: Prompted | None = None,
    ) -> Tensor:  # fmt: skip
        """As `Backbone.generate`."""
        limits = [limit] * len(mask)
        steps = self.continuations(weights, embedded, mask, limits=limits, prompts=prompts)
        return torch.stack([*steps], dim=1)


def device_of(weights: Weights) -> torch.device:
    """Where the weights are, and with them all that a forward pass makes."""
    return next(iter(weights.values())).device


def fewer(going: Tensor) -> Tensor | None:
    """Places of the rows that go on, once half of the computed rows or more have ended.

    Until then None: leaving rows out copies what the others have read, which takes about half of
    what these add to a step (docs/LOG.md, 2026-11-26). None also where no row goes on.
    going [R] -> [fewer].
    """
    places = going.nonzero()[:, 0]
    return places if 0 < 2 * len(places) <= len(going) else None


def at_least_float32(x: Tensor) -> Tensor:
    """x in float32, or in float64 where it is: too little would round scores and biases."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@contextmanager
def no_bars() -> Iterator[None]:
    """`transformers` without bars over its own work; a download from the hub keeps its bar."""
    before = set_tqdm_hook(lambda _, args, kwargs: EmptyTqdm(*args, **kwargs))
    try:
        yield
    finally:
        set_tqdm_hook(before)

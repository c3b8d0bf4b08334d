"""Decoder-only models behind the project's interface, through `AutoModelForCausalLM`.

Notation: B rows, T input positions, P prompt positions, D target positions, N targets,
H model width, V vocabulary. Inputs are padded on the left, so that the last
position of every row is the one that the first target token follows. Positions
are counted over what is seen, so a row feels neither padding nor neighbours.

What is before a token never sees it, so that a prompt is the same for all rows that
go on from it, and a row for all of its choices: each is read once, into a cache whose
gradients add up. Padding then lies between a prompt and a short input, where a model that
tells distance by place (sliding windows, MPT's ALiBi) would feel it: such rows have
their prompts along, behind all of their padding.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call
from transformers import DynamicCache, PreTrainedModel

from runners.model import products
from runners.model.backbone import IGNORED, Greedy, Weights, at_least_float32, device_of, fewer
from runners.model.codec import Codec
from runners.model.dropout import NONE, Dropout
from runners.prompt.soft_prompt import Prompted
from runners.training import batch_sizes


@dataclass(frozen=True, kw_only=True, eq=False)
class CausalBackbone(Greedy):
    """A decoder-only checkpoint as a `Backbone`; its `weights` never change."""

    module: PreTrainedModel
    """The model whose forward pass is used; its parameters are `weights`."""
    weights: Weights
    codec: Codec
    source: str
    fingerprint: str
    dtype: torch.dtype
    around: Callable[[PreTrainedModel], AbstractContextManager[object]] | None = None
    """What a forward pass with gradients runs in. Its layers may run twice, so none has a cache."""
    reach: int | None = None
    """The most positions of rows that do not feel padding before their inputs; None: any number."""
    common: Weights | None = None
    """What the module has its weights from, where processes have them in common."""

    @property
    def width(self) -> int:
        return self.embedding_table().shape[1]

    @property
    def vocabulary(self) -> int:
        """V, the rows of the input embedding; a tokenizer may have fewer pieces."""
        return self.weights[self._embedding_name].shape[0]

    @property
    def parameter_count(self) -> int:
        return sum(weight.numel() for weight in self.weights.values())

    @property
    def positions(self) -> int | None:
        return positions_of(self.module.config)

    @property
    def reads_prompts_once(self) -> bool:
        """As `Backbone.reads_prompts_once`, where each prompt has rows enough within `reach`."""
        return self.around is None and self.reach != 0

    def embedding_table(self) -> Tensor:
        pieces = torch.arange(len(self.codec.tokenizer), device=device_of(self.weights))
        with torch.no_grad():
            return self.embed(self.weights, pieces[None])[0]

    def embed(self, weights: Weights, ids: Tensor) -> Tensor:
        layer = self.module.get_input_embeddings()
        own = {"weight": weights[self._embedding_name].to(self.dtype)}
        embedded: Tensor = functional_call(layer, own, (ids,))
        return embedded

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
        """As `Backbone.losses`."""
        if dropout.rate:
            raise ValueError(
                f"dropout: {dropout.rate:g} is not there for decoder-only models, which are "
                "pre-trained without; give 0"
            )
        # The last token of a target is predicted and never read.
        read = targets[:, :-1]
        after = self.embed(weights, read.clamp(min=0))  # [N, D - 1, H]
        seen = (read != IGNORED).to(mask.dtype)
        if of_row is not None:
            scores = self._scores_of_choices(weights, embedded, mask, after, seen, prompts, of_row)
        elif self.around and torch.is_grad_enabled():
            if prompts:
                embedded, mask = _along(prompts, embedded, mask)
            with self.around(self.module):
                scores = self._scores_after(weights, embedded, mask, after, seen)
        else:
            embedded, mask, cache = self._behind(
                weights, embedded, mask, prompts, further=after.shape[1]
            )
            scores = self._scores_after(weights, embedded, mask, after, seen, cache)
        return F.cross_entropy(
            scores.transpose(1, 2), targets, ignore_index=IGNORED, reduction="none"
        )

    @torch.no_grad()
    def continuations(
        self, weights: Weights, embedded: Tensor, mask: Tensor, *, limits: Sequence[int],
        prompts: Prompted | None = None,
    ) -> Iterator[Tensor]:  # fmt: skip
        """As `Backbone.continuations`."""
        further = max(limits) - 1
        embedded, mask, cache = self._behind(weights, embedded, mask, prompts, further=further)
        cache = self._nothing_read() if cache is None else cache
        most = torch.tensor(limits, device=mask.device)
        rows = torch.arange(len(limits), device=mask.device)  # [R], those that are computed
        going = torch.ones_like(rows, dtype=torch.bool)
        for step in count(1):
            scores = self.scores(weights, embedded, mask, last=1, cache=cache)
            chosen = scores[:, -1].argmax(dim=-1)
            ids = torch.where(going, chosen, self.codec.pad_id)
            yield torch.full_like(most, self.codec.pad_id).index_copy(0, rows, ids)  # [B]
            going &= (ids != self.codec.end_id) & (step < most[rows])
            if not going.any():
                return
            if (kept := fewer(going)) is not None:
                rows, ids, going, mask = rows[kept], ids[kept], going[kept], mask[kept]
                _select(cache, kept)
            mask = F.pad(mask, (0, 1), value=1)
            embedded = self.embed(weights, ids[:, None])

    def _behind(
        self, weights: Weights, embedded: Tensor, mask: Tensor, prompts: Prompted | None, *,
        further: int,
    ) -> tuple[Tensor, Tensor, DynamicCache | None]:  # fmt: skip
        """Rows behind their prompts, or with a cache that has these, where that is less to read.

        embedded [B, T, H], mask [B, T] -> [B, P + T, H] or [B, T, H], and [B, P + T]. So many
        positions `further` come after them.
        """
        if not prompts:
            return embedded, mask, None
        inputs = embedded.shape[1]
        is_felt = self.reach is not None and prompts.bank.positions + inputs + further > self.reach
        used, of_row = prompts.of_row.unique(return_inverse=True)
        if batch_sizes.ROWS_A_PROMPT * len(used) > len(mask) or is_felt or not inputs:
            return *_along(prompts, embedded, mask), None
        cache = self._nothing_read()
        vectors, seen = prompts.bank.vectors[used], prompts.bank.mask[used]
        self.scores(weights, vectors.to(embedded.dtype), seen, last=0, cache=cache)
        _select(cache, of_row)
        return embedded, torch.cat((seen[of_row], mask), dim=1), cache

    def _nothing_read(self) -> DynamicCache:
        return DynamicCache(config=self.module.config)

    def _scores_after(
        self, weights: Weights, embedded: Tensor, mask: Tensor, after: Tensor, seen: Tensor,
        cache: DynamicCache | None = None,
    ) -> Tensor:  # fmt: skip
        """Scores of the token after each row, and after each of the tokens that follow it.

        `after` [B, D - 1, H] with mask `seen` [B, D - 1] -> [B, D, V].
        """
        return self.scores(
            weights, torch.cat((embedded, after), dim=1), torch.cat((mask, seen), dim=1),
            last=after.shape[1] + 1, cache=cache,
        )  # fmt: skip

    def _scores_of_choices(
        self, weights: Weights, embedded: Tensor, mask: Tensor, after: Tensor, seen: Tensor,
        prompts: Prompted | None, of_row: Tensor,
    ) -> Tensor:  # fmt: skip
        """As `_scores_after`, with rows that are read once for all that follows them.

        `after` [N, D - 1, H] follows row `of_row` [N] -> [N, D, V].
        """
        embedded, mask, cache = self._behind(
            weights, embedded, mask, prompts, further=after.shape[1]
        )
        cache = self._nothing_read() if cache is None else cache
        scores = self.scores(weights, embedded, mask, last=1, cache=cache)[of_row]  # [N, 1, V]
        if not after.shape[1]:
            return scores
        _select(cache, of_row)
        whole = torch.cat((mask[of_row], seen), dim=1)
        more = self.scores(weights, after, whole, last=after.shape[1], cache=cache)
        return torch.cat((scores, more), dim=1)

    def scores(
        self, weights: Weights, embedded: Tensor, mask: Tensor, *, last: int,
        cache: DynamicCache | None = None,
    ) -> Tensor:  # fmt: skip
        """Scores of the next token after each of the `last` positions, in float32 or more.

        embedded [B, T, H] with mask [B, T], or with more mask where the cache
        has what came before -> [B, last, V].
        """
        length = embedded.shape[1]
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -length:]
        # By number and not by count, which would leave a view: its product with the output
        # layer copies that layer for every row.
        kept = torch.arange(length - last, length, device=embedded.device)
        arguments: dict[str, Any] = {
            "inputs_embeds": embedded, "attention_mask": mask, "position_ids": positions,
            "past_key_values": cache, "use_cache": cache is not None, "logits_to_keep": kept,
        }  # fmt: skip
        cast = {name: weight.to(self.dtype) for name, weight in weights.items()}
        with products.elsewhere(embedded):
            if all(cast[name] is own for name, own in self.module.named_parameters()):
                output = self.module(**arguments)
            else:
                output = functional_call(self.module, cast, (), arguments)
        scores: Tensor = output.logits[:, -last:]
        return at_least_float32(scores)

    def on_device(self, device: torch.device) -> "CausalBackbone":
        """A copy on `device`; this one stays where it is, and nothing is copied beside it."""
        moved: dict[int, object] = {
            id(p): torch.nn.Parameter(p.to(device), requires_grad=False)
            for p in self.module.parameters()
        }
        # Parameters that are found in the memo are taken from there; buffers are moved after.
        module = copy.deepcopy(self.module, moved)
        torch.nn.Module.to(module, device)
        return replace(self, module=module, weights=dict(module.named_parameters()), common=None)

    def lent(self, weights: Weights) -> "CausalBackbone":
        """This one with these equal weights, also in its module where that has them."""
        own = dict(self.module.named_parameters())
        if any(own[name] is not weight for name, weight in self.weights.items()):
            return replace(self, weights=weights)
        for name, parameter in own.items():
            parameter.data = weights[name]
        # Their file is there while they are, and not while what they hold is.
        return replace(self, weights=own, common=weights)

    @property
    def _embedding_name(self) -> str:
        table = self.module.get_input_embeddings().weight
        return next(name for name, p in self.module.named_parameters() if p is table)


def _along(prompts: Prompted, embedded: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """As `Prompted.before`, with all padding of a row before its prompt."""
    embedded, mask = prompts.before(embedded, mask)
    order = mask.argsort(dim=1, stable=True)
    return embedded.take_along_dim(order[:, :, None], dim=1), mask.gather(1, order)


def _select(cache: DynamicCache, rows: Tensor) -> None:
    """Makes a cache that of some of its rows, which may come more than once; gradients add up."""
    cache.reorder_cache(rows)  # type: ignore[arg-type]  # it wants a LongTensor


def positions_of(config: Any) -> int | None:
    """How many positions a model has learned by its config; None where that does not say.

    Beyond them some have no embedding (GPT-2, OPT), and others were never trained.
    """
    found: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)
    return found

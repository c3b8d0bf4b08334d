"""Soft prompts before embedded inputs: rows of one batch that go on from their own prompt.

Notation: K prompts, B rows, P positions of the longest prompt, T input tokens,
H model width. Shorter prompts are padded on the left, where relative positions
make the padding exact; between prompt and input it would not be.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class PromptBank:
    """K prompts as one tensor: left-padded vectors [K, P, H], and mask [K, P] of ones and zeros."""

    vectors: Tensor
    mask: Tensor

    @property
    def positions(self) -> int:
        """P."""
        return self.vectors.shape[1]


@dataclass(frozen=True, kw_only=True)
class Prompted:
    """Which prompt of a bank stands before each row of a batch: of_row [B]."""

    bank: PromptBank
    of_row: Tensor

    def before(self, embedded: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Rows [B, T, H] with mask [B, T] behind their prompts: [B, P + T, H], [B, P + T]."""
        vectors = self.bank.vectors[self.of_row].to(embedded.dtype)  # [B, P, H]
        seen = self.bank.mask[self.of_row]  # [B, P]
        return torch.cat((vectors, embedded), dim=1), torch.cat((seen, mask), dim=1)


def stack(prompts: Sequence[Tensor]) -> PromptBank:
    """A bank of prompts [P_k, H] of any lengths; gradients flow back into each."""
    longest = max(prompt.shape[0] for prompt in prompts)
    vectors = torch.stack([F.pad(p, (0, 0, longest - p.shape[0], 0)) for p in prompts])  # [K, P, H]
    lengths = torch.tensor([p.shape[0] for p in prompts], device=vectors.device)
    places = torch.arange(longest, device=vectors.device)
    return PromptBank(vectors=vectors, mask=(places >= longest - lengths[:, None]).to(torch.int64))

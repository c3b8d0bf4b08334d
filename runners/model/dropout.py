"""Dropout whose masks depend on the trial, step, place in the model and row, and on nothing else.

A pack changes who sits beside a row, and padding where a row lies in its
tensor; neither may change what is dropped. So each mask is a hash of the row's
key, the name of the place, the position counted from the start of the input
(prompt positions are negative), and the feature.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

_PRIMES = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
_WORD = 0xFFFFFFFF
_FACTORS = (0x7FEB352D, 0x846CA68B - (1 << 32))
"""Of `lowbias32` (Wellons 2018), a hash of 32 bits; the second as a signed number."""


@dataclass(frozen=True, kw_only=True)
class Dropout:
    """Dropout of one forward pass.

    `keys` [B] are int64, one a row, hashed from (trial, step, row). `prompt` is
    the number of positions P before the input, so that position P + j is
    hashed as j whatever the padding of the prompt. A rate of 0 costs nothing.
    """

    rate: float = 0.0
    keys: Tensor | None = None
    prompt: int = 0
    stack: str = ""
    """What comes before every name of a place: encoder, decoder, or nothing."""
    numbers: Mapping[str, Tensor] = field(default_factory=dict)
    """Places that have other numbers than their names would give them."""

    def within(self, layer: str, places: Sequence[str]) -> "Dropout":
        """The same dropout by the names that places have behind that of their layer.

        So code that is the same for every layer drops what each would by itself.
        """
        if not self.rate:
            return self
        assert self.keys is not None
        numbers = torch.tensor([_number(layer + each) for each in places], device=self.keys.device)
        found = dict(zip(places, numbers.unbind(), strict=True))
        return replace(self, stack=layer.partition(".")[0], numbers=found)

    def __call__(self, x: Tensor, place: str) -> Tensor:
        """x [B, T, H] with some features zero and the others scaled up."""
        if not self.rate:
            return x
        first = self.prompt if self._asks_input(place) else 0
        positions = torch.arange(x.shape[1], device=x.device) - first
        features = torch.arange(x.shape[2], device=x.device)
        return self._drop(x, place, (positions[:, None], features))

    def attention(self, shares: Tensor, place: str) -> Tensor:
        """Attention shares [B, N, D, T] with some of them zero and the others scaled up."""
        if not self.rate:
            return shares
        asks_input = self._asks_input(place)
        reads_input = asks_input or "EncDec" in place
        heads, queries, keys = (torch.arange(n, device=shares.device) for n in shares.shape[1:])
        queries = queries - (self.prompt if asks_input else 0)
        keys = keys - (self.prompt if reads_input else 0)
        return self._drop(shares, place, (heads[:, None, None], queries[:, None], keys))

    def _asks_input(self, place: str) -> bool:
        """Whether positions there are those of the input."""
        return (self.stack or place).startswith("encoder")

    def _drop(self, x: Tensor, place: str, coordinates: tuple[Tensor, ...]) -> Tensor:
        """x without the elements whose hash is low; every coordinate broadcasts against a row."""
        assert self.keys is not None
        number = self.numbers[place] if self.numbers else _number(place)
        keys = _mix(self.keys.view(-1, *[1] * (x.dim() - 1)) ^ number)
        # Each coordinate is hashed while it is short; all that is as large as x has 32 bits.
        state = keys.to(torch.int32)
        for coordinate, prime in zip(coordinates, _PRIMES, strict=False):
            state = state ^ _mix((coordinate & _WORD) * prime).to(torch.int32)
        for shift, factor in ((16, _FACTORS[0]), (15, _FACTORS[1])):
            state ^= state >> shift
            state *= factor
        kept = state >= int(self.rate * (1 << 32)) - (1 << 31)
        return x * kept.to(x.dtype) / (1.0 - self.rate)


def _number(place: str) -> int:
    """A place as a number."""
    return zlib.crc32(place.encode())


NONE = Dropout()
"""The dropout of evaluation, and of training at rate 0."""


def row_keys(trial_key: int, step: int, rows: int, *, device: torch.device | str = "cpu") -> Tensor:
    """Keys [rows] of one trial's rows at one step, hashed from all 64 bits of its key."""
    state = torch.zeros(rows, dtype=torch.int64, device=device)
    for part in (trial_key, trial_key >> 32, step):
        state = _mix(state + (part & _WORD))
    return _mix(state + torch.arange(rows, device=device))


def _mix(x: Tensor) -> Tensor:
    """A 32-bit integer hash of each element (the finaliser of MurmurHash3)."""
    x = x & _WORD
    x = ((x ^ (x >> 16)) * _PRIMES[1]) & _WORD
    x = ((x ^ (x >> 13)) * _PRIMES[2]) & _WORD
    return x ^ (x >> 16)

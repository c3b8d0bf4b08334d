"""The prompts that a replica holds: by key, within a bound on their memory.

A key stands for one prompt for ever, since it is a hash of its numbers
(`runners.serving.protocol.key_of`). Replacing a task's prompt is therefore another
key in its requests, also where a trial was withdrawn and ran again under its id, and
no request can meet half a replacement. What is pushed out of a full bank is sent again
when it is asked for.
"""

import threading
from collections import OrderedDict

import torch
from torch import Tensor

from runners.prompt.vectors import Vectors, check_plain

BYTES = 512 * 2**20
"""Memory for prompts; one of 100 positions of T5-large has 0.4 MB."""


class Bank:
    """Prompts [P, H] of one model, safe to be used from several threads.

    At least one prompt is held, whatever the bound.
    """

    def __init__(self, width: int, device: torch.device, *, most_bytes: int = BYTES) -> None:
        self._width, self._device, self._most = width, device, most_bytes
        self._prompts: OrderedDict[str, Tensor] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._prompts)

    def __contains__(self, key: str) -> bool:
        return key in self._prompts

    def put(self, key: str, vectors: Vectors) -> Tensor:
        """Hold a prompt, and give it [P, H]; the least recently used go where there is no room.

        Raises ValueError where it is no plain prompt of the model's width.
        """
        check_plain(f"prompt {key}", vectors)
        if vectors.shape[1] != self._width:
            raise ValueError(
                f"prompt {key}: width {vectors.shape[1]} is not the {self._width} of the model; "
                "serve it with the model that it was tuned on"
            )
        prompt = torch.tensor(vectors, device=self._device)
        with self._lock:
            before = self._prompts.pop(key, None)
            self._bytes -= before.nbytes if before is not None else 0
            self._prompts[key] = prompt
            self._bytes += prompt.nbytes
            while self._bytes > self._most and len(self._prompts) > 1:
                _, oldest = self._prompts.popitem(last=False)
                self._bytes -= oldest.nbytes
        return prompt

    def get(self, key: str) -> Tensor | None:
        """A prompt [P, H], or None where the bank does not hold it."""
        with self._lock:
            prompt = self._prompts.get(key)
            if prompt is not None:
                self._prompts.move_to_end(key)
            return prompt

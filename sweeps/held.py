"""What a worker holds from pack to pack: a model as it was laid out, and what fits through it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from runners.model.backbone import Backbone
    from runners.model.loading import Loaded
    from runners.training.layout import Layout
    from runners.training.memory import Rooms


@dataclass(kw_only=True)
class Held:
    """One model at a time, none before the first pack.

    To lay one out is to copy all of its weights to a GPU, and to compile its layers.
    """

    _key: tuple[object, ...] | None = None
    """What decides the layout of the model that is held."""
    _backbone: "Backbone | None" = None
    _rooms: "dict[str, Rooms]" = field(default_factory=dict)
    """By method, for gradients of all weights leave less room than those of a prompt."""

    def laid_out(self, read: "Loaded", layout: "Layout", device: "torch.device") -> "Backbone":
        """What `layout` makes of a model that was read: what is held, where it is the same.

        Another model is let go of before this one takes its place on the device.
        """
        kept = next(iter(read.weights.values())).dtype
        key = (read.source, read.fingerprint, kept, read.dtype, layout, device)
        if self._backbone is None or key != self._key:
            self.let_go()
            self._backbone, self._key = layout.of(read, device), key
        return self._backbone

    def rooms(self, method: str, begun: "Callable[[], Rooms]") -> "Rooms":
        """What memory has taught of trials of a method on this model, or `begun` before that."""
        if method not in self._rooms:
            self._rooms[method] = begun()
        return self._rooms[method]

    def let_go(self) -> None:
        """Hold nothing."""
        self._key = self._backbone = None
        self._rooms = {}

"""How a model lies in memory while it trains, which changes no number beyond rounding."""

from dataclasses import dataclass

import torch

from runners.model.backbone import Backbone
from runners.model.compilation import compiling
from runners.model.loading import Loaded, on_device
from runners.model.recomputation import recomputing
from runners.model.sharded_t5 import sharded
from runners.model.t5_backbone import T5Backbone
from runners.training.ranks import ALONE, Ranks


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Whether layers compute their activations again, whether they are compiled, and ranks."""

    recomputes: bool = False
    compiles: bool = False
    static_shapes: bool = False
    """Whether layers are compiled for each shape of a batch, and not for all of them."""
    ranks: Ranks = ALONE

    def of(self, backbone: Loaded, device: torch.device) -> Backbone:
        """A model that was read to the cores, laid out on `device`, or on that of each rank.

        Raises ValueError for a model that cannot be laid out so.
        """
        if self.compiles:
            backbone = compiling(backbone, static=self.static_shapes)
        if self.recomputes:
            backbone = recomputing(backbone)
        if self.ranks.count == 1:
            return on_device(backbone, device)
        if not isinstance(backbone, T5Backbone):
            raise ValueError(
                f"ranks: model {backbone.source} is decoder-only, and only a T5 trains over "
                "several; give it one"
            )
        return sharded(backbone, number=self.ranks.number, count=self.ranks.count, device=device)


PLAIN = Layout()
"""All of a model on one device, with all that its gradients need."""

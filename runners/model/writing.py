"""A frozen model as a folder that plain `transformers` loads: config, weights, tokenizer."""

import copy
from pathlib import Path

from safetensors.torch import save_file
from transformers import GenerationConfig, PreTrainedConfig

from runners.model.backbone import no_bars
from runners.model.causal_backbone import CausalBackbone
from runners.model.checkpoint import WEIGHTS
from runners.model.family import Place
from runners.model.loading import Loaded
from runners.model.reading import pinned, read_config


def write_checkpoint(backbone: Loaded, shape: Place, folder: Path) -> None:
    """Write a model and its tokenizer into `folder`, which is there, in the dtype of its weights.

    `shape` is a checkpoint of the same shape, such as the one that an
    adaptation started from; its config is taken.
    """
    config = _config(backbone, shape)
    config.dtype = backbone.dtype
    weights = {name: w.detach().contiguous() for name, w in backbone.weights.items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    generation = GenerationConfig.from_model_config(config)
    # Answers end where those of trials do, whatever the checkpoint takes for an end.
    generation.eos_token_id = backbone.codec.end_id
    generation.pad_token_id = backbone.codec.pad_id
    with no_bars():
        config.save_pretrained(folder)
        generation.save_pretrained(folder)
        backbone.codec.tokenizer.save_pretrained(folder)


def _config(backbone: Loaded, shape: Place) -> PreTrainedConfig:
    if isinstance(backbone, CausalBackbone):
        own = copy.deepcopy(backbone.module.config)
        own.architectures = [type(backbone.module).__name__]
        # What was read from a GGUF file is written as it computes, no longer quantised.
        if hasattr(own, "quantization_config"):
            del own.quantization_config
        return own
    config: PreTrainedConfig = read_config(pinned(shape))
    if not backbone.shape.tied:
        # `transformers` 5 says true of every T5 and looks at the weights; 4 believes what is said.
        config.tie_word_embeddings = False
    return config

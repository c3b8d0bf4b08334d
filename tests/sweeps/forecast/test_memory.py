"""What a pack holds, on cores and on GPUs."""

import pytest

from runners.catalogue import Catalogue
from runners.config import from_mapping
from sweeps.forecast import memory


@pytest.mark.parametrize(
    ("family", "size", "alike"), [("t5", "large", False), ("pythia", "160m", True)]
)
def test_cores_hold_less_of_a_dev_set_at_once(family: str, size: str, alike: bool) -> None:
    """Catches machines refused for evaluation batches that only a GPU, or a Llama, has."""
    config = from_mapping({
        "method": "prompt_tuning", "model_family": family, "model_size": size, "seed": 0,
        "pretraining_objective": "causal_lm" if family == "pythia" else "span_corruption",
        "lm_adaptation_steps": 0, "prompt_length": 20, "prompt_init": "class_label",
        "data_source": "superglue", "task": "boolq", "train_steps": 100, "eval_every": 100,
        "batch_size": 1, "learning_rate": 0.3,
    })  # fmt: skip
    shipped = Catalogue().families[family]
    gpu, cores = (
        memory.of_trial(config, shipped, slots=1, on_gpu=on_gpu) for on_gpu in (True, False)
    )
    assert gpu.fixed == cores.fixed
    assert (gpu.row == cores.row) is alike
    assert cores.row <= gpu.row

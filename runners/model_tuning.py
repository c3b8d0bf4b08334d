"""One model-tuning trial from the shell: the baseline that changes every weight.

    python -m runners.model_tuning task=boolq model_size=600k learning_rate=0.001

Words are `key=value` fields of `TrialConfig` over the defaults below, which
follow the paper: the span-corruption checkpoint, learning rate 0.001 and
parameter scaling (Lester et al. 2021, 3.1).
"""

import sys

from runners.alone import main

DEFAULTS: dict[str, object] = {
    "method": "model_tuning",
    "model_family": "nano",
    "model_size": "60k",
    "pretraining_objective": "span_corruption",
    "lm_adaptation_steps": 0,
    "task": "boolq",
    "seed": 0,
    "train_steps": 600,
    "eval_every": 100,
    "batch_size": 32,
    "learning_rate": 0.001,
    "parameter_scaling": True,
    "weight_decay": 0.0,
    "dev_examples": 500,
}

if __name__ == "__main__":
    sys.exit(main("python -m runners.model_tuning", DEFAULTS, sys.argv[1:]))

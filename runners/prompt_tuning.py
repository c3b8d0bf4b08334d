"""One prompt-tuning trial from the shell.

    python -m runners.prompt_tuning task=boolq model_size=600k prompt_length=20

Words are `key=value` fields of `TrialConfig` over the defaults below. The
result is committed to the store; a trial that the store has is shown, not run
again. LM adaptation that the trial starts from is run first where it is
missing.
"""

import sys

from runners.alone import main

DEFAULTS: dict[str, object] = {
    "method": "prompt_tuning",
    "model_family": "nano",
    "model_size": "60k",
    "pretraining_objective": "lm_adaptation",
    "lm_adaptation_steps": 300,
    "lm_adaptation_batch_size": 32,
    "lm_adaptation_learning_rate": 0.003,
    "lm_adaptation_seed": 0,
    "prompt_length": 20,
    "prompt_init": "class_label",
    "task": "boolq",
    "seed": 0,
    "train_steps": 300,
    "eval_every": 50,
    "batch_size": 32,
    "learning_rate": 3.0,
    "dev_examples": 500,
}

if __name__ == "__main__":
    sys.exit(main("python -m runners.prompt_tuning", DEFAULTS, sys.argv[1:]))

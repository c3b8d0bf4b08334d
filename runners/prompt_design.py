"""One trial of prompt design from the shell: hand-written words on a frozen model, no training.

    python -m runners.prompt_design task=boolq model_size=600k shots=0
    python -m runners.prompt_design task=rte data_source=superglue --catalogue my_data.yaml \\
        model_family=t5 model_size=small lm_adaptation_steps=100000 shots=4 answer_by=likelihood

Words are `key=value` fields of `TrialConfig` over the defaults below. What the
model reads first is the task's instruction (`runners.tasks`), then `shots` solved
examples, drawn by `seed`.
"""

import sys

from runners.alone import main

DEFAULTS: dict[str, object] = {
    "method": "prompt_design",
    "model_family": "nano",
    "model_size": "60k",
    "pretraining_objective": "lm_adaptation",
    "lm_adaptation_steps": 500,
    "lm_adaptation_batch_size": 32,
    "lm_adaptation_learning_rate": 0.003,
    "lm_adaptation_seed": 0,
    "shots": 0,
    "task": "boolq",
    "seed": 0,
    "dev_examples": 500,
}

if __name__ == "__main__":
    sys.exit(main("python -m runners.prompt_design", DEFAULTS, sys.argv[1:]))

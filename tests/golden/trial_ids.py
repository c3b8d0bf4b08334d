"""Golden trial ids: one trial of each kind that a study can ask for.

PYTHONPATH=. python tests/golden/trial_ids.py

writes `trial_ids.txt` beside this file. Regenerate it only to add lines: a line
that changes orphans every result that was ever stored under its id.
"""

from pathlib import Path

from ablation import grid, study
from runners.catalogue import Catalogue

STUDY = {
    "design": "star",
    "model_family": "nano",
    "axes": {
        "model_size": ["60k", "2m"],
        "prompt_length": [1, 20],
        "prompt_init": [
            "random_uniform",
            "random_uniform_released",
            "sampled_vocab",
            "class_label",
        ],
        "pretraining_objective": ["span_corruption", "span_corruption_sentinel", "lm_adaptation"],
        "lm_adaptation_steps": [0, 100, 1000],
        "task": ["boolq", "record"],
        "seed": [0, 1],
    },
    "defaults": {
        "prompt_length": 20,
        "prompt_init": "class_label",
        "pretraining_objective": "lm_adaptation",
        "lm_adaptation_steps": 1000,
    },
    "ablation_tasks": ["record"],
    "ablation_seeds": [1],
    "settings": {
        "shared": {"dev_examples": 500, "batch_size": 16},
        "prompt_tuning": {"train_steps": 200, "eval_every": 50, "learning_rate": 0.3},
        "model_tuning": {
            "train_steps": 600,
            "eval_every": 100,
            "learning_rate": 0.001,
            "parameter_scaling": True,
            "dropout": 0.1,
        },
        "lm_adaptation": {"batch_size": 32, "learning_rate": 0.001, "seed": 0},
    },
    "baselines": ["model_tuning"],
}


def lines() -> list[str]:
    """Id, label and panels of every trial of the study."""
    return [
        f"{trial.config.trial_id} {trial.config.label} {','.join(sorted(trial.panels))}"
        for trial in grid.build(study.from_mapping(STUDY, Catalogue()))
    ]


if __name__ == "__main__":
    text = "".join(f"{line}\n" for line in lines())
    Path(__file__).with_suffix(".txt").write_text(text)

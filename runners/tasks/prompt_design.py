"""Prompt design: hand-written words before a question, and solved examples of the task.

The baseline of Figure 1 that trains nothing (Lester et al. 2021, 1; Brown et
al. 2020). The words are a task's `instruction`, in this project's own wording;
examples look as the task's inputs always do, so that all methods read the same.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from runners.tasks.task import Example

CUE = "answer:"
"""What stands where a model is to go on."""


def designed(
    examples: Sequence[Example], *, instruction: str, shots: Sequence[Example], gap: str
) -> list[Example]:
    """The examples with everything that a frozen model reads before it answers.

    `gap` separates the parts: a line break for models that know one, a space
    for T5, whose vocabulary has none.
    """
    parts = [instruction] if instruction else []
    parts += [f"{shot.input}{gap}{CUE} {shot.target}" for shot in shots]
    return [
        replace(example, input=gap.join([*parts, f"{example.input}{gap}{CUE}"]))
        for example in examples
    ]


def drawn(train: Sequence[Example], *, shots: int, seed: int) -> list[Example]:
    """The same solved examples for every question, drawn without repeats.

    Raises ValueError where more are wanted than there are.
    """
    if shots > len(train):
        raise ValueError(
            f"shots: {shots} is more than the {len(train)} training examples; give {len(train)} "
            "or less"
        )
    places = np.random.default_rng([seed, shots]).choice(len(train), size=shots, replace=False)
    return [train[int(place)] for place in places]

"""The axes of the study, by role."""

from ablation import (
    lm_adaptation_steps,
    model_size,
    pretraining_objective,
    prompt_init,
    prompt_length,
    seed,
    task,
)
from ablation.axis import Axis

ABLATED: tuple[Axis, ...] = (
    prompt_length.AXIS,
    prompt_init.AXIS,
    pretraining_objective.AXIS,
    lm_adaptation_steps.AXIS,
)
"""Axes of a cell, in the order of Figure 3; the star design varies one at a time."""
CROSSED: tuple[Axis, ...] = (model_size.AXIS, task.AXIS, seed.AXIS)
"""Axes that every cell is repeated over, in any design."""
AXES: tuple[Axis, ...] = (model_size.AXIS, *ABLATED, task.AXIS, seed.AXIS)
"""Every axis that a spec gives values to, in the order of a spec."""

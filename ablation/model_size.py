"""`model_size`: the frozen model's rung on the ladder of its family."""

from ablation.axis import Axis

AXIS = Axis(
    name="model_size",
    label="Model parameters",
    scale="log",
    question="Does prompt tuning close its gap to model tuning as the frozen model grows?",
    figure="Figure 1",
    panel="scale",
)
"""Values are names of rungs; figures place each at its number of parameters."""

"""`method`: which parameters train.

A spec does not list it among its axes: prompt tuning is what is studied, and
the other methods are its `baselines`.
"""

from ablation.axis import Axis, Level

AXIS = Axis(
    name="method",
    label="Method",
    scale="categorical",
    question="What is lost by training the prompt instead of the model?",
    figure="Figure 1",
    panel="scale",
    levels=(
        Level(value="model_tuning", label="Model tuning"),
        Level(value="multitask_model_tuning", label="Model tuning (multi-task)"),
        Level(value="prompt_design", label="Prompt design"),
        Level(value="prompt_tuning", label="Prompt tuning"),
    ),
)

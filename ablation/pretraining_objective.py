"""`pretraining_objective`: what the frozen model learned last (Lester et al. 2021, 2.2)."""

from ablation.axis import Axis, Level

AXIS = Axis(
    name="pretraining_objective",
    label="Pre-training objective",
    scale="categorical",
    question="Can a model that only ever filled in spans be prompted to answer?",
    figure="Figure 3c",
    panel="pretraining_objective",
    levels=(
        Level(value="span_corruption", label="Span corruption"),
        Level(value="span_corruption_sentinel", label="Span corruption + sentinel"),
        Level(value="lm_adaptation", label="LM adaptation"),
        Level(value="causal_lm", label="Causal LM"),
    ),
)

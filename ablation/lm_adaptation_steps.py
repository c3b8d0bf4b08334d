"""`lm_adaptation_steps`: how long the frozen model was taught prefix language modelling.

0 steps is the span-corruption model itself, so that point and the
span-corruption point of `pretraining_objective` are the same trials.
"""

from ablation.axis import Axis

AXIS = Axis(
    name="lm_adaptation_steps",
    label="LM adaptation steps",
    scale="linear",
    question="How much LM adaptation does a model need before a prompt can steer it?",
    figure="Figure 3d",
    panel="lm_adaptation_steps",
)

"""`prompt_init`: where the prompt's vectors start (Lester et al. 2021, 3.2)."""

from ablation.axis import Axis, Level

AXIS = Axis(
    name="prompt_init",
    label="Prompt initialisation",
    scale="categorical",
    question="Does it matter where the prompt starts, and does that fade with size?",
    figure="Figure 3b",
    panel="prompt_init",
    levels=(
        Level(value="random_uniform", label="Random uniform"),
        Level(value="random_uniform_released", label="Random uniform (released code)"),
        Level(value="sampled_vocab", label="Sampled vocab"),
        Level(value="class_label", label="Class label"),
    ),
)

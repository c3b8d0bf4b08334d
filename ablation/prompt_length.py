"""`prompt_length`: P, the number of trained vectors before the embedded input."""

from ablation.axis import Axis

AXIS = Axis(
    name="prompt_length",
    label="Prompt length",
    scale="log",
    question="How many prompt vectors are enough, and do larger models need fewer?",
    figure="Figure 3a",
    panel="prompt_length",
)

"""`seed`: repeats of a trial that differ in the prompt's start, data order and dropout."""

from ablation.axis import Axis

AXIS = Axis(
    name="seed",
    label="Seed",
    scale="categorical",
    question="How far does a score move when nothing but chance changes?",
    figure="the spread in every figure",
)

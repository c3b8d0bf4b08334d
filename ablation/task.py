"""`task`: what is solved; a cell's score is the mean over its tasks (SuperGLUE's rule)."""

from ablation.axis import Axis, Level

AXIS = Axis(
    name="task",
    label="Task",
    scale="categorical",
    question="Which tasks carry an effect, and which stay at chance?",
    figure="averaged over in every figure",
    levels=(
        Level(value="boolq", label="BoolQ"),
        Level(value="cb", label="CB"),
        Level(value="copa", label="COPA"),
        Level(value="multirc", label="MultiRC"),
        Level(value="record", label="ReCoRD"),
        Level(value="rte", label="RTE"),
        Level(value="wic", label="WiC"),
        Level(value="wsc", label="WSC"),
    ),
)

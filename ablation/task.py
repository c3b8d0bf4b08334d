"""`task`: what is solved; a cell's score is the mean over its tasks (SuperGLUE's rule)."""

from ablation.axis import Axis, Level

_TRANSFERRED = {
    "mrpc": "MRPC", "qqp": "QQP", "sst2": "SST-2", "glue_rte": "RTE (GLUE)", "squad": "SQuAD",
    "textbookqa": "TextbookQA", "bioasq": "BioASQ", "race": "RACE", "relation_extraction": "RE",
    "duorc": "DuoRC", "drop": "DROP", "squad_people": "SQuAD, other people",
    "squad_wordings": "SQuAD, other wordings", "squad_topics": "SQuAD, other topics",
    "squad_things": "SQuAD, things", "squad_gists": "SQuAD, gists",
    "squad_pronouns": "SQuAD, pronouns",
}  # fmt: skip
"""Labels of the tasks of Tables 1 and 2, and of others that are published."""

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
        *(Level(value=value, label=label) for value, label in _TRANSFERRED.items()),
    ),
)

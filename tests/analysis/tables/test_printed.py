"""Tables in words."""

import math
from dataclasses import replace

import pandas as pd

from analysis.aggregate import Interval
from analysis.tables.claims import Claim, claims_table
from analysis.tables.printed import Printed, latex, markdown, printed_tables

TABLE = Printed(name="a_b", title="T & U", note="50%", heads=("A", "B"), rows=(("x_1", "1 ± 2"),))


def test_markdown_has_a_row_for_each_row() -> None:
    """A table whose head and rows have other numbers of columns."""
    lines = markdown(TABLE).splitlines()
    assert lines[2:5] == ["| A | B |", "| --- | ---: |", "| x\\_1 | 1 ± 2 |"]


def test_markdown_shows_pieces_as_they_are() -> None:
    """A piece that opens a comment, by which the rest of the table is gone."""
    table = Printed(name="a", title="T", note="", heads=("A",), rows=(("<!-- a|b `c` *d* \\",),))
    assert markdown(table).splitlines()[4] == r"| &lt;!-- a\|b \`c\` \*d\* \\ |"


def test_latex_escapes_what_latex_reads() -> None:
    """A name with an underscore that stops the reader's compiler."""
    text = latex(TABLE)
    assert r"x\_1 & 1 $\pm$ 2 \\" in text
    assert r"\caption{T \& U. 50\%}" in text
    assert r"\label{tab:a-b}" in text


def test_a_metric_that_is_the_score_is_printed_once() -> None:
    """Every line of Table 3 twice, where a task has one metric."""
    known = {
        "model_size": "2m",
        "average": 1.0,
        "best": 1.0,
        "ensemble": 1.0,
        "voters": 2,
        "ties": 0,
    }
    names = [("boolq", "accuracy"), ("boolq", "score"), ("cb", "f1"), ("cb", "accuracy"),
             ("cb", "score"), ("mean", "score")]  # fmt: skip
    table = pd.DataFrame({**known, "task": task, "metric": metric} for task, metric in names)
    (printed,) = printed_tables({"table_3_ensembling": table})
    assert [row[2] for row in printed.rows] == ["accuracy", "f1", "accuracy", "score", "score"]


def test_missing_seeds_are_told() -> None:
    """A mean over one seed of three that looks like one over three."""
    table = pd.DataFrame([
        {"model_size": "2m", "method": "prompt_tuning", "prompt_length": 5, "task": "boolq",
         "seconds_mean": 3.0, "seconds_sd": None, "steps_mean": None, "steps_sd": None, "n": 1,
         "planned_seeds": 3, "at_chance": False}
    ])  # fmt: skip
    (printed,) = printed_tables({"table_5_runtimes": table})
    assert printed.rows[0][-2:] == ("3.0 (1 of 3)", "- (1 of 3)")
    assert "(2 of 3) are two of three" in printed.note


def test_claims_are_printed_with_what_they_rest_on() -> None:
    """A claim that holds, of which nobody is told by how much and how surely."""
    effect = Interval(mean=18.46, sd=0.4, n=3, low=17.4, high=19.5)
    alone = replace(effect, n=1, low=math.nan, high=math.nan)
    claims = [
        Claim(name="gap_closes", claim="the gap closes", effect="gap at 60k", measured=measured,
              rule=">", bound=0.0)
        for measured in (effect, alone)
    ]  # fmt: skip
    (printed,) = printed_tables({"claims": claims_table(claims)})
    assert printed.rows == (
        ("the gap closes", "gap at 60k", "18.5", "17.4 to 19.5", "3", "> 0", "yes", "yes"),
        ("the gap closes", "gap at 60k", "18.5", "-", "1", "> 0", "yes", "unknown"),
    )

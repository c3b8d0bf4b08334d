"""The tables of the study in Markdown and LaTeX, from computed frames.

A printed table is rows of words; what is missing is a dash, and a mean over fewer seeds
than planned says so. The numbers in full are in the CSV of the same name.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablation.method import AXIS as METHOD
from ablation.prompt_init import AXIS as INIT
from ablation.task import AXIS as TASK
from analysis.neighbours import largest_clusters, sampled_tokens
from runners.tasks.voting import EQUAL_RULE, TIE_RULE

NOTHING = "-"
"""Stands where there is no number."""
AT_CHANCE = "at chance"
"""Stands in Table 5 where a setting has learned nothing that could converge."""
CLUSTERS, TOKENS = 3, 5
"""How many clusters of each size are printed, and tokens of each prompt that is shown."""
_RUNTIME = (
    "Until the first evaluation within 1% of the mean best score of the setting. Mean ± sd "
    "over the seeds that get there: (2 of 3) are two of three, of which the third has not "
    f"converged or is not done. {AT_CHANCE.capitalize()}: 1% below the mean best score is no "
    "more than a constant answer gets, so that nothing has converged. Seconds are a trial's "
    "own time in proportion to its steps, where packs share the machine."
)
_CLAIMED = (
    "Paired by seed. A claim holds where the mean meets the rule, and is certain where the whole "
    "t interval is on that side of it."
)
_NEAR = (
    "Cosine to the nearest piece of the vocabulary, mean over positions, at the start and "
    "at the best point; verbalizers whose pieces are all among the top five of a prompt."
)
_CLUSTERED = (
    "Tokens of one prompt whose five nearest pieces overlap: average linkage over Jaccard "
    f"distances, cut at 0.8. Of each size the {CLUSTERS} with the most tokens; prompt_clusters.csv "
    "has all."
)
_PIECES = (
    "The five nearest pieces of the vocabulary by cosine, nearest first, with the cosine of the "
    f"first. Of one prompt for each size and start, at its best point, the first {TOKENS} tokens; "
    "prompt_tokens.csv has all."
)


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A table in words: `name` is that of its files."""

    name: str
    title: str
    note: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def markdown(table: Printed) -> str:
    """The table for a page of Markdown, with title and note."""
    lines = markdown_lines(table.heads, table.rows)
    return "\n".join([f"**{table.title}**", "", *lines, "", table.note, ""])


def markdown_lines(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table's lines in Markdown, its cells as they are and not as Markdown reads them."""
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return [_row(heads), _row(rule), *(_row([*map(_as_it_is, row)]) for row in rows)]


_MARKS = {letter: f"\\{letter}" for letter in "\\`*_[]|"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
"""What Markdown reads as something else than itself, such as in pieces of a vocabulary."""


def _as_it_is(cell: str) -> str:
    return "".join(_MARKS.get(letter, letter) for letter in cell.replace("\n", " "))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def latex(table: Printed) -> str:
    """The table as a `table` environment that needs the package booktabs."""
    body = [" & ".join(map(_escaped, row)) + r" \\" for row in (table.heads, *table.rows)]
    return "\n".join(
        [
            r"\begin{table}", r"\centering", r"\small",
            r"\begin{tabular}{l" + "r" * (len(table.heads) - 1) + "}", r"\toprule", body[0],
            r"\midrule", *body[1:], r"\bottomrule", r"\end{tabular}",
            rf"\caption{{{_escaped(table.title)}. {_escaped(table.note)}}}",
            rf"\label{{tab:{table.name.replace('_', '-')}}}", r"\end{table}", "",
        ]
    )  # fmt: skip


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "▁": r"\_", "<": r"$<$", ">": r"$>$",
}  # fmt: skip


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def _shown(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """The rows that are printed: of Table 3 no score that repeats a task's one metric.

    Of clusters those with the most tokens of each size, for every prompt has some; of
    prompt tokens those of a few prompts.
    """
    if name == "prompt_clusters":
        return largest_clusters(table, CLUSTERS)
    if name == "prompt_tokens":
        return sampled_tokens(table, TOKENS)
    if name != "table_3_ensembling":
        return table
    metrics = table.groupby(["model_size", "task"])["metric"].transform("size")
    return table[(table["metric"] != "score") | (metrics != 2)]


Column = tuple[str, Callable[[Mapping[str, Any]], str]]


def printed_tables(tables: Mapping[str, pd.DataFrame]) -> list[Printed]:
    """Those of the computed tables that are printed, in the order of the paper."""
    return [
        Printed(
            name=name, title=title, note=note, heads=tuple(head for head, _ in columns),
            rows=tuple(
                tuple(cell({str(key): value for key, value in row.items()}) for _, cell in columns)
                for row in _shown(name, tables[name]).to_dict("records")
            ),
        )
        for name, (title, note, columns) in _layouts(tables).items()
        if name in tables and len(tables[name])
    ]  # fmt: skip


Layouts = dict[str, tuple[str, str, list[Column]]]
"""Title, note and columns by the name of a table."""
_START: Column = ("Start", lambda row: INIT.label_of(row["prompt_init"]))
_SIZE: Column = ("Size", lambda row: str(row["model_size"]))
_SEEDS = "Mean ± sd over seeds; (n of m) where seeds are missing."
_PAIRED = "Differences are prompt tuning less model tuning, paired by seed, with 95% t intervals."


def _layouts(tables: Mapping[str, pd.DataFrame]) -> Layouts:
    return {**_transferred(tables), **_measured(), **_near(), **_claimed()}


def _transferred(tables: Mapping[str, pd.DataFrame]) -> Layouts:
    """Tables 1 and 2."""
    shift = tables.get("table_1_domain_shift", pd.DataFrame())
    pairs = tables.get("table_2_paraphrase_transfer", pd.DataFrame())
    methods = [name for name in ("model_tuning", "prompt_tuning") if f"{name}_mean" in shift]
    return {
        "table_1_domain_shift": (
            "Table 1: domain shift",
            f"Tuned and selected on one task, judged on others as they are. {_SEEDS} {_PAIRED}",
            [
                ("Evaluated on", lambda row: _task(row["evaluated"])),
                ("Tuned on", lambda row: _task(row["task"])), _SIZE,
                ("Metric", lambda row: str(row["metric"])),
                *[_scored(METHOD.label_of(name), name) for name in methods],
                *([("Difference", lambda row: _effect(row, "difference"))]
                  if "difference" in shift else []),
            ],
        ),
        "table_2_paraphrase_transfer": (
            "Table 2: paraphrase transfer",
            f"Answers are said in the words of the task that is asked. {_SEEDS} {_PAIRED}",
            [
                ("Tuned on", lambda row: _task(row["task"])),
                ("Evaluated on", lambda row: _task(row["evaluated"])), _SIZE,
                ("Method", lambda row: METHOD.label_of(row["method"])),
                ("Accuracy", lambda row: _mean(row, "accuracy", "")),
                ("F1", lambda row: _mean(row, "f1", "")),
                *([(f"{words} difference", _named_effect(f"{metric}_difference"))
                   for metric, words in (("accuracy", "Accuracy"), ("f1", "F1"))]
                  if "f1_difference" in pairs else []),
            ],
        ),
    }  # fmt: skip


def _measured() -> Layouts:
    """Tables 3 to 5, and scores of each task."""
    return {
        "table_3_ensembling": (
            "Table 3: ensembles of prompts",
            f"Majority vote of the prompts of all seeds: {EQUAL_RULE}. Ties: {TIE_RULE}.",
            [
                ("Task", lambda row: _task(row["task"])), _SIZE,
                ("Metric", lambda row: str(row["metric"])),
                ("Average", lambda row: _number(row["average"])),
                ("Best", lambda row: _number(row["best"])),
                ("Ensemble", lambda row: _number(row["ensemble"])),
                ("Prompts", lambda row: _count(row["voters"])),
                ("Ties", lambda row: _count(row["ties"])),
            ],
        ),
        "table_4_parameters": (
            "Table 4: parameters of a prompt",
            "Trained, with the frozen model, and their share in percent.",
            [
                _SIZE, ("Prompt length", lambda row: _count(row["prompt_length"])),
                ("Trainable", lambda row: _count(row["trainable"])),
                ("Total", lambda row: _count(row["total"])),
                ("Percent", lambda row: f"{row['percent']:.5f}%"),
            ],
        ),
        "table_5_runtimes": (
            "Table 5: time to convergence",
            _RUNTIME,
            [
                ("Method", lambda row: METHOD.label_of(row["method"])),
                ("Prompt length", lambda row: _count(row["prompt_length"])), _SIZE,
                ("Task", lambda row: _task(row["task"])),
                ("Seconds", lambda row: _runtime(row, "seconds")),
                ("Steps", lambda row: _runtime(row, "steps")),
            ],
        ),
        "tasks": (
            "Scores of each task at the default setting", _SEEDS,
            [
                ("Task", lambda row: _task(row["task"])), _SIZE,
                ("Method", lambda row: METHOD.label_of(row["method"])),
                ("Score", _plain),
                ("Chance", lambda row: _number(row["chance"])),
            ],
        ),
    }  # fmt: skip


def _near() -> Layouts:
    """Neighbours of prompts, and clusters of their tokens."""
    return {
        "neighbours": (
            "What prompts are near to",
            _NEAR,
            [
                _START, _SIZE,
                ("Cosine at the start", lambda row: _number(row["start"], 3)),
                ("Cosine at the best point", lambda row: _number(row["best"], 3)),
                ("Verbalizers", lambda row: f"{row['found']:.0f} of {row['verbalizers']:.0f}"),
                ("Prompts", lambda row: _count(row["n"])),
            ],
        ),
        "prompt_tokens": (
            "The pieces nearest to prompt tokens", _PIECES,
            [
                _SIZE, _START,
                ("Task", lambda row: _task(row["task"])),
                ("Seed", lambda row: str(row["seed"])),
                ("Token", lambda row: str(row["position"] + 1)),
                ("Nearest pieces", lambda row: str(row["pieces"])),
                ("Cosine", lambda row: str(row["cosines"]).split(" ")[0]),
            ],
        ),
        "prompt_clusters": (
            "Word-like clusters of prompt tokens", _CLUSTERED,
            [
                ("Pieces that they share", lambda row: str(row["pieces"])),
                ("Tokens", lambda row: _count(row["tokens"])),
                _START, _SIZE,
                ("Task", lambda row: _task(row["task"])),
                ("Seed", lambda row: str(row["seed"])),
            ],
        ),
    }  # fmt: skip


def _claimed() -> Layouts:
    """The claims of the paper as effects."""
    return {
        "claims": (
            "The claims of the paper", _CLAIMED,
            [
                ("Claim", lambda row: str(row["claim"])),
                ("Effect", lambda row: str(row["effect"])),
                ("Mean", lambda row: _number(row["mean"])),
                ("95% interval", lambda row: interval_words(row["low"], row["high"])),
                ("Seeds", lambda row: _count(row["n"])),
                ("Must be", lambda row: str(row["rule"])),
                ("Holds", lambda row: str(row["holds"])),
                ("Certain", lambda row: str(row["certain"])),
            ],
        )
    }  # fmt: skip


def interval_words(low: Any, high: Any) -> str:
    """An interval, or a dash where there is none."""
    return NOTHING if pd.isna(low) else f"{low:.1f} to {high:.1f}"


def _task(name: str) -> str:
    return TASK.label_of(str(name))


def _scored(label: str, method: str) -> Column:
    return label, lambda row: _mean(row, method, f"{method}_")


def _mean(row: Mapping[str, Any], column: str, prefix: str) -> str:
    return _words(row[f"{column}_mean"], row[f"{column}_sd"], row[f"{prefix}n"],
                  row[f"{prefix}planned_seeds"])  # fmt: skip


def _runtime(row: Mapping[str, Any], column: str) -> str:
    return AT_CHANCE if row["at_chance"] else _mean(row, column, "")


def _plain(row: Mapping[str, Any]) -> str:
    return _words(row["mean"], row["sd"], row["n"], row["planned_seeds"])


def _words(mean: Any, sd: Any, n: Any, planned: Any) -> str:
    """`71.3 ± 0.8`, and `(2 of 3)` where seeds are missing."""
    if pd.isna(mean):
        return NOTHING if n == planned or pd.isna(n) else f"{NOTHING} ({n:.0f} of {planned:.0f})"
    text = _number(mean) if pd.isna(sd) else f"{mean:.1f} ± {sd:.1f}"
    return text if n == planned else f"{text} ({n:.0f} of {planned:.0f})"


def _number(value: Any, digits: int = 1) -> str:
    return NOTHING if pd.isna(value) else f"{value:.{digits}f}"


def _named_effect(name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda row: _effect(row, name)


def _effect(row: Mapping[str, Any], name: str) -> str:
    """`+1.2 [-0.3, 2.7]`: a paired difference, without the interval where it is of one seed."""
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    if pd.isna(value):
        return NOTHING
    text = f"{value:+.1f}"
    return text if pd.isna(low) else f"{text} [{low:.1f}, {high:.1f}]"


def _count(value: Any) -> str:
    return NOTHING if pd.isna(value) else f"{int(value):,}"


def printed_files(tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """The text of every file of printed tables by its name, and `tables.md` with all of them."""
    printed = printed_tables(tables)
    files = {f"{table.name}.md": markdown(table) for table in printed}
    files |= {f"{table.name}.tex": latex(table) for table in printed}
    if printed:
        files["tables.md"] = "\n".join(markdown(table) for table in printed)
    return files

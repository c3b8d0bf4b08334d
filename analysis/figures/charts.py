"""Charts from computed tables: Figure 4, robustness, runtime to convergence, training curves."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ablation import model_size
from ablation.axes import ABLATED
from ablation.method import AXIS as METHOD
from ablation.prompt_init import AXIS as INIT
from ablation.settings import STUDIED
from ablation.task import AXIS as TASK
from ablation.task_parameters import TECHNIQUES, Assumptions
from analysis.figures.chart import Chart, Line
from analysis.figures.notes import named
from analysis.style import looks
from analysis.tables.spreads import WHOLE

_LISTED = 6


def parameter_charts(costs: pd.DataFrame, given: Assumptions, family: str) -> list[Chart]:
    """Figure 4: parameters of a task, and their share of the model, by technique."""
    techniques = [each for each in TECHNIQUES if each.name in set(costs["technique"])]
    look = looks([each.name for each in techniques], STUDIED)
    note = (
        f"{family}: prompts and prefixes of {given.shortest} to {given.longest} tokens: mean ± sd "
        f"over all lengths. Prefixes enter {given.prefix_places} attentions a layer pair, through "
        f"a layer of {given.reparameterisation} in training; adapters of {given.bottleneck} "
        f"({given.encoder_adapters} an encoder, {given.decoder_adapters} a decoder layer); prompts "
        f"designed in {given.fewest_tokens} to {given.most_tokens} tokens."
    )
    charts = []
    for column, words in (("parameters", "Parameters of a task"), ("share", "% of the model")):
        lines = [
            Line(
                label=each.label, look=look[each.name],
                table=rows.rename(
                    columns={"model_parameters": "x", column: "mean", f"{column}_sd": "sd"}
                )[["x", "mean", "sd"]],
            )
            for each in techniques
            for rows in [costs[costs["technique"] == each.name]]
        ]  # fmt: skip
        charts.append(
            Chart(
                title="", x_label=model_size.AXIS.label, y_label=words, lines=tuple(lines),
                note=note, ticks=_ticks(costs), log_x=True, log_y=True,
            )
        )  # fmt: skip
    return charts


def robustness_chart(spreads: pd.DataFrame, tasks: Sequence[str], alert: str) -> Chart:
    """Best less worst setting of each axis against model size."""
    labels = {axis.name: axis.label for axis in ABLATED} | {WHOLE: "All crossed cells"}
    placed = spreads.dropna(subset=["model_parameters", "mean"])
    lost = [
        f"{labels[row['axis']].lower()} at {row['model_size']}"
        for _, row in spreads.iterrows() if pd.isna(row["mean"])
    ]  # fmt: skip
    axes = [name for name in labels if name in set(placed["axis"])]
    look = looks(axes, WHOLE)
    lines = tuple(
        Line(label=labels[name], look=look[name],
             table=placed[placed["axis"] == name].rename(columns={"model_parameters": "x"}))
        for name in axes
    )  # fmt: skip
    fewest, most = int(placed["n"].min()), int(placed["n"].max())
    return Chart(
        title="", x_label=model_size.AXIS.label, y_label="Best less worst setting, points",
        lines=lines, ticks=_ticks(placed), log_x=True, alert=_alert(alert, lost),
        note=f"Line and band: mean ± sd, n = {_range(fewest, most)} seeds; dots: each seed. Score "
        f"over {named(tasks)}. Seeds alone keep it above 0: compare sizes, not with 0.",
    )  # fmt: skip


def convergence_charts(table: pd.DataFrame, alert: str) -> list[Chart]:
    """Seconds and steps to convergence against model size, by prompt length."""
    studied = table[table["method"] == STUDIED]
    rows = studied.dropna(subset=["model_parameters"])
    lost = [
        f"P = {row['prompt_length']} at {row['model_size']}"
        for _, row in studied.iterrows() if row["n"] == 0
    ]  # fmt: skip
    lengths = sorted(rows["prompt_length"].dropna().unique().tolist())
    look = looks(lengths, lengths[-1])
    every = int(rows["eval_every"].max())
    note = (
        f"To the first evaluation within 1% of the mean best score of the setting, on "
        f"{TASK.label_of(str(rows['task'].iloc[0]))}; evaluated every {every} steps. "
    )
    words = {
        "seconds": "Seconds are the trial's own time, packs shared, in proportion to its steps.",
        "steps": "Line and band: mean ± sd over the seeds that converge.",
    }
    return [
        Chart(
            title="Prompt length", x_label=model_size.AXIS.label,
            y_label=f"{column.capitalize()} to convergence", ticks=_ticks(rows), log_x=True,
            note=note + said, alert=_alert(alert, lost),
            lines=tuple(
                Line(
                    label=f"{length:,}", look=look[length],
                    table=rows[rows["prompt_length"] == length].rename(
                        columns={"model_parameters": "x", f"{column}_mean": "mean",
                                 f"{column}_sd": "sd"}
                    )[["x", "mean", "sd"]],
                )
                for length in lengths
            ),
        )
        for column, said in words.items()
    ]  # fmt: skip


def curve_charts(
    curves: Mapping[str, pd.DataFrame],
    tasks: Sequence[str],
    planned: Sequence[str],
    alert: str,
) -> list[Chart]:
    """Dev score (and training loss) over steps, a chart for each method, a line for each size.

    A size of `planned` that has no line is named in the alert.
    """
    charts = []
    words = {"score": "Dev score", "train_loss": "Training loss, nats"}
    for quantity, table in curves.items():
        for method in METHOD.ordered(table["method"].unique()):
            rows = table[table["method"] == method]
            sizes = list(dict.fromkeys(rows.sort_values("model_parameters")["model_size"]))
            look = looks(sizes, sizes[-1])
            lost = [
                f"{METHOD.label_of(method).lower()} at {size}"
                for size in planned
                if size not in sizes
            ]
            fewest, most = int(rows["n"].min()), int(rows["n"].max())
            charts.append(
                Chart(
                    title=METHOD.label_of(method), x_label="Step", y_label=words[quantity],
                    lines=tuple(
                        Line(label=size, look=look[size],
                             table=rows[rows["model_size"] == size].rename(columns={"step": "x"}))
                        for size in sizes
                    ),
                    alert=_alert(alert, lost),
                    note=f"Line and band: mean ± sd, n = {_range(fewest, most)} seeds; dots: each "
                    f"seed. Mean over {named(tasks)}, default cell.",
                )
            )  # fmt: skip
    return charts


def distance_charts(
    table: pd.DataFrame, tasks: Sequence[str], planned: Sequence[str], alert: str
) -> list[Chart]:
    """Distance of prompts to the vocabulary over steps, a chart for each start, a line a size."""
    sizes = list(dict.fromkeys(table.sort_values("model_parameters")["model_size"]))
    look = looks(sizes, sizes[-1])
    fewest, most = int(table["n"].min()), int(table["n"].max())
    charts = []
    for init in INIT.ordered(table["prompt_init"].unique()):
        rows = table[table["prompt_init"] == init]
        lost = [f"{INIT.label_of(init).lower()} at {size}" for size in planned
                if size not in set(rows["model_size"])]  # fmt: skip
        charts.append(
            Chart(
                title=INIT.label_of(init), x_label="Step", y_label="Cosine distance",
                lines=tuple(
                    Line(label=size, look=look[size],
                         table=rows[rows["model_size"] == size].rename(columns={"step": "x"}))
                    for size in sizes if size in set(rows["model_size"])
                ),
                alert=_alert(alert, lost),
                note="From a prompt token to the nearest piece of the vocabulary, mean over the "
                f"prompt and over {named(tasks)}; step 0 is the start. Line and band: mean ± sd, "
                f"n = {_range(fewest, most)} seeds; dots: each seed.",
            )
        )  # fmt: skip
    return charts


def _alert(words: str, lost: Sequence[str]) -> str:
    """What is partial, and the first places where nothing is drawn; the tables list them all."""
    if not lost:
        return words
    more = f" and {len(lost) - _LISTED} more" if len(lost) > _LISTED else ""
    return f"{words} Not drawn: {', '.join(lost[:_LISTED])}{more}.".strip()


def _ticks(table: pd.DataFrame) -> tuple[int, ...]:
    return tuple(sorted(int(count) for count in table["model_parameters"].dropna().unique()))


def _range(fewest: int, most: int) -> str:
    return str(most) if fewest == most else f"{fewest} to {most}"

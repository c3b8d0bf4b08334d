"""Charts from computed tables: Figure 4, robustness, runtime to convergence, training curves."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ablation import model_size
from ablation.axes import ABLATED
from ablation.axis import Value
from ablation.method import AXIS as METHOD
from ablation.prompt_init import AXIS as INIT
from ablation.settings import STUDIED
from ablation.task import AXIS as TASK
from ablation.task_parameters import TECHNIQUES, Assumptions
from analysis.figures.chart import Chart, Line
from analysis.figures.notes import marks, named, seed_range
from analysis.style import in_sentence, looks
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
        f"{in_sentence(labels[row['axis']])} at {row['model_size']}"
        for _, row in spreads.iterrows() if pd.isna(row["mean"])
    ]  # fmt: skip
    axes = [name for name in labels if name in set(placed["axis"])]
    look = looks(axes, WHOLE)
    lines = tuple(
        Line(label=labels[name], look=look[name],
             table=placed[placed["axis"] == name].rename(columns={"model_parameters": "x"}))
        for name in axes
    )  # fmt: skip
    return Chart(
        title="", x_label=model_size.AXIS.label, y_label="Best less worst setting, points",
        lines=lines, ticks=_ticks(placed), log_x=True, alert=_alert(alert, lost), floor=0.0,
        note=f"{marks(placed)} Score over {named(tasks)}. Seeds "
        "alone keep it above 0: compare sizes, not with 0.",
    )  # fmt: skip


def convergence_charts(
    table: pd.DataFrame, lengths: Sequence[Value], default: Value, alert: str
) -> list[Chart]:
    """Seconds and steps to convergence against model size, by prompt length.

    `lengths` are those of Figure 3a, whose lines look the same there, and `default` is the
    one of the default cell.
    """
    rows = table.dropna(subset=["model_parameters"])
    look = looks(lengths, default)
    at_chance, lost = (
        [f"P = {row['prompt_length']} at {row['model_size']}" for _, row in without.iterrows()]
        for without in (
            table[table["at_chance"]], table[~table["at_chance"] & (table["n"] == 0)],
        )
    )  # fmt: skip
    note = (
        f"To the first evaluation within 1% of the mean best score of the setting, on "
        f"{TASK.label_of(str(rows['task'].iloc[0]))}; evaluated every "
        f"{int(rows['eval_every'].max())} steps. "
        + marks(_timed(rows, "steps"), f"over the seeds that converge, n = {seed_range(rows)}")
    )
    words = {"seconds": " Seconds are the trial's own, packs shared, in proportion to its steps."}
    thin = rows[rows["n"] < rows["planned_seeds"]]
    rings = "Ring: not all seeds have converged." if (thin["n"] > 0).any() else ""
    rings += " Mark on the axis: none has." if (thin["n"] == 0).any() else ""
    still = _listed("No better than chance, so not converged", at_chance)
    return [
        Chart(
            title="Prompt length", x_label=model_size.AXIS.label,
            y_label=f"{column.capitalize()} to convergence", ticks=_ticks(rows), log_x=True,
            note=note + words.get(column, ""), floor=0.0,
            alert=_alert(" ".join(filter(None, (alert, rings.strip(), still))), lost),
            lines=tuple(
                Line(label=f"{length:,}", look=look[length],
                     table=_timed(rows[rows["prompt_length"] == length], column))
                for length in lengths if (rows["prompt_length"] == length).any()
            ),
        )
        for column in ("seconds", "steps")
    ]  # fmt: skip


def _timed(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """One line of the runtime figure, with the names that a chart reads."""
    names = {"model_parameters": "x"}
    names |= {f"{column}_{name}": name for name in ("mean", "sd", "low", "high")}
    seeds = [str(name) for name in rows if str(name).startswith(f"{column}_seed_")]
    names |= {name: name.removeprefix(f"{column}_") for name in seeds}
    return rows[[*names, "n", "planned_seeds"]].rename(columns=names)


def curve_charts(
    curves: Mapping[str, pd.DataFrame],
    tasks: Sequence[str],
    planned: Sequence[str],
    alert: str,
) -> list[Chart]:
    """Dev score (and training loss) over steps for each method, a line for each size.

    The charts of a method follow each other. A size of `planned` that has no line is named
    in the alert.
    """
    charts = []
    words = {"score": "Dev score", "train_loss": "Training loss, nats"}
    methods = {method for table in curves.values() for method in table["method"]}
    for method in METHOD.ordered(methods):
        for quantity, table in curves.items():
            rows = table[table["method"] == method]
            if rows.empty:
                continue
            sizes = list(dict.fromkeys(rows.sort_values("model_parameters")["model_size"]))
            look = looks(sizes, sizes[-1])
            lost = [size for size in planned if size not in sizes]
            charts.append(
                Chart(
                    title=METHOD.label_of(method), x_label="Step", y_label=words[quantity],
                    floor=0.0, ceiling=100.0 if quantity == "score" else None,
                    lines=tuple(
                        Line(label=size, look=look[size],
                             table=rows[rows["model_size"] == size].rename(columns={"step": "x"}))
                        for size in sizes
                    ),
                    alert=_alert(alert, lost),
                    note=f"{marks(rows)} Mean over "
                    f"{named(tasks)}, default cell.",
                )
            )  # fmt: skip
    return charts


def distance_charts(
    table: pd.DataFrame, tasks: Sequence[str], planned: Sequence[str], alert: str
) -> list[Chart]:
    """Distance of prompts to the vocabulary over steps, a chart for each start, a line a size."""
    sizes = list(dict.fromkeys(table.sort_values("model_parameters")["model_size"]))
    look = looks(sizes, sizes[-1])
    charts = []
    for init in INIT.ordered(table["prompt_init"].unique()):
        rows = table[table["prompt_init"] == init]
        lost = [size for size in planned if size not in set(rows["model_size"])]
        charts.append(
            Chart(
                title=INIT.label_of(init), x_label="Step", y_label="Cosine distance", floor=0.0,
                lines=tuple(
                    Line(label=size, look=look[size],
                         table=rows[rows["model_size"] == size].rename(columns={"step": "x"}))
                    for size in sizes if size in set(rows["model_size"])
                ),
                alert=_alert(alert, lost),
                note="From a prompt token to the nearest piece of the vocabulary, mean over the "
                f"prompt and over {named(tasks)}; step 0 is the start. "
                + marks(table),
            )
        )  # fmt: skip
    return charts


def _alert(words: str, lost: Sequence[str]) -> str:
    """What is partial, and the first places where nothing is drawn; the tables list them all."""
    return f"{words} {_listed('Not drawn', lost)}".strip()


def _listed(words: str, places: Sequence[str]) -> str:
    """The first of some places in words; '' where there are none."""
    if not places:
        return ""
    more = f" and {len(places) - _LISTED} more" if len(places) > _LISTED else ""
    return f"{words}: {', '.join(places[:_LISTED])}{more}."


def _ticks(table: pd.DataFrame) -> tuple[int, ...]:
    return tuple(sorted(int(count) for count in table["model_parameters"].dropna().unique()))

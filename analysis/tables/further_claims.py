"""Claims of the paper beside those of `claims`, of whatever the sweep has the data for.

Transfer, votes, baselines and single axes (Lester et al. 2021, 3 to 6), each with one way to
measure it. They are paired by seed; votes, of which all seeds make one, are paired by task.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import pandas as pd

from ablation import lm_adaptation_steps, pretraining_objective, prompt_init, prompt_length
from ablation.cell import PRETRAINED, SENTINEL
from ablation.published import FAMILY, MEAN, published, superglue
from ablation.settings import STUDIED
from analysis.aggregate import interval
from analysis.contrasts import at, difference, weighted
from analysis.panels import Panel
from analysis.style import in_sentence, in_short
from analysis.tables.claims import CLOSE, Claim, claims, fades
from analysis.tables.transfer import paraphrase_effects, shift_effects

MULTITASK, DESIGNED = "multitask_model_tuning", "prompt_design"
PLATEAU, LONG = 20, 100
"""Tokens from which longer prompts gain little, and do harm (Lester et al. 2021, 3.2)."""
AT_RANDOM, FROM_WORDS = "random_uniform", ("sampled_vocab", "class_label")


def all_claims(
    panels: Mapping[str, Panel], frame: pd.DataFrame, ensembles: pd.DataFrame
) -> list[Claim]:
    """Every claim that the sweep can speak to: those of `claims` first, then the further ones.

    `panels` are by axis name, `frame` has a row for each trial, `ensembles` is Table 3 and
    may be empty.
    """
    found = claims(panels)
    scale = panels.get("method")
    if scale is not None:
        found += _against_baselines(scale)
        found += _against_gpt3(scale)
        found += _transferred(scale, frame)
        found += _voted(scale, ensembles)
    for name, of_axis in _AXES.items():
        if name in panels:
            found += of_axis(panels[name])
    return found


def _against_baselines(scale: Panel) -> Iterator[Claim]:
    """Prompt tuning beside multi-task model tuning, and beside prompt design."""
    _, largest = scale.ends
    if {MULTITASK, STUDIED} <= set(scale.values):
        yield Claim(
            name="matches_multitask_at_largest",
            claim="prompt tuning matches multi-task model tuning at the largest size",
            effect=f"multi-task model tuning less prompt tuning at {largest}, points",
            measured=at(difference(scale, MULTITASK, STUDIED), largest), rule="<=", bound=CLOSE,
        )  # fmt: skip
    if {DESIGNED, STUDIED} <= set(scale.values):
        gains = difference(scale, STUDIED, DESIGNED)
        claim = "prompt design is far below prompt tuning"
        yield Claim(
            name="prompt_design_below", claim=claim,
            effect="prompt tuning less prompt design, mean over sizes, points",
            measured=weighted(gains, _everywhere(scale)), rule=">", bound=0.0,
        )  # fmt: skip
        for size in scale.sizes:
            yield Claim(
                name="prompt_design_below", claim=claim,
                effect=f"prompt tuning less prompt design at {size}, points",
                measured=at(gains, size), rule=">", bound=0.0,
            )  # fmt: skip


def _transferred(scale: Panel, frame: pd.DataFrame) -> Iterator[Claim]:
    """What prompts and tuned models score on tasks that they were not tuned for (Tables 1, 2)."""
    shifts = shift_effects(frame)
    if len(shifts):
        largest = _largest(scale, shifts)
        rows = shifts[shifts["model_size"] == largest]
        means = rows.groupby(["task", "seed"], sort=False)["effect"].agg(
            lambda effects: effects.mean(skipna=False)
        )
        for name, effects in means.groupby("task", sort=False):
            yield Claim(
                name="domain_shift_robust",
                claim="a prompt stands a shift of domain better than a tuned model",
                effect=f"prompt less model tuning, tuned on {name} at {largest}, "
                "mean over other domains, points",
                measured=interval(effects), rule=">", bound=0.0,
            )  # fmt: skip
    pairs = paraphrase_effects(frame)
    if len(pairs):
        largest = _largest(scale, pairs)
        rows = pairs[pairs["model_size"] == largest]
        for (task, evaluated), part in rows.groupby(["task", "evaluated"], sort=False):
            yield Claim(
                name="paraphrase_transfers",
                claim="a prompt transfers between paraphrase tasks better than a tuned model",
                effect=f"prompt less model tuning, {task} to {evaluated} at {largest}, "
                "points of accuracy",
                measured=interval(part["effect"]), rule=">", bound=0.0,
            )  # fmt: skip


def _voted(scale: Panel, ensembles: pd.DataFrame) -> Iterator[Claim]:
    """The vote beside its voters, at the largest size that has one."""
    if ensembles.empty:
        return
    rows = ensembles[(ensembles["metric"] == "score") & (ensembles["task"] != MEAN)]
    largest = _largest(scale, rows)
    rows = rows[rows["model_size"] == largest]
    for name, column, claim, rule in (
        ("ensemble_beats_average", "average", "a vote beats the average of its prompts", ">"),
        ("ensemble_matches_best", "best", "a vote is no worse than the best of its prompts", ">="),
    ):
        yield Claim(
            name=name, claim=claim,
            effect=f"vote less {column} prompt at {largest}, mean over tasks and paired by task, "
            "points",
            measured=interval(rows["ensemble"] - rows[column]), rule=rule, bound=0.0,
        )  # fmt: skip


def _against_gpt3(scale: Panel) -> Iterator[Claim]:
    """Tuned prompts of T5 beside larger models with examples (Lester et al. 2021, Figure 1)."""
    is_t5 = set(scale.trials["model_family"]) == {FAMILY}
    if not is_t5 or STUDIED not in scale.values or set(scale.tasks) != superglue():
        return
    few_shot = {each.parameters: each for each in published() if each.quantity == "gpt3_few_shot"}
    for name, size, parameters, claim, rule, bound in (
        ("small_matches_gpt3_xl", "small", 1_300_000_000,
         "a tuned prompt makes T5 Small as good as GPT-3 XL is with examples", ">=", -CLOSE),
        ("large_beats_gpt3", "large", 175_000_000_000,
         "a tuned prompt makes T5 Large better than GPT-3 175B is with examples", ">", 0.0),
    ):  # fmt: skip
        if size in scale.sizes:
            yield Claim(
                name=name, claim=claim, rule=rule, bound=bound,
                effect=f"prompt tuning at {size} less GPT-3 {in_short(parameters)}, points",
                measured=at(scale.seed_scores()[STUDIED] - few_shot[parameters].value, size),
            )  # fmt: skip


def _starts(inits: Panel) -> Iterator[Claim]:
    for start in (value for value in FROM_WORDS if {value, AT_RANDOM} <= set(inits.values)):
        words, random = (in_sentence(inits.axis.label_of(each)) for each in (start, AT_RANDOM))
        yield Claim(
            name="words_beat_random_start",
            claim="a prompt that starts from words beats one that starts at random",
            effect=f"{words} less {random}, mean over sizes, points",
            measured=weighted(difference(inits, start, AT_RANDOM), _everywhere(inits)),
            rule=">", bound=0.0,
        )  # fmt: skip


def _sentinel(objective: Panel) -> Iterator[Claim]:
    if not {SENTINEL, PRETRAINED} <= set(objective.values):
        return
    yield Claim(
        name="sentinel_little_help",
        claim="a sentinel before the targets is little help to a span-corruption model",
        effect="with sentinel less without, mean over sizes, points",
        measured=weighted(difference(objective, SENTINEL, PRETRAINED), _everywhere(objective)),
        rule="<=", bound=CLOSE,
    )  # fmt: skip


def _longer_adaptation(steps: Panel) -> Iterator[Claim]:
    if len(steps.values) > 1:
        yield fades(steps)
    for fewer, more in pairwise(steps.values):
        yield Claim(
            name="more_adaptation_better", claim="more LM adaptation is better",
            effect=f"{more:,} steps less {fewer:,}, mean over sizes, points",
            measured=weighted(difference(steps, more, fewer), _everywhere(steps)),
            rule=">", bound=0.0,
        )  # fmt: skip


def _lengths(lengths: Panel) -> Iterator[Claim]:
    """One token, then 20, then more than 100 (Lester et al. 2021, 3.2)."""
    _, largest = lengths.ends
    if {1, PLATEAU} <= set(lengths.values):
        gains = difference(lengths, PLATEAU, 1)
        others = lengths.sizes[:-1]
        if others:
            yield Claim(
                name="one_token_is_too_few", claim="one token is too few for all but the largest",
                effect=f"{PLATEAU} tokens less 1, mean over sizes below {largest}, points",
                measured=weighted(gains, dict.fromkeys(others, 1 / len(others))),
                rule=">", bound=CLOSE,
            )  # fmt: skip
        yield Claim(
            name="one_token_enough_at_largest", claim="one token is enough for the largest size",
            effect=f"{PLATEAU} tokens less 1 at {largest}, points", measured=at(gains, largest),
            rule="<=", bound=CLOSE,
        )  # fmt: skip
    yield from _plateau(lengths)
    if LONG not in lengths.values:
        return
    for length in (int(value) for value in lengths.values if int(value) > LONG):
        yield Claim(
            name="over_100_tokens_harm", claim=f"more than {LONG} tokens do harm to larger models",
            effect=f"{length} tokens less {LONG} at {largest}, points",
            measured=at(difference(lengths, length, LONG), largest), rule="<", bound=0.0,
        )  # fmt: skip


def _plateau(lengths: Panel) -> Iterator[Claim]:
    if PLATEAU not in lengths.values:
        return
    for length in (int(value) for value in lengths.values if int(value) > PLATEAU):
        yield Claim(
            name="length_plateaus", claim=f"prompts longer than {PLATEAU} tokens gain little",
            effect=f"{length} tokens less {PLATEAU}, mean over sizes, points",
            measured=weighted(difference(lengths, length, PLATEAU), _everywhere(lengths)),
            rule="<=", bound=CLOSE,
        )  # fmt: skip


_AXES = {
    pretraining_objective.AXIS.name: _sentinel,
    lm_adaptation_steps.AXIS.name: _longer_adaptation,
    prompt_length.AXIS.name: _lengths,
    prompt_init.AXIS.name: _starts,
}
"""What is claimed of the panels of single axes, by the name of the axis."""


def _everywhere(panel: Panel) -> dict[str, float]:
    """The weights of a mean over all sizes."""
    return {size: 1 / len(panel.sizes) for size in panel.sizes}


def _largest(scale: Panel, rows: pd.DataFrame) -> str:
    """The largest size that `rows` has."""
    there = set(rows["model_size"])
    return next(size for size in reversed(scale.sizes) if size in there)

"""The further claims: each effect with a known answer, and none without data."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from ablation import method
from ablation.axes import ABLATED
from ablation.claim_names import CLAIMS
from ablation.published import superglue
from analysis.panels import build_panel, plans
from analysis.tables.claims import Claim, claims
from analysis.tables.further_claims import all_claims
from runners.config import TrialConfig

NONE = pd.DataFrame()


def _said(frame: pd.DataFrame, ensembles: pd.DataFrame = NONE) -> list[Claim]:
    """Every claim of a sweep."""
    panels = {
        axis.name: build_panel(frame, axis)
        for axis in (method.AXIS, *ABLATED) if plans(frame, axis)
    }  # fmt: skip
    return all_claims(panels, frame, ensembles)


def _effects(found: list[Claim], name: str) -> dict[str, tuple[float, bool | None]]:
    return {c.effect: (round(c.measured.mean, 6), c.holds) for c in found if c.name == name}


def test_further_claims_come_after_those_that_documents_quote(frame_of: Any) -> None:
    """A claim whose row moves, or whose words change, because there are more of them."""
    frame = frame_of()
    panels = {axis.name: build_panel(frame, axis) for axis in (method.AXIS, *ABLATED)}
    first, found = claims(panels), all_claims(panels, frame, NONE)
    assert found[: len(first)] == first
    assert {claim.name for claim in found} <= set(CLAIMS)
    assert len(found) > len(first)


def test_claims_of_single_axes_measure_what_they_say(frame_of: Any) -> None:
    """An effect of the wrong sign or over the wrong steps, lengths or objectives."""
    scores = {
        ("lm_adaptation_steps", 100): 54.0, ("prompt_length", 5): 20.0, ("prompt_length", 50): 64.0,
        ("pretraining_objective", "span_corruption"): 40.0,
        ("pretraining_objective", "span_corruption_sentinel"): 42.0,
    }  # fmt: skip

    def scorer(c: TrialConfig) -> float:
        return next((s for (name, v), s in scores.items() if getattr(c, name) == v), 60.0) + c.seed

    found = _said(frame_of(scorer=scorer, axes={"prompt_length": [5, 20, 50]}))

    assert _effects(found, "sentinel_little_help") == {
        "with sentinel less without, mean over sizes, points": (2.0, True),
    }
    assert _effects(found, "more_adaptation_better") == {
        "100 steps less 0, mean over sizes, points": (14.0, True),
        "1,000 steps less 100, mean over sizes, points": (6.0, True),
    }
    assert _effects(found, "length_plateaus") == {
        "50 tokens less 20, mean over sizes, points": (4.0, False),
    }
    assert {c.measured.sd for c in found if c.name == "length_plateaus"} == {0.0}


def test_lengths_and_starts_are_told_apart_by_size(frame_of: Any) -> None:
    """A length that is enough at the largest size and is averaged with those where it is not."""

    def scorer(c: TrialConfig) -> float:
        lost = {1: 2.0 if c.model_size == "2m" else 12.0, 150: 1.5}.get(c.prompt_length or 0, 0.0)
        return 60.0 + c.seed - lost - 7.0 * (c.prompt_init == "random_uniform")

    found = _said(frame_of(scorer=scorer, axes={"prompt_length": [1, 20, 100, 150]}))

    assert _effects(found, "one_token_is_too_few") == {
        "20 tokens less 1, mean over sizes below 2m, points": (12.0, True),
    }
    assert _effects(found, "one_token_enough_at_largest") == {
        "20 tokens less 1 at 2m, points": (2.0, True),
    }
    assert _effects(found, "over_100_tokens_harm") == {
        "150 tokens less 100 at 2m, points": (-1.5, True),
    }
    assert _effects(found, "words_beat_random_start") == {
        "class label less random uniform, mean over sizes, points": (7.0, True),
    }
    assert list(_effects(found, "lm_adaptation_steps_fades").values()) == [(0.0, False)]


def test_only_t5_on_superglue_is_held_against_gpt3(frame_of: Any) -> None:
    """A nano model, or a mean over two tasks, that is better than GPT-3."""
    tasks = sorted(superglue())
    frame = frame_of(scorer=lambda c: 61.0 + 13.5 * (c.model_size == "2m"), axes={"task": tasks})
    named = frame.assign(
        model_family="t5", model_size=frame["model_size"].replace({"60k": "small", "2m": "large"})
    )
    some = named[named["task"] != "wsc"]
    names = {"small_matches_gpt3_xl", "large_beats_gpt3"}
    assert {c.effect: round(c.measured.mean, 6) for c in _said(named) if c.name in names} == {
        "prompt tuning at small less GPT-3 1.3B, points": 1.0,
        "prompt tuning at large less GPT-3 175B, points": 1.3,
    }
    assert all(c.holds for c in _said(named) if c.name in names)
    assert not names & {claim.name for rows in (frame, some) for claim in _said(rows)}


def test_baselines_are_held_against_prompts_where_there_are_any(frame_of: Any) -> None:
    """Parity with a baseline that was not run, or prompt design as the better one."""
    shared = {"train_steps": 10, "eval_every": 5, "batch_size": 4, "learning_rate": 0.3}
    settings = {
        "shared": {"data_source": "microworld"}, "prompt_tuning": shared, "model_tuning": shared,
        "multitask_model_tuning": shared, "prompt_design": {"shots": 2},
        "lm_adaptation": {"batch_size": 4, "learning_rate": 0.001, "seed": 0},
    }  # fmt: skip
    scores = {"multitask_model_tuning": 72.0, "prompt_design": 40.0, "prompt_tuning": 70.0}
    frame = frame_of(
        scorer=lambda c: scores.get(c.method, 75.0) + c.seed, settings=settings,
        baselines=["model_tuning", "multitask_model_tuning", "prompt_design"],
    )  # fmt: skip
    found = _said(frame)
    assert _effects(found, "matches_multitask_at_largest") == {
        "multi-task model tuning less prompt tuning at 2m, points": (2.0, True),
    }
    below = _effects(found, "prompt_design_below")
    assert below["prompt tuning less prompt design, mean over sizes, points"] == (30.0, True)
    assert len(below) == 4
    names = {claim.name for claim in _said(frame_of())}
    assert not {"matches_multitask_at_largest", "prompt_design_below"} & names


def test_transfer_is_paired_by_seed_at_the_largest_size(frame_of: Callable[..., Any]) -> None:
    """The task itself among its domains, sizes mixed, or two methods of two seeds."""
    shared = {"train_steps": 10, "eval_every": 5, "batch_size": 4, "learning_rate": 0.3}
    settings = {
        "shared": {**shared, "data_source": "published",
                   "transfer_tasks": {"qqp": ["mrpc"], "mrpc": ["qqp"], "rte": ["cb", "record"]}},
        "lm_adaptation": {"batch_size": 4, "learning_rate": 0.001, "seed": 0},
    }  # fmt: skip
    frame = frame_of(settings=settings, axes={"task": ["rte", "qqp", "mrpc"]})
    is_prompt = frame["method"] == "prompt_tuning"
    large = frame["model_size"] == "2m"
    seeds = frame["seed"].astype("float64")
    for task, gain in (("cb", 4.0), ("record", 8.0), ("mrpc", 3.0), ("qqp", -1.0)):
        of_task = frame["transfer_tasks"].fillna("").str.split(",").map(lambda t, x=task: x in t)
        value = 50.0 + 10 * seeds + gain * (is_prompt & large).astype("float64")
        frame[f"{task}/score"] = value.where(of_task)
        frame[f"{task}/accuracy"] = value.where(of_task)
    found = _said(frame)
    assert _effects(found, "domain_shift_robust") == {
        "prompt less model tuning, tuned on rte at 2m, mean over other domains, points": (6.0, True)
    }
    assert _effects(found, "paraphrase_transfers") == {
        "prompt less model tuning, qqp to mrpc at 2m, points of accuracy": (3.0, True),
        "prompt less model tuning, mrpc to qqp at 2m, points of accuracy": (-1.0, False),
    }
    assert {c.measured.sd for c in found if c.name == "paraphrase_transfers"} == {0.0}


def test_a_vote_is_held_against_its_prompts_task_by_task(frame_of: Any) -> None:
    """A vote that beats the average of a mean over tasks, or of a smaller size."""
    rows = [("2m", "boolq", 70.0, 75.0, 76.0), ("2m", "record", 60.0, 66.0, 62.0),
            ("2m", "mean", 65.0, 70.5, 69.0), ("60k", "boolq", 90.0, 90.0, 10.0)]  # fmt: skip
    names = ["model_size", "task", "average", "best", "ensemble"]
    table = pd.DataFrame(rows, columns=names).assign(metric="score")
    found = _said(frame_of(), table)
    assert _effects(found, "ensemble_beats_average") == {
        "vote less average prompt at 2m, mean over tasks and paired by task, points": (4.0, True),
    }
    assert _effects(found, "ensemble_matches_best") == {
        "vote less best prompt at 2m, mean over tasks and paired by task, points": (-1.5, False),
    }
    (beats,) = (c for c in found if c.name == "ensemble_beats_average")
    assert (beats.measured.n, beats.measured.sd) == (2, pytest.approx(2.828427))


def test_a_sweep_without_the_data_claims_nothing_more(frame_of: Any) -> None:
    """Claims that nothing speaks to, in the table of every sweep."""
    lone = {"prompt_length": [20], "prompt_init": ["class_label"]}
    lone |= {"pretraining_objective": ["lm_adaptation"], "lm_adaptation_steps": [1000]}
    frame = frame_of(axes=lone)
    panels = {method.AXIS.name: build_panel(frame, method.AXIS)}
    assert all_claims(panels, frame, NONE) == claims(panels)

"""What prompts are near to: clusters of tokens, and the way from the vocabulary."""

import json
from typing import Any

import pandas as pd
import pytest

from ablation.settings import STUDIED
from analysis.draw import pictures
from analysis.findings import find
from analysis.neighbours import cluster_table, clusters, distance_table, neighbour_table
from analysis.style import paper
from analysis.tables.printed import CLUSTERS, TOKENS, printed_tables
from runners.config import TrialConfig


def _commit(toy: Any, record: Any, config: TrialConfig, near: float) -> None:
    """A trial that starts at the vocabulary and is `near` it at step 5, and half as near at 10."""
    attempt = toy.store.begin(config.trial_id)
    lines = [{"step": 5, "score": 50.0, "neighbour_similarity": near}]
    lines += [{"step": 10, "score": 60.0, "neighbour_similarity": near / 2}]
    if config.method != STUDIED:
        lines = [{"step": line["step"], "score": line["score"]} for line in lines]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (attempt.folder / "history.jsonl").write_text(text)
    made = record(config, 60.0, attempt=attempt.id)
    if config.method == STUDIED:
        made.provenance["neighbours"] = {
            "start": 1.0, "best": near / 2, "verbalizers": 2, "verbalizers_found": 1,
        }  # fmt: skip
    assert attempt.commit(made)


def test_distances_are_of_each_start_and_size_and_begin_at_the_start(toy: Any, record: Any) -> None:
    """A curve that begins after the largest change, or that mixes starts."""
    made = toy(axes={"lm_adaptation_steps": [1000], "pretraining_objective": ["lm_adaptation"]})
    for config in made.configs:
        _commit(made, record, config, 0.8 if config.prompt_init == "class_label" else 0.4)
    found = find(made.manifest, made.trials(), made.store)
    means = found.distances.set_index(["prompt_init", "model_size", "step"])["mean"]
    assert means["class_label", "2m"].to_dict() == pytest.approx({0: 0.0, 5: 0.2, 10: 0.6})
    assert means["random_uniform", "60k"].to_dict() == pytest.approx({0: 0.0, 5: 0.6, 10: 0.8})
    assert set(found.distances["n"]) == {2}
    (picture,) = (p for p in pictures(found) if p.stem == "figure_vocabulary")
    with paper():
        figure = picture.draw()
    titles = [axes.get_legend().get_title().get_text() for axes in figure.axes]
    assert titles == ["Random uniform", "Class label"]
    assert set(picture.trials["prompt_init"]) == {"random_uniform", "class_label"}


def test_a_sweep_without_neighbours_has_no_distances(whole: Any) -> None:
    """An empty figure, or an error, where records are older than the neighbours."""
    found = find(whole.manifest, whole.trials(), whole.store)
    assert found.distances.empty
    assert distance_table(found.histories, found.frame).empty


def test_tokens_that_share_their_neighbours_are_one_cluster() -> None:
    """Clusters by order of position, or one cluster of everything."""
    near = [["a", "b", "c"], ["x", "y", "z"], ["a", "b", "d"], ["q", "r", "s"]]
    assert clusters(near) == [1, 2, 1, 3]
    assert clusters([["a"]]) == [1]


def test_a_cluster_shows_what_its_tokens_share() -> None:
    """Lone tokens listed as clusters, or the pieces of another trial."""
    trial = {"trial_id": "t", "model_size": "2m", "prompt_init": "class_label",
             "prompt_length": 3, "task": "boolq", "seed": 0}  # fmt: skip
    rows = pd.DataFrame(
        {**trial, "position": position, "pieces": pieces, "cluster": cluster}
        for position, (pieces, cluster) in enumerate([("a b", 1), ("c d", 2), ("a e", 1)])
    )
    table = cluster_table(rows)
    assert table[["positions", "tokens"]].to_dict("records") == [{"positions": "0 2", "tokens": 2}]
    assert table["pieces"].iloc[0].startswith("a ")


def test_pieces_of_a_prompt_for_each_size_and_start_are_printed() -> None:
    """A table of cosines alone, or one of which the tokens are of many prompts at once."""
    rows = pd.DataFrame(
        {"trial_id": f"{size}{init}{task}{seed}", "model_size": size, "prompt_init": init,
         "prompt_length": 9, "task": task, "seed": seed, "position": position, "cluster": 1,
         "pieces": f"{init[0]}{position} b c d e", "cosines": "0.900 0.800 0.700 0.600 0.500"}
        for init in ("class_label", "random_uniform") for seed in (1, 0)
        for task in ("wic", "boolq") for size in ("60k", "2m") for position in range(9)
    )  # fmt: skip
    (printed,) = printed_tables({"prompt_tokens": rows})
    assert len(printed.rows) == 2 * 2 * TOKENS
    assert [row[:4] for row in printed.rows[::TOKENS]] == [
        ("60k", "Random uniform", "WiC", "0"), ("60k", "Class label", "WiC", "0"),
        ("2m", "Random uniform", "WiC", "0"), ("2m", "Class label", "WiC", "0"),
    ]  # fmt: skip
    assert [row[4] for row in printed.rows[:TOKENS]] == [str(n + 1) for n in range(TOKENS)]
    assert printed.rows[1][5:] == ("r1 b c d e", "0.900")


def test_clusters_of_every_size_are_printed() -> None:
    """Clusters of the smallest model alone, which has the most of them."""
    rows = pd.DataFrame(
        {"trial_id": "t", "model_size": size, "prompt_init": "class_label", "task": "boolq",
         "seed": 0, "tokens": tokens, "pieces": f"{size} {tokens}"}
        for size, most in (("60k", 9), ("2m", 3)) for tokens in range(2, most + 1)
    )  # fmt: skip
    (printed,) = printed_tables({"prompt_clusters": rows})
    assert [row[0] for row in printed.rows] == ["60k 9", "60k 8", "60k 7", "2m 3", "2m 2"]
    assert CLUSTERS == 3


def test_neighbours_are_in_the_order_of_starts(frame_of: Any) -> None:
    """The default start first, since its trials were planned first."""
    frame = frame_of()
    known = {"start": 1.0, "best": 0.5, "verbalizers": 2, "verbalizers_found": 1}
    prompts = frame["method"] == STUDIED
    for name, value in known.items():
        frame[f"neighbours.{name}"] = pd.Series(float(value), index=frame.index).where(prompts)
    table = neighbour_table(frame)
    assert list(zip(table["prompt_init"], table["model_size"], strict=True)) == [
        (init, size) for init in ("random_uniform", "class_label") for size in ("60k", "200k", "2m")
    ]

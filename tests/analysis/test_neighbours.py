"""Clusters of prompt tokens by the pieces near them."""

import pandas as pd

from analysis.neighbours import cluster_table, clusters


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

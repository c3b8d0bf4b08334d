"""What prompts are near to: by init and size, while they train, and token by token in clusters.

The neighbours come with each trial (`neighbours.jsonl`), as its session found them.
Clusters are of prompt tokens of one prompt by the pieces that they share: average
linkage over Jaccard distances of their top five, cut where two clusters share less than
a fifth on average.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from ablation import prompt_init
from ablation.grid import SCALE
from ablation.settings import STUDIED
from analysis.frame import in_panel
from analysis.histories import curves_of
from analysis.trial_files import NEIGHBOURS, BrokenFile, Read, read_lines
from runners.store import Store

CUT = 0.8
"""Mean Jaccard distance at which clusters stay apart."""
_PANELS = (SCALE, str(prompt_init.AXIS.panel))
_TRIAL = ["trial_id", "model_size", "prompt_init", "prompt_length", "task", "seed"]


def neighbour_table(frame: pd.DataFrame) -> pd.DataFrame:
    """A row for each (init, size): cosine to the vocabulary at start and best; verbalizers.

    Inits in the order of figures, sizes as the frame has them. Empty where no trial of the
    default cell or of the panel of inits has neighbours.
    """
    if "neighbours.best" not in frame:
        return pd.DataFrame()
    rows = _shown(frame).dropna(subset=["neighbours.best"])
    groups = rows.groupby(["prompt_init", "model_size"], sort=False)
    table = groups.agg(
        start=("neighbours.start", "mean"), best=("neighbours.best", "mean"),
        found=("neighbours.verbalizers_found", "sum"),
        verbalizers=("neighbours.verbalizers", "sum"), n=("trial_id", "size"),
    ).reset_index()  # fmt: skip
    return _ordered(table, ["prompt_init", "model_size"])


def distance_trials(frame: pd.DataFrame) -> pd.DataFrame:
    """The prompts whose way from the vocabulary is drawn: of every start, or of the default."""
    compared = in_panel(frame, str(prompt_init.AXIS.panel))
    shown = compared if len(compared) else in_panel(frame, SCALE)
    return shown[shown["method"] == STUDIED]


def distance_table(histories: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Distance to the vocabulary over steps: a row for each (init, size, step), over seeds.

    The distance is 1 less the cosine of the nearest piece, mean over the prompt's tokens
    and then over tasks; step 0 is the start. Empty where no trial has recorded it.
    """
    if "neighbours.start" not in frame:
        return pd.DataFrame()
    trials = distance_trials(frame).dropna(subset=["neighbours.start"])
    starts = trials.assign(step=0, neighbour_similarity=trials["neighbours.start"])
    later = histories[histories["step"] > 0]
    points = pd.concat([starts[later.columns.intersection(starts.columns)], later])
    points = points.assign(distance=1 - points["neighbour_similarity"].astype("float64"))
    return curves_of(points, distance_trials(frame), prompt_init.AXIS.name, "distance")


def neighbours_of(
    frame: pd.DataFrame, store: Store, read: Read = read_lines
) -> tuple[pd.DataFrame, list[str]]:
    """A row for each prompt token of the default cell and the panel of inits.

    Columns: those that name the trial, `position`, `pieces` and `cosines`, nearest first
    and parted by spaces, and `cluster`, a number within the trial; a token that shares
    nothing has a cluster of its own. A note says of each broken file which trial it is of,
    where it lies and what is wrong with it.
    """
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    if "neighbours.best" not in frame:
        return pd.DataFrame(), []
    for trial in _shown(frame).dropna(subset=["neighbours.best"]).to_dict("records"):
        try:
            found = read(store, trial["trial_id"], NEIGHBOURS)
        except BrokenFile as error:
            notes.append(f"pieces and clusters are told without one prompt: {error}")
            continue
        if len(found) != trial["prompt_length"]:
            notes.append(
                f"pieces and clusters are told without one prompt: trial {trial['trial_id']}: "
                f"{store.path(trial['trial_id'], NEIGHBOURS.name)}: has {len(found)} lines for "
                f"{trial['prompt_length']} prompt tokens; see python -m sweeps verify"
            )
            continue
        known = {name: trial[name] for name in _TRIAL}
        for row, cluster in zip(found, clusters([row["pieces"] for row in found]), strict=True):
            cosines = " ".join(f"{value:.3f}" for value in row["cosines"])
            rows.append({**known, "position": row["position"], "pieces": " ".join(row["pieces"]),
                         "cosines": cosines, "cluster": cluster})  # fmt: skip
    return pd.DataFrame(rows), notes


def clusters(neighbours: list[list[str]]) -> list[int]:
    """A number for each prompt token, equal where their neighbours overlap; 1 is the first."""
    if len(neighbours) < 2:
        return [1] * len(neighbours)
    tree = linkage(squareform(_distances(neighbours), checks=False), method="average")
    found = fcluster(tree, CUT, criterion="distance")
    order: dict[int, int] = {}
    return [order.setdefault(int(number), len(order) + 1) for number in found]


def _distances(neighbours: list[list[str]]) -> NDArray[np.float64]:
    """Jaccard distances of the pieces of each two tokens [P, P]."""
    columns = {piece: place for place, piece in enumerate({p for row in neighbours for p in row})}
    has = np.zeros((len(neighbours), len(columns)))
    for row, pieces in enumerate(neighbours):
        has[row, [columns[piece] for piece in pieces]] = 1
    shared, counts = has @ has.T, has.sum(axis=1)
    distances: NDArray[np.float64] = 1 - shared / (counts[:, None] + counts[None, :] - shared)
    return distances


def sampled_tokens(neighbours: pd.DataFrame, tokens: int) -> pd.DataFrame:
    """The first prompt tokens of a trial for each (size, init): its first task, its lowest seed."""
    keys = ["model_size", "prompt_init"]
    ordered = _ordered(neighbours, [*keys, "task", "seed", "position"])
    lone = ordered.groupby(keys, sort=False)["trial_id"].transform("first")
    of_one = ordered[ordered["trial_id"] == lone]
    return of_one.groupby(keys, sort=False).head(tokens).reset_index(drop=True)


def largest_clusters(clustered: pd.DataFrame, count: int) -> pd.DataFrame:
    """The clusters of each size that have the most tokens, sizes as the table has them."""
    ordered = clustered.sort_values("tokens", ascending=False, kind="stable")
    sizes = {size: place for place, size in enumerate(dict.fromkeys(clustered["model_size"]))}
    kept = ordered.groupby("model_size", sort=False).head(count)
    return kept.sort_values("model_size", key=lambda size: size.map(sizes), kind="stable")


def _ordered(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Rows by these keys: inits in the order of figures, names by where they first stand."""
    places = pd.DataFrame(index=table.index)
    for key in keys:
        values = table[key].unique().tolist()
        known = {value: place for place, value in enumerate(values)}
        if key == prompt_init.AXIS.name:
            known = {value: n for n, value in enumerate(prompt_init.AXIS.ordered(values))}
        is_name = key in (prompt_init.AXIS.name, "model_size", "task")
        places[key] = table[key].map(known) if is_name else table[key]
    return table.loc[places.sort_values(keys, kind="stable").index].reset_index(drop=True)


def cluster_table(neighbours: pd.DataFrame) -> pd.DataFrame:
    """Clusters of two tokens or more: trial, positions, and their pieces, the most shared first."""
    rows = []
    for key, part in neighbours.groupby([*_TRIAL, "cluster"], sort=False):
        if len(part) < 2:
            continue
        pieces = part["pieces"].str.split(" ").explode().value_counts()
        known = dict(zip(_TRIAL, key, strict=False))
        positions = " ".join(map(str, part["position"]))
        rows.append({**known, "positions": positions, "tokens": len(part),
                     "pieces": " ".join(pieces.index[:5])})  # fmt: skip
    return pd.DataFrame(rows)


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    parts = [in_panel(frame, panel) for panel in _PANELS]
    shown = pd.concat(parts)
    return shown[~shown["trial_id"].duplicated()]

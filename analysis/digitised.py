"""A user's own reading of a published figure, since its curves were never published as numbers."""

from pathlib import Path

import numpy as np
import pandas as pd

COLUMNS = ("figure", "series", "parameters", "score")
"""What the CSV has: such as figure_1, prompt_tuning, 77000000, 61.5; or figure_3a, 20 ..."""


def read_digitised(path: Path) -> pd.DataFrame:
    """A digitised figure, columns `COLUMNS`.

    Raises ValueError where there is no such file or it is no CSV, naming the columns that are
    missing, or the first value that is no number, or of which there is no logarithm.
    """
    wanted = f"give a CSV with the columns {', '.join(COLUMNS)}"
    if not path.is_file():
        raise ValueError(f"--digitised {path}: there is no such file; {wanted}")
    try:
        table = pd.read_csv(path, dtype={"figure": "str", "series": "str"})
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise ValueError(f"--digitised {path}: is no CSV ({error}); {wanted}") from error
    lacking = [name for name in COLUMNS if name not in table]
    if lacking:
        raise ValueError(
            f"{path}: lacks the columns {', '.join(lacking)}; a digitised figure has "
            f"{', '.join(COLUMNS)}"
        )
    for name in ("parameters", "score"):
        numbers = pd.to_numeric(table[name], errors="coerce")
        bad = table.loc[~np.isfinite(numbers), name]
        if len(bad):
            raise ValueError(f"{path}: {name} {str(bad.iloc[0])!r} is not a number; write one")
        table[name] = numbers
    small = table.loc[table["parameters"] <= 0, "parameters"]
    if len(small):
        raise ValueError(f"{path}: parameters {small.iloc[0]} is not above 0; write a model's size")
    return table

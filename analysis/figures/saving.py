"""A figure on disk: PNG, SVG and PDF, provenance inside; the table and the provenance beside.

Drawing again from the same store gives the same bytes: no file carries a date,
and the names inside an SVG are fixed by the style.
"""

from pathlib import Path

from matplotlib.figure import Figure

from analysis.provenance import Provenance

FORMATS = ("png", "svg", "pdf")


def save_figure(
    figure: Figure, folder: Path, provenance: Provenance, table: bytes
) -> tuple[Path, ...]:
    """Write `figure` and what stands behind it as `folder/<figure name>.*`.

    Call it inside `style.paper()`. Provenance is, as JSON, the text chunk
    `Description` of the PNG, the `Description` of the SVG's metadata, and the
    `Keywords` of the PDF's info.
    """
    title, text = f"{provenance.figure} of {provenance.spec_name}", provenance.to_json()
    metadata: dict[str, dict[str, str | None]] = {
        "png": {"Title": title, "Description": text},
        "svg": {"Title": title, "Description": text, "Date": None},
        "pdf": {"Title": title, "Keywords": text, "CreationDate": None},
    }
    paths = {
        suffix: folder / f"{provenance.figure}.{suffix}" for suffix in (*FORMATS, "csv", "json")
    }
    for suffix in FORMATS:
        figure.savefig(paths[suffix], metadata=metadata[suffix])
    paths["csv"].write_bytes(table)
    paths["json"].write_text(text + "\n", encoding="ascii")
    return tuple(paths.values())

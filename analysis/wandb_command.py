"""`python -m analysis wandb-report`: publishes a report, or writes its spec without a key."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from analysis.page.command import FOLDER
from analysis.source import open_sweep


def wandb_report(where: str, spec: str | None, out: str | None, told: Mapping[str, Any]) -> None:
    """Publish the report of a sweep, or write its spec where there is no key or `out` says so.

    `told` has `project`, `entity` and `images`. Raises ValueError where the sweep is
    missing, W&B refuses, or `wandb-workspaces` is not installed.
    """
    if find_spec("wandb_workspaces") is None:
        raise ValueError(
            "wandb-report: needs wandb-workspaces, which is not installed; "
            "pip install 'promptscale[reports]'"
        )
    # wandb takes a second to load.
    import wandb
    from wandb.errors import Error

    from analysis.wandb_report import Place, publish, report_of, write_spec

    sweep = open_sweep(where, spec)
    place = Place(project=told["project"], entity=told["entity"], images=told["images"])
    report = report_of(sweep, place)
    if out is None and wandb.login(prompt=False, verify=False):
        try:
            print(publish(report, place))
        except (Error, OSError) as error:
            raise ValueError(f"W&B: {error}; --out FILE writes the report's spec") from error
        return
    path = Path(out) if out else FOLDER / f"{sweep.manifest.name}.wandb.json"
    write_spec(report, path)
    print(f"{path}: the spec of the report; with a key it is published in place of that")

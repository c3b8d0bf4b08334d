"""The console command `promptscale`: the verbs of the packages behind one door.

promptscale plan sweeps/specs/laptop.yaml
promptscale run sweeps/specs/laptop.yaml
promptscale status sweeps/specs/laptop.yaml
promptscale figures sweeps/specs/laptop.yaml
promptscale best results/laptop --out best --with-model

It stands above all packages, which do not know it, and loads the one that a
verb lives in when that verb is asked for.
"""

import importlib
import sys
from collections.abc import Sequence

from runners.rules import nearest

VERBS = {
    "plan": ("sweeps.cli", "what a sweep is, has, lacks and waits for"),
    "doctor": ("sweeps.cli", "what would go wrong in a run"),
    "run": ("sweeps.cli", "run what is missing"),
    "submit": ("sweeps.cli", "send this checkout to a Ray cluster, and run a sweep there"),
    "status": ("sweeps.cli", "how far a sweep is, and what failed"),
    "track": ("sweeps.cli", "mirror a sweep's store to W&B, every trial a run"),
    "verify": ("sweeps.cli", "read a sweep's store and say what is wrong with it"),
    "withdraw": ("sweeps.cli", "take back results, so that their trials run again"),
    "restart": ("sweeps.cli", "drop checkpoints, so that trials start anew"),
    "compare": ("analysis.cli", "hold a sweep against what is published"),
    "figures": ("analysis.cli", "draw the figures from the store"),
    "tables": ("analysis.cli", "print the tables of a sweep, or write them"),
    "report": ("analysis.cli", "write one HTML page with all of a sweep in it"),
    "wandb-report": ("analysis.cli", "publish the report of a sweep in W&B, or write its spec"),
    "best": ("runners.prompts", "name the winning prompt of each task or cell"),
    "export": ("runners.prompts", "write a trial's prompt for PEFT or T5X"),
    "import": ("runners.prompts", "commit a prompt of PEFT or T5X as a trial"),
}
"""Each verb, the module whose `main` takes it, and what it does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; 2 where there is no such verb."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        print(_usage())
        return 0 if words else 2
    verb = words[0]
    if verb not in VERBS:
        near = nearest(verb, VERBS)
        remedy = f"did you mean {near!r}?" if near else "promptscale --help lists the verbs"
        print(f"promptscale: {verb!r} is not a verb; {remedy}", file=sys.stderr)
        return 2
    code: int = importlib.import_module(VERBS[verb][0]).main(words)
    return code


def _usage() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {words}" for verb, (_, words) in VERBS.items()]
    close = "promptscale VERB --help says more of each."
    return "\n".join(["usage: promptscale VERB ...", "", *lines, "", close])


if __name__ == "__main__":
    sys.exit(main())

"""Sends this checkout to a cluster and runs a spec there: what `python -m sweeps submit` does.

Commands of Ray's, which it shows: `ray exec` to see that no sweep runs there, `ray rsync-up`
for the code, the same for a list of it, and `ray submit`.
"""

import hashlib
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeps import checkout, nodes
from sweeps.submit import LOCK

CLUSTER = "sweep.yaml"
"""The cluster file that is taken where none is named."""
SCRIPT = "sweeps/submit.py"
IS_FREE = (
    f"flock --nonblock {LOCK} true || {{ echo 'a sweep that was submitted before still runs, and "
    "its workers would get other code; wait for it, or run what is there with --no-sync'; exit 1; }"
)
"""What the head is asked before code is sent."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A spec of this checkout, and the cluster that is to run it."""

    spec: str
    """Path of the spec, relative to the checkout."""
    cluster: Path
    tmux: bool = False
    """Whether it goes on without us, in a terminal on the head."""
    sync: bool = True
    """Whether the code is sent first; else it has to be there."""
    workers: str | None = None
    """How many workers it gets, in place of what the spec says."""

    def commands(self, listing: Path) -> list[list[str]]:
        """What has to be called, in order; `listing` is the list of the code, in a file."""
        cluster = str(self.cluster)
        there = f"~/.promptscale-{_digest(listing)}.json"
        # Ray puts the words together with blanks and has a shell read them.
        words = [shlex.quote(self.spec), "--listing", there]
        words += ["--workers", self.workers] if self.workers else []
        return [
            *([["exec", cluster, IS_FREE]] if self.sync else []),
            *([["rsync-up", cluster, "--all-nodes"]] if self.sync else []),
            ["rsync-up", cluster, str(listing), there],
            ["submit", *(["--tmux"] if self.tmux else []), cluster, SCRIPT, "--", *words],
        ]


def submission(
    spec: str,
    *,
    cluster: str | None,
    tmux: bool = False,
    sync: bool = True,
    workers: str | None = None,
    root: Path = checkout.ROOT,
) -> Submission:
    """A checked submission; `spec` and `cluster` are paths of the caller's.

    Raises ValueError where the spec lies outside the checkout `root`, whose files
    are all that the cluster has, or where there is no such cluster file.
    """
    inside = Path(spec).resolve()
    if not inside.is_relative_to(root):
        raise ValueError(
            f"{spec}: lies outside the checkout {root}, of which the cluster has a copy; "
            "put it there, with what it names by relative paths"
        )
    file = Path(cluster) if cluster else root / CLUSTER
    if not file.is_file():
        raise nodes.missing(file, root, file.parent)
    path = inside.relative_to(root).as_posix()
    return Submission(spec=path, cluster=file.resolve(), tmux=tmux, sync=sync, workers=workers)


def submit(asked: Submission, root: Path = checkout.ROOT) -> int:
    """Run the commands one after another; the exit code of the one that fails, or 0."""
    with tempfile.TemporaryDirectory(prefix="promptscale-") as scratch:
        listing = Path(scratch, "listing.json")
        listing.write_text(json.dumps(checkout.listing(root, asked.spec)))
        for words in asked.commands(listing):
            code = _ray(words, root)
            if code:
                print(f"{asked.spec}: `ray {words[0]}` has failed; {_hint(words)}", file=sys.stderr)
                return code
    if asked.tmux:
        print(_follow(asked))
    return 0


def _ray(words: Sequence[str], root: Path) -> int:
    """One command of Ray's, in the checkout, where its relative paths start."""
    print(f"$ ray {shlex.join(words)}", flush=True)
    program = [sys.executable, "-m", "ray.scripts.scripts"]
    return subprocess.run([*program, *words], cwd=root, check=False).returncode


def _hint(words: Sequence[str]) -> str:
    if words[0] == "submit":
        return "its reason stands above"
    if words[0] == "exec":
        return f"its reason stands above, or else, is the cluster up? `ray up {words[1]}` starts it"
    return f"is the cluster up? `ray up {words[1]}` starts it"


def _follow(asked: Submission) -> str:
    """What to call for a sweep that goes on without us."""
    wait = f"cd promptscale && python -m sweeps status {shlex.quote(asked.spec)} --wait"
    return (
        f"{asked.spec} goes on in a terminal on the head, which has its exit code too:\n"
        f"  ray attach --tmux {asked.cluster}\n"
        f"  ray exec {asked.cluster} {shlex.quote(wait)}"
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]

"""The script that `ray submit` sends: runs a spec on the cluster, from the checkout that is there.

ray submit sweep.yaml sweeps/submit.py -- sweeps/specs/laptop.yaml

Ray sends this one file and starts it in the home folder, with the standard library at
best. So it looks for the checkout (the one that it lies in, or ~/promptscale, where
sweep.yaml mounts it) and for its environment, and runs `python -m sweeps run` there, on
the cluster of RAY_ADDRESS or else on this machine's. Paths are relative to the checkout.

`python -m sweeps submit` sends the code first, and a list of it, with which the
checkout is compared: one that differs runs nothing. A bare `ray submit` compares with
nothing, and says so. The sweep's manifest keeps the fingerprint of the code that ran.
Exit codes are those of `python -m sweeps run`; `ray submit` makes each but 0 a 1.

While a sweep runs, its process holds a lock (`LOCK`), so that nobody sends other code under it.
"""

import argparse
import fcntl
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

MOUNT = "~/promptscale"
"""Where sweep.yaml puts the checkout."""
LOCK = "~/.promptscale-running"
"""Sweeps that were submitted hold this file together; who sends code needs it alone."""


def main(arguments: Sequence[str]) -> NoReturn:
    """Become `python -m sweeps run ARGUMENTS` of the checkout; exit with 2 where there is none."""
    mine = Path(__file__).resolve()
    root = _checkout(mine)
    if root is None:
        print(
            f"submit: there is no checkout in {MOUNT} on {os.uname().nodename}; "
            "`ray up sweep.yaml` puts it there",
            file=sys.stderr,
        )
        sys.exit(2)
    options, words = _parser().parse_known_args(arguments)
    _hold()
    if options.listing is None:
        print(f"submit: the code is what {root} holds, compared with nothing", flush=True)
    else:
        _compare(root, Path(options.listing).expanduser())
        # Ray sends files to the workers too, and takes none away there.
        words.append("--prune-nodes")
    if mine.read_bytes() != (root / "sweeps" / "submit.py").read_bytes():
        print("submit: this script is another there; `ray rsync-up` sends the code", flush=True)
    own = root / ".venv" / "bin" / "python"
    python = str(own) if own.exists() else sys.executable
    os.chdir(root)
    os.environ.setdefault("RAY_ADDRESS", "auto")
    os.execv(python, [python, "-m", "sweeps", "run", *words])


def _hold() -> None:
    """Hold the lock as long as this process lives, also once it has become another program."""
    held = os.open(Path(LOCK).expanduser(), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(held, fcntl.LOCK_SH)
    os.set_inheritable(held, True)


def _compare(root: Path, listing: Path) -> None:
    """Exit with 2 where the checkout is not what was submitted; sources left over go."""
    sys.path.insert(0, str(root))
    from sweeps import checkout

    submitted: dict[str, str] = json.loads(listing.read_text())
    listing.unlink()
    for stray in checkout.remove_strays(root, submitted):
        print(f"submit: {root / stray} is removed, for it was not submitted", flush=True)
    if different := checkout.compare(root, submitted):
        print(
            f"submit: nothing was started, for the code in {root} is not what was submitted "
            f"({different}); send it, without --no-sync",
            file=sys.stderr,
        )
        sys.exit(2)
    print(f"submit: the code in {root} is what was submitted", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="submit.py", add_help=False)
    parser.add_argument("--listing", metavar="FILE", help="the code as it was submitted")
    return parser


def _checkout(mine: Path) -> Path | None:
    for root in (mine.parent.parent, Path(MOUNT).expanduser()):
        if (root / "sweeps" / "submit.py").is_file() and (root / "runners").is_dir():
            return root
    return None


if __name__ == "__main__":
    main(sys.argv[1:])

"""Serve prompts: one frozen model, every task, over HTTP.

python -m runners.serving                                   # what ships
python -m runners.serving results/laptop model_size=2m --votes 3
python -m runners.serving best/boolq best/rte prompt.npy task=wic model_size=2m
python -m runners.serving --ask boolq "passage: The bag is black. question: is the bag red"
python -m runners.serving results/laptop --check            # answers as recorded, or not
"""

import argparse
import asyncio
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from runners.catalogue import Catalogue
from runners.catalogue_section import load_catalogue
from runners.model.device import DEVICES
from runners.serving.sources import SHIPPED, Found, find_models, parse_sources
from runners.store import Store

LOOPBACK = "127.0.0.1"
TOKEN_VARIABLE = "PROMPTSCALE_SERVING_TOKEN"
"""The variable of the environment with the token that changing what is served asks for."""


def main(words: Sequence[str] | None = None) -> int:
    """Serve until interrupted, or do what is asked for once; returns the exit code."""
    options = _parser().parse_intermixed_args(words)
    try:
        catalogue = load_catalogue(options.catalogue) if options.catalogue else Catalogue()
        sources = parse_sources(options.prompts or [str(SHIPPED)])
        found = find_models(sources, catalogue, votes=options.votes, store=options.store)
        for note in found.notes:
            print(f"note: {note}", file=sys.stderr)
        if options.check:
            from runners.serving.checking import check

            return check(found, catalogue, device=options.device)
        if options.ask:
            return _ask(found, catalogue, options)
        return _serve(found, catalogue, options)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


def _ask(found: Found, catalogue: Catalogue, options: argparse.Namespace) -> int:
    """Answer one question in this process, without HTTP and Ray."""
    from runners.serving.desk import Desk, Item, Refusal
    from runners.serving.frozen import load_frozen
    from runners.serving.limits import Limits
    from runners.serving.models import Directory
    from runners.serving.replica import Replica

    backbone = load_frozen(found.frozen, catalogue, device=options.device)

    async def ask() -> int:
        replica = Replica(backbone)
        directory = Directory(found.frozen, found.models)
        desk = Desk(directory, backbone.codec, replica, Limits())
        name, text = options.ask
        (reply,) = await desk.reply([Item(model=name, text=text)])
        await replica.close()
        if isinstance(reply, Refusal):
            print(reply, file=sys.stderr)
            return 2
        print(reply.text)
        if reply.model.is_ensemble:
            print(f"votes: {dict(reply.vote.votes)}", file=sys.stderr)
        return 0

    return asyncio.run(ask())


def _serve(found: Found, catalogue: Catalogue, options: argparse.Namespace) -> int:
    """Start an embedded Ray with Ray Serve, and wait for an interrupt."""
    token = os.environ.get(TOKEN_VARIABLE)
    store = options.store or _only_store(options.prompts)
    if options.host != LOOPBACK and store and not token:
        raise ValueError(
            f"--host {options.host}: is reached from outside, and whoever reaches it could change "
            f"what is served; set {TOKEN_VARIABLE}, or serve on {LOOPBACK}"
        )
    from runners.serving.deployment import Setup, start

    setup = Setup(
        models=found.models, frozen=found.frozen, store=store, catalogue=catalogue,
        device=options.device, token=token,
    )  # fmt: skip
    print(f"starting: {found.frozen}, {len(found.models)} models", file=sys.stderr, flush=True)
    stop = start(setup, host=options.host, port=options.port, replicas=options.replicas)
    names = ", ".join(sorted(model.name for model in found.models))
    print(f"ready: http://{options.host}:{options.port}/ ({names})", flush=True)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        ended.wait()
    except KeyboardInterrupt:
        pass
    finally:
        stop()
    return 0


def _only_store(words: Sequence[str]) -> str | None:
    """The store that is served from, where one of the words is one."""
    for word in words:
        if (Path(word) / "layout.json").is_file():
            return Store(word).root
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runners.serving", description="Serve prompts of one frozen model."
    )
    add = parser.add_argument
    add(
        "prompts", nargs="*", metavar="PROMPTS",
        help="stores, trial folders, PEFT folders, .npy files, each with key=value words behind "
        "it; by default what ships",
    )  # fmt: skip
    add("--votes", type=int, default=0, metavar="N", help="an ensemble of the N best of each task")
    add("--store", help="store of milestones, and of the trials that can be added while it serves")
    add("--host", default=LOOPBACK, help="address to listen on (%(default)s)")
    add("--port", type=int, default=8000, help="port to listen on (%(default)s)")
    add("--replicas", type=int, default=1, help="copies of the model (%(default)s)")
    add(
        "--device", choices=DEVICES, default="auto", help="auto is a GPU where one is (%(default)s)"
    )
    add("--catalogue", type=Path, metavar="FILE", help="a spec, or YAML, with more names")
    add("--ask", nargs=2, metavar=("MODEL", "TEXT"), help="answer this and stop")
    add("--check", action="store_true", help="compare answers with those recorded, and stop")
    return parser


if __name__ == "__main__":
    sys.exit(main())

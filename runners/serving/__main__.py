"""Serve prompts: one frozen model, every task, over HTTP.

python -m runners.serving                                   # what ships
python -m runners.serving results/laptop model_size=2m --votes 3
python -m runners.serving best/boolq best/rte prompt.npy task=wic model_size=2m
python -m runners.serving --ask boolq "passage: The bag is black. question: is the bag red"
python -m runners.serving results/laptop --check            # answers as recorded, or not
python -m runners.serving results/laptop --write-config serve.yaml    # for serve deploy
"""

import argparse
import asyncio
import ipaddress
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from runners.catalogue import Catalogue
from runners.model.device import DEVICES
from runners.serving.cluster import (
    MOST_REPLICAS,
    TOKEN_VARIABLE,
    Arguments,
    config_text,
    shared,
)
from runners.serving.sources import SHIPPED_WORD, Found

LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"
_RAY = {
    # Its own processes listen on loopback, on any system.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Where all cores are busy, importing takes Serve's proxy longer than three times its 5 s.
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "20",
    # Before lines of its processes stands which one it was, in plain letters.
    "RAY_COLOR_PREFIX": "0",
}
"""What Ray reads when it is imported; what the environment has goes first."""


def main(words: Sequence[str] | None = None) -> int:
    """Serve until interrupted, or do what is asked for once; returns the exit code."""
    options = _parser().parse_intermixed_args(words)
    problems = _out_of_range(options)
    if problems:
        print("\n".join(problems), file=sys.stderr)
        return 2
    arguments = Arguments(
        prompts=tuple(options.prompts or [SHIPPED_WORD]), votes=options.votes,
        store=options.store, catalogue=options.catalogue, device=options.device,
    )  # fmt: skip
    try:
        found, catalogue = arguments.found()
        for note in found.notes:
            print(f"note: {note}", file=sys.stderr)
        if options.write_config:
            return _write_config(arguments, options)
        if options.check:
            from runners.serving.checking import check

            return check(found, catalogue, device=options.device)
        if options.ask:
            return _ask(found, catalogue, options)
        return _serve(found, catalogue, arguments.changing_store(), options)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


def _ask(found: Found, catalogue: Catalogue, options: argparse.Namespace) -> int:
    """Answer one question in this process, without HTTP and Ray."""
    from runners.serving.asking import Item, Refusal
    from runners.serving.desk import Desk
    from runners.serving.frozen import load_frozen
    from runners.serving.limits import Limits
    from runners.serving.models import Directory
    from runners.serving.replica import Replica

    backbone = load_frozen(found.frozen, catalogue, device=options.device)

    async def ask() -> int:
        """Ask, tell, and give the exit code."""
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


def _write_config(arguments: Arguments, options: argparse.Namespace) -> int:
    """A file for `serve deploy`; raises ValueError where there is one already."""
    if options.write_config.exists():
        raise ValueError(f"{options.write_config}: is there already; remove it, or name another")
    text = config_text(
        shared(arguments), host=options.host or EVERYWHERE, port=options.port,
        most=options.replicas or MOST_REPLICAS,
    )  # fmt: skip
    with options.write_config.open("x", encoding="utf-8") as file:
        file.write(text)
    print(f"written: {options.write_config}; start it with serve deploy {options.write_config}")
    return 0


def _serve(
    found: Found, catalogue: Catalogue, store: str | None, options: argparse.Namespace
) -> int:
    """Start an embedded Ray with Ray Serve, and wait for an interrupt."""
    token = os.environ.get(TOKEN_VARIABLE)
    host = options.host or LOOPBACK
    if store and not token and not _is_loopback(host):
        raise ValueError(
            f"--host {host}: is reached from outside, and whoever reaches it could change "
            f"what is served; set {TOKEN_VARIABLE}, or serve on {LOOPBACK}"
        )
    _require_free(host, options.port)
    if options.device == "cuda":
        from runners.model.device import choose

        choose(options.device)  # Ray would try it three times, and tell it in a page.
    for name, value in _RAY.items():
        os.environ.setdefault(name, value)
    from runners.serving.deployment import Setup, start

    setup = Setup(
        models=found.models, frozen=found.frozen, store=store, catalogue=catalogue,
        device=options.device, token=token,
    )  # fmt: skip
    print(f"starting: {found.frozen}, {len(found.models)} models", file=sys.stderr, flush=True)
    try:
        stop = start(setup, host=host, port=options.port, replicas=options.replicas or 1)
    except KeyboardInterrupt:
        print("interrupted before it was ready; nothing is served", file=sys.stderr)
        return 130
    names = ", ".join(sorted(model.name for model in found.models))
    shown = f"[{host}]" if ":" in host else host
    print(f"ready: http://{shown}:{options.port}/ ({names})", flush=True)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        ended.wait()
    except KeyboardInterrupt:
        pass
    finally:
        stop()
    return 0


def _out_of_range(options: argparse.Namespace) -> list[str]:
    """What is wrong with the numbers that are given."""
    problems = []
    if not 1 <= options.port <= 65535:
        problems.append(f"--port {options.port}: is not 1 to 65535; give a free one of these")
    if options.replicas is not None and options.replicas < 1:
        problems.append(f"--replicas {options.replicas}: is less than 1; give 1 or more")
    return problems


def _is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _require_free(host: str, port: int) -> None:
    """Raises ValueError where nobody can listen, or somebody does.

    Ray Serve would share the port, and each of the two answer some of the requests.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET  # As Serve has it.
    try:
        with socket.socket(family) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
            listening.listen()
    except OSError as error:
        raise ValueError(
            f"--host {host} --port {port}: cannot be listened on ({error.strerror}); stop what "
            "listens there, or give another address or port"
        ) from error


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
    add("--host", help=f"address to listen on ({LOOPBACK}; {EVERYWHERE} in a written config)")
    add("--port", type=int, default=8000, help="port to listen on (%(default)s)")
    add(
        "--replicas", type=int, metavar="N",
        help=f"copies of the model (1); in a written config the most of them ({MOST_REPLICAS})",
    )  # fmt: skip
    add(
        "--device", choices=DEVICES, default="auto", help="auto is a GPU where one is (%(default)s)"
    )
    add("--catalogue", metavar="FILE", help="a spec, or YAML, with more names")
    add("--ask", nargs=2, metavar=("MODEL", "TEXT"), help="answer this and stop")
    add("--check", action="store_true", help="compare answers with those recorded, and stop")
    add(
        "--write-config", type=Path, metavar="FILE",
        help="write a config file of Ray Serve for a cluster, with autoscaling, and stop",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Serving on a cluster: a config file of Ray Serve, and what its `args` say.

    python -m runners.serving PROMPTS... --write-config serve.yaml
    serve deploy serve.yaml          # or `serve run`, or in a RayService of KubeRay

The file's application is built on one node and its replicas run on others, so
whatever it names has to be seen by all of them under one name.
"""

import dataclasses
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from runners.catalogue import Catalogue
from runners.catalogue_section import load_catalogue
from runners.model.device import DEVICES
from runners.rules import ConfigError, Problem, Rule
from runners.section import Section
from runners.serving.limits import Limits
from runners.serving.sources import (
    SHIPPED_WORD,
    Found,
    find_models,
    is_field,
    parse_sources,
)
from runners.store import Store

APP, FRONT, MODEL = "promptscale", "front", "model"
"""The application and its deployments, as the file and Ray Serve's commands name them."""
TOKEN_VARIABLE = "PROMPTSCALE_SERVING_TOKEN"
"""The variable of the environment with the token that changing what is served asks for."""
MOST_REPLICAS = 4
TARGET = 32
"""Requests under way at a replica that autoscaling aims at: enough of them to share batches."""

_TEXT = Rule(type=str)
_OPTIONAL = Rule(type=str, optional=True)
_RULES: Mapping[str, Rule] = {
    "votes": Rule(type=int, minimum=0),
    "store": _OPTIONAL,
    "catalogue": _OPTIONAL,
    "device": Rule(type=str, choices=DEVICES),
    "threads": Rule(type=int, minimum=1),
    "tokens": Rule(type=int, minimum=1),
    "wait": Rule(type=float, minimum=0),
}
_LIMITS: Mapping[str, Rule] = {
    each.name: Rule(type=int, minimum=1) if each.type is int else Rule(type=float, above=0)
    for each in dataclasses.fields(Limits)
}


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What an application is made from; each is what the command line has under the same name."""

    prompts: tuple[str, ...] = (SHIPPED_WORD,)
    """Words: sources, each with `key=value` words behind it."""
    votes: int = 0
    store: str | None = None
    catalogue: str | None = None
    device: str = "auto"
    threads: int = 1
    """Threads of a replica; as many as its `num_cpus`."""
    tokens: int | None = None
    """Padded positions of a batch; None is `runners.serving.batching.TOKENS`."""
    wait: float | None = None
    """Seconds that an idle model waits for more questions; None is `WAIT_SECONDS` there."""
    limits: Limits = field(default_factory=Limits)

    def paths(self) -> Iterable[tuple[str, str]]:
        """Places and local paths that are named, URLs and what ships left out."""
        for place, word in enumerate(self.prompts):
            if word != SHIPPED_WORD and not is_field(word):
                yield f"args.prompts[{place}]", word
        for name in ("store", "catalogue"):
            if (path := getattr(self, name)) is not None:
                yield f"args.{name}", path

    def found(self) -> tuple[Found, Catalogue]:
        """The models that are named; raises ValueError where one cannot be served."""
        catalogue = load_catalogue(Path(self.catalogue)) if self.catalogue else Catalogue()
        sources = parse_sources(self.prompts)
        return find_models(sources, catalogue, votes=self.votes, store=self.store), catalogue

    def changing_store(self) -> str | None:
        """The store whose trials can be added while it serves: the one given, or served from."""
        if self.store is not None:
            return self.store
        words = [word for word in self.prompts if (Path(word) / "layout.json").is_file()]
        return Store(words[0]).root if words else None


def read_arguments(values: object) -> Arguments:
    """The `args` of a config file; raises `ConfigError` with every mistake.

    Paths are absolute, and are there on the node that reads them.
    """
    problems: list[Problem] = []
    top = Section(values, problems, "args")
    known = [each.name for each in dataclasses.fields(Arguments)]
    top.only(known)
    given: dict[str, Any] = {n: top.value(n, rule) for n, rule in _RULES.items() if n in top.values}
    if "prompts" in top.values:
        given["prompts"] = _words(top)
    given["limits"] = _limits(top.section("limits"))
    if problems:
        raise ConfigError(problems)
    arguments = Arguments(**given)
    problems += _unseen(arguments.paths())
    if problems:
        raise ConfigError(problems)
    return arguments


def _words(top: Section) -> tuple[str, ...]:
    words = top.values["prompts"]
    if not isinstance(words, list) or not words:
        remedy = f"write the words of the command line, such as [{SHIPPED_WORD}]"
        top.report("prompts", words, "is no list of words", remedy)
        return ()
    legal = [top.check(f"prompts[{n}]", word, _TEXT) for n, word in enumerate(words)]
    return tuple(words) if all(legal) else ()


def _limits(section: Section) -> Limits:
    section.only(_LIMITS)
    given = {n: section.value(n, rule) for n, rule in _LIMITS.items() if n in section.values}
    return Limits(**{name: value for name, value in given.items() if value is not None})


def _unseen(paths: Iterable[tuple[str, str]]) -> Iterable[Problem]:
    remedy = "give a path that every node sees under this name, or the URL of an object store"
    for key, path in paths:
        if "://" in path:
            continue
        if not os.path.isabs(path):
            absolute = "write an absolute path, as python -m runners.serving --write-config does"
            yield Problem(key=key, value=path, rule="is relative to nobody knows what",
                          remedy=absolute)  # fmt: skip
        elif not os.path.exists(path):
            rule = f"is not there on node {socket.gethostname()}"
            yield Problem(key=key, value=path, rule=rule, remedy=remedy)


def require_seen(what: str, paths: Iterable[str | None]) -> None:
    """Raises `ConfigError` where a path is not there on this node; None and URLs are nobody's.

    For replicas and fronts, which run on other nodes than the one that found the paths.
    """
    named = [(what, path) for path in paths if path is not None]
    problems = list(_unseen(named))
    if problems:
        raise ConfigError(problems)


def shared(arguments: Arguments) -> Arguments:
    """The same with absolute paths, for other working directories and nodes."""

    def absolute(path: str | None) -> str | None:
        return path if path is None or "://" in path else os.path.abspath(path)

    named = {word for _, word in arguments.paths()}
    words = [str(absolute(word)) if word in named else word for word in arguments.prompts]
    return dataclasses.replace(
        arguments, prompts=tuple(words), store=absolute(arguments.store),
        catalogue=absolute(arguments.catalogue),
    )  # fmt: skip


def config_text(arguments: Arguments, *, host: str, port: int, most: int = MOST_REPLICAS) -> str:
    """A config file that serves this on a cluster, with at most so many replicas of the model."""
    return _HEAD + str(
        yaml.safe_dump(config_of(arguments, host=host, port=port, most=most), sort_keys=False)
    )


def config_of(
    arguments: Arguments, *, host: str, port: int, most: int = MOST_REPLICAS
) -> dict[str, Any]:
    """The same as values, in the form of `ray.serve.schema.ServeDeploySchema`."""
    gpus = 1 if arguments.device == "cuda" else 0
    model = {
        "name": MODEL,
        "num_replicas": "auto",
        "max_ongoing_requests": 1024,
        "autoscaling_config": {
            "min_replicas": 1,
            "max_replicas": most,
            "target_ongoing_requests": TARGET,
            "upscale_delay_s": 10,
            "downscale_delay_s": 300,
        },
        "ray_actor_options": {"num_cpus": arguments.threads, "num_gpus": gpus},
    }
    application = {
        "name": APP,
        "route_prefix": "/",
        "import_path": "runners.serving.deployment:app",
        "runtime_env": {},
        "args": _spelled(arguments),
        "deployments": [{"name": FRONT, "num_replicas": 1, "max_ongoing_requests": 4096}, model],
    }
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": host, "port": port, "request_timeout_s": 120},
        "applications": [application],
    }


def _spelled(arguments: Arguments) -> dict[str, Any]:
    """What differs from the defaults, and the few that people look for."""
    plain, default = dataclasses.asdict(arguments), dataclasses.asdict(Arguments())
    always = {"prompts", "votes", "device", "threads"}
    kept = {n: v for n, v in plain.items() if n in always or v != default[n]}
    return {**kept, "prompts": list(arguments.prompts)}


_HEAD = f"""\
# One frozen model and its prompts on a Ray cluster, written by python -m runners.serving
# --write-config. Start it with `serve deploy FILE`, or put it below serveConfigV2 of a
# RayService (runners/serving/rayservice.yaml); docs/serving.md says more.
#
# args              what to serve: the words of the command line, and votes, store, catalogue,
#                   device, threads, tokens, wait, limits. Every node has to see its paths.
# max_replicas      copies of the model at most; each holds it whole.
# num_gpus          of one copy. A share such as 0.25 puts four on a GPU; 0 computes on cores.
# num_cpus          of one copy; args.threads is to be the same.
# target_ongoing_requests   requests at one copy above which another is started. Those that are
#                   there together share batches, so a small target makes batches small.
# {FRONT}             keep it at one replica, for it alone knows what PUT and DELETE have changed.
# A store that prompts are added from while it serves needs a token in the environment:
#   runtime_env: {{env_vars: {{{TOKEN_VARIABLE}: ...}}}}
"""

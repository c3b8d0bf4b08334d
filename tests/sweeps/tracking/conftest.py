"""A sweep with results in a store, and a stand-in of W&B's server on this machine.

The stand-in answers what wandb 0.31 asks while runs are written and listed: the
operations of its GraphQL endpoint by name of a field, and the stream of files.
"""

import base64
import gzip
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import wandb

from ablation.grid import GridTrial
from runners.config import TrialConfig, to_mapping
from runners.record import Failure, TrialRecord
from runners.store import Store
from sweeps.manifest import manifest
from sweeps.spec import SweepSpec, parse
from sweeps.tracking.settings import Tracking
from sweeps.tracking.wandb_runs import Runs

HISTORY = [
    {"step": 50, "train_loss": 2.0, "score": 71.0},
    {"step": 100, "train_loss": 1.0, "score": 64.0},
]


@pytest.fixture(autouse=True)
def _without_the_account_of_whoever_tests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """A sweep, its store, and a folder for its runs."""

    spec: SweepSpec
    store: Store
    tracking: Tracking

    @property
    def trials(self) -> tuple[GridTrial, ...]:
        """All trials of the sweep."""
        return self.spec.trials

    @property
    def runs(self) -> Runs:
        """The tracker."""
        return Runs(self.tracking)

    @property
    def folders(self) -> list[Path]:
        """What wandb left."""
        return sorted(Path(self.tracking.folder).glob("wandb/offline-run-*"))

    def commit(self, config: TrialConfig, score: float = 71.0) -> TrialRecord:
        """A result as a worker leaves it."""
        attempt = self.store.begin(config.trial_id)
        lines = "".join(json.dumps(row) + "\n" for row in HISTORY)
        (attempt.folder / "history.jsonl").write_text(lines)
        record = TrialRecord(
            trial_id=config.trial_id, attempt=attempt.id, stage="tuning", label=config.label,
            config=to_mapping(config), metrics={"score": score, "best_step": 50, "chance": 50.0},
            provenance={"code": "c0de", "model_parameters": 62_000, "host": "secret", "pack": 8},
            files={},
        )  # fmt: skip
        assert attempt.commit(record)
        return record

    def fail(self, config: TrialConfig) -> None:
        """A trial that diverged."""
        attempt = self.store.begin(config.trial_id)
        self.store.fail(
            Failure(
                trial_id=config.trial_id, attempt=attempt.id, kind="diverged", message="at step 7",
                config=to_mapping(config), provenance={},
            )
        )  # fmt: skip


@pytest.fixture
def tracked(text: str, store: Store, tmp_path: Path) -> Tracked:
    """A sweep of which nothing is done, tracked offline."""
    spec = parse(text.replace("results/small", store.root), path="small.yaml")
    store.write_manifest(spec.name, manifest(spec, code="c0de"))
    tracking = Tracking(folder=str(tmp_path / "runs"), mode="offline")
    return Tracked(spec=spec, store=store, tracking=tracking)


@dataclass(kw_only=True)
class StandIn:
    """What the server was told: runs by id, and the lines of their history."""

    url: str = ""
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    summary: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)

    def answer(self, query: str, values: dict[str, Any]) -> dict[str, Any]:
        """The data of one GraphQL operation."""
        if "__type(" in query or "__schema" in query:
            return dict.fromkeys(re.findall(r"(\w+)\s*:\s*__type", query))
        if "upsertBucket" in query:
            return {"upsertBucket": {"bucket": self._upsert(values), "inserted": True}}
        if "upsertModel" in query:
            made = {"model": _PROJECT, "project": _PROJECT, "inserted": True}
            return {"upsertModel": made, "result": made}
        if "createRunFiles" in query:
            urls = [{"name": n, "uploadUrl": f"{self.url}/upload/{n}"} for n in values["files"]]
            told = {"runID": _id(values["run"]), "uploadHeaders": [], "files": urls}
            return {"createRunFiles": told}
        if "runs(" in query:
            edges = [{"node": self._node(key), "cursor": key} for key in self.runs]
            page = {"endCursor": None, "hasNextPage": False}
            return {
                "project": {**_PROJECT, "runCount": len(edges), "readOnly": False,
                            "runs": {"edges": edges, "pageInfo": page}}
            }  # fmt: skip
        viewer = {"viewer": _USER}
        if "serverInfo" in query:
            versions = {"max_cli_version": "0.99.0", "min_cli_version": "0.1.0"}
            viewer["serverInfo"] = {"features": [], "cliVersionInfo": versions,
                                    "latestLocalVersionInfo": None}  # fmt: skip
        return viewer

    def _upsert(self, values: dict[str, Any]) -> dict[str, Any]:
        key = values.get("name") or values["id"]
        if key in self.ended and "tags" in values:
            # A run of this id that begins anew.
            for told in (self.ended, self.history, self.summary):
                told.pop(key, None)
        run = self.runs.setdefault(key, {"config": "{}"})
        run |= {name: value for name, value in values.items() if value is not None}
        return {
            "id": _id(key), "name": key, "displayName": key, "config": run["config"],
            "sweepName": None, "historyLineCount": 0, "summaryMetrics": "{}", "project": _PROJECT,
        }  # fmt: skip

    def _node(self, key: str) -> dict[str, Any]:
        state = {None: "running", 0: "finished"}.get(self.ended.get(key), "failed")
        run = self.runs[key]
        return {
            "id": _id(key), "projectId": 1, "name": key, "displayName": run.get("displayName"),
            "state": state, "config": run["config"], "group": run.get("groupName"),
            "jobType": run.get("jobType"), "tags": run.get("tags") or [], "sweepName": None,
            "commit": None, "readOnly": False, "createdAt": "2030-01-01T00:00:00Z",
            "heartbeatAt": "2030-01-01T00:00:00Z", "description": "", "notes": "",
            "systemMetrics": "{}", "summaryMetrics": "{}", "historyLineCount": 0, "user": _USER,
            "historyKeys": None,
        }  # fmt: skip

    def stream(self, key: str, told: dict[str, Any]) -> None:
        """Lines of a run's files, and its end."""
        for name, chunk in (told.get("files") or {}).items():
            lines = [json.loads(line) for line in chunk["content"]]
            if name == "wandb-history.jsonl":
                self.history.setdefault(key, []).extend(lines)
            elif name == "wandb-summary.json":
                self.summary[key] = lines[-1]
        if told.get("complete"):
            self.ended[key] = told["exitcode"]


def _id(name: str) -> str:
    return base64.b64encode(name.encode()).decode()


_ENTITY = {"id": _id("entity"), "name": "me"}
_PROJECT = {"id": _id("project"), "name": "promptscale", "entity": _ENTITY, "entityName": "me",
            "internalId": _id("project")}  # fmt: skip
_USER = {
    "id": _id("user"), "username": "me", "name": "Me", "email": "me@here", "entity": "me",
    "admin": False, "flags": "{}", "teams": {"edges": []}, "apiKeys": {"edges": []},
}  # fmt: skip


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: wandb hangs up when it is torn down."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    told: StandIn

    def log_message(self, *words: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        """A GraphQL operation, or lines of a run."""
        body = b"".join(self._pieces())
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path == "/graphql":
            asked = json.loads(body)
            self._say({"data": self.told.answer(asked["query"], asked.get("variables") or {})})
            return
        if "file_stream" in self.path:
            self.told.stream(self.path.split("/")[4], json.loads(body))
        self._say({"exitcode": None, "limits": {}})

    def do_PUT(self) -> None:
        """A file of a run."""
        list(self._pieces())
        self._say({})

    def _pieces(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return
        while length := int(self.rfile.readline(), 16):
            yield self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()

    def _say(self, values: dict[str, Any]) -> None:
        data = json.dumps(values).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A server that wandb takes for W&B's."""
    told = StandIn()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"told": told}))
    told.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("WANDB_BASE_URL", told.url)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    # What wandb read of its environment, it keeps until it is torn down.
    wandb.teardown()
    yield told
    wandb.teardown()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def unasked() -> Callable[[int, int], None]:
    """Shows nothing."""
    return lambda count, of: None


@pytest.fixture
def history() -> list[dict[str, float]]:
    """The history that every trial here has."""
    return HISTORY

"""What tests of several packages share.

Sweeps as a user runs them, as a process that tests can watch and kill; and a stand-in
of W&B's server on this machine. It answers what wandb 0.31 asks while runs and reports
are written and listed: the operations of its GraphQL endpoint by the name of a field,
and the stream of files.
"""

import base64
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

pytest_plugins = ("browser",)

# The same examples at every run: a red build is a change, never a draw.
settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")

# Ray gives its workers a niceness of 15, and beside busy processes they hardly get a core.
os.environ.setdefault("RAY_worker_niceness", "0")

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class SweepProcess:
    """`python -m sweeps run SPEC` in a session of its own, and everything that it started."""

    driver: subprocess.Popen[bytes]
    output: Path
    scratch: Path
    """Ray's own folder, which is gone after the test."""

    def members(self) -> dict[int, str]:
        """Title by process id of all that lives in the session."""
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,stat=,args="], capture_output=True, text=True, check=True
        )
        rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
        alive = {int(pid): title for pid, state, title in rows if not state.startswith("Z")}
        return {pid: title for pid, title in alive.items() if _session(pid) == self.driver.pid}

    def crashes(self) -> str:
        """What those of Ray's workers wrote that say of themselves that they crash."""
        logs = sorted(self.scratch.glob("ray/session_latest/logs/worker-*.err"))
        written = [log.read_text() for log in logs]
        return "\n".join(said for said in written if re.search(r"\*\*\* SIG|Fatal Python", said))

    def workers(self) -> list[int]:
        """Process ids of the workers that hold or held a pack."""
        return [pid for pid, title in self.members().items() if "Trainable" in title]

    def kill(self, pid: int) -> None:
        """SIGKILL one process of the session, if it still lives."""
        if _session(pid) == self.driver.pid:
            os.kill(pid, signal.SIGKILL)

    def kill_group(self) -> None:
        """SIGKILL the driver together with all of its process group."""
        os.killpg(self.driver.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill whatever is left of the session, and wait until it is gone."""
        until = time.monotonic() + 30
        while members := self.members():
            assert time.monotonic() < until, members
            for pid in members:
                self.kill(pid)
            self.driver.poll()
            time.sleep(0.1)
        self.driver.wait()

    def finish(self, seconds: float = 240) -> str:
        """Wait for the driver and return what it printed."""
        try:
            self.driver.wait(timeout=seconds)
        finally:
            self.end()
        return self.output.read_text()


@pytest.fixture
def start_sweep(tmp_path: Path) -> Iterator[Callable[..., SweepProcess]]:
    """Starts sweeps of spec files, by a program of the test's own where it has one.

    Nothing of them outlives the test.
    """
    # Sockets have short names, so Ray's folder cannot lie deep.
    scratch = tempfile.mkdtemp(prefix="ps-", dir="/tmp")
    started: list[SweepProcess] = []

    def start(spec: Path, program: str | None = None) -> SweepProcess:
        output = tmp_path / f"output-{len(started)}"
        environment = os.environ | {
            "PYTHONPATH": str(ROOT), "RAY_TMPDIR": scratch, "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
        }  # fmt: skip
        how = ["-m", "sweeps"] if program is None else ["-c", program]
        with output.open("wb") as file:
            driver = subprocess.Popen(
                [sys.executable, *how, "run", str(spec)],
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                env=environment, cwd=tmp_path, start_new_session=True,
            )  # fmt: skip
        started.append(SweepProcess(driver=driver, output=output, scratch=Path(scratch)))
        return started[-1]

    yield start
    for process in started:
        process.end()
    shutil.rmtree(scratch)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


@dataclass(kw_only=True)
class StandIn:
    """What the server was told: runs by id, and the lines of their history."""

    url: str = ""
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    summary: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    views: list[dict[str, Any]] = field(default_factory=list)
    """Reports."""

    def answer(self, query: str, values: dict[str, Any]) -> dict[str, Any]:
        """The data of one GraphQL operation, which is known by a field that it asks for."""
        answers: dict[str, Callable[[], dict[str, Any]]] = {
            "__type(": lambda: dict.fromkeys(re.findall(r"(\w+)\s*:\s*__type", query)),
            "upsertBucket": lambda: {"upsertBucket": {"bucket": self._upsert(values)}},
            "upsertModel": lambda: {"upsertModel": _MADE, "result": _MADE},
            "upsertView": lambda: {"upsertView": {"view": self._view(values), "inserted": True}},
            "createRunFiles": lambda: {"createRunFiles": self._places(values)},
            "allViews": lambda: {"project": {**_PROJECT, "allViews": _page(self.views, _USER)}},
            "models(": lambda: {"models": _page([_LISTED], _LISTED["user"])},
            "runs(": lambda: {"project": self._listed(json.loads(values.get("filters") or "{}"))},
            "serverInfo": lambda: {"serverInfo": _SERVER, "viewer": _USER},
        }
        found = next((answer for field, answer in answers.items() if field in query), None)
        return found() if found else {"viewer": _USER}

    def _places(self, values: dict[str, Any]) -> dict[str, Any]:
        """Where the files of a run are to be sent."""
        urls = [{"name": n, "uploadUrl": f"{self.url}/upload/{n}"} for n in values["files"]]
        return {"runID": _id(values["run"]), "uploadHeaders": [], "files": urls}

    def _listed(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The project with the runs that are asked for, as `{"name": {"$in": [...]}}`."""
        nodes = [self._node(key) for key in self.runs]
        for key, rule in asked.items():
            nodes = [node for node in nodes if node[key] in rule["$in"]]
        runs = _page(nodes, _USER)
        return {**_PROJECT, "runCount": len(self.runs), "readOnly": False, "runs": runs}

    def _view(self, values: dict[str, Any]) -> dict[str, Any]:
        """A report that is made, or put in the place of the one of its id."""
        key = values["id"] or _id(f"report {len(self.views)}")
        view = {
            "id": key, "type": values["type"], "name": values["name"], "spec": values["spec"],
            "displayName": values["displayName"], "description": values["description"],
            "project": {**_PROJECT, "entityName": values["entityName"]}, "previewUrl": None,
            "createdAt": "2030-01-01T00:00:00Z", "updatedAt": "2030-01-01T00:00:00Z",
            "user": {"name": "Me", "username": "me", "userInfo": {}}, "coverUrl": None,
        }  # fmt: skip
        self.views = [each for each in self.views if each["id"] != key] + [view]
        return view

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
_LISTED = {**_PROJECT, "createdAt": "2030-01-01T00:00:00Z", "isBenchmark": False,
           "user": {**_USER, "deletedAt": None}}  # fmt: skip
_MADE = {"model": _PROJECT, "project": _PROJECT, "inserted": True}
_SERVER: dict[str, Any] = {
    "features": [], "latestLocalVersionInfo": None,
    "cliVersionInfo": {"max_cli_version": "0.99.0", "min_cli_version": "0.1.0"},
}  # fmt: skip


def _page(nodes: list[dict[str, Any]], user: dict[str, Any]) -> dict[str, Any]:
    """Everything on one page, each with a user."""
    edges = [{"node": {**node, "user": user}, "cursor": node["id"]} for node in nodes]
    return {"edges": edges, "pageInfo": {"endCursor": None, "hasNextPage": False}}


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
    import wandb

    wandb.teardown()
    yield told
    wandb.teardown()
    server.shutdown()
    server.server_close()
    thread.join()

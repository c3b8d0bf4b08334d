"""A headless Chromium, spoken to by WebDriver's own protocol: JSON over HTTP on this machine.

The protocol is at https://www.w3.org/TR/webdriver2/; what is here of it is what the
tests need. Tests that want a browser skip where there is none. A plugin of pytest, since
tests of several packages have the fixtures from here (tests/conftest.py).
"""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "Right": "\ue014", "Down": "\ue015"}
SECONDS = 20.0
# Relative luminance and contrast as WCAG 2.2 defines them, of what is not disabled.
_CONTRASTS = """
  const parse = (c) => c.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = (c) => parse(c).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)|transparent/.test(c)) return c; }
    return 'rgb(255, 255, 255)'; };
  const least = {};
  for (const e of document.querySelectorAll(arguments[0])) {
    if (!e.checkVisibility() || !e.textContent.trim() || e.disabled) continue;
    const pair = [light(getComputedStyle(e).color), light(ground(e))].sort((a, b) => b - a);
    const name = `${e.tagName}.${e.className}`;
    least[name] = Math.min(least[name] ?? Infinity, (pair[0] + 0.05) / (pair[1] + 0.05));
  }
  return least;"""


@dataclass(frozen=True, kw_only=True)
class Browser:
    """One window."""

    url: str
    session: str

    def open(self, page: Path | str, fragment: str = "") -> None:
        """Load a page from its file or address."""
        # A change of the fragment alone would not load it anew.
        self._ask("url", {"url": "about:blank"})
        self.errors()
        self._ask("url", {"url": (page if isinstance(page, str) else page.as_uri()) + fragment})

    def run(self, script: str, *values: Any) -> Any:
        """What a script returns."""
        return self._ask("execute/sync", {"script": script, "args": list(values)})

    def texts(self, selector: str) -> list[str]:
        """The text of all elements that are seen."""
        script = (
            "return [...document.querySelectorAll(arguments[0])]"
            ".filter(e => e.checkVisibility()).map(e => e.textContent.trim())"
        )
        found: list[str] = self.run(script, selector)
        return found

    def press(self, *keys: str) -> None:
        """Type keys, by name or as they are, one after another."""
        for key in keys:
            code = KEYS.get(key, key)
            actions = [{"type": "keyDown", "value": code}, {"type": "keyUp", "value": code}]
            self._ask("actions", {"actions": [{"type": "key", "id": "k", "actions": actions}]})

    def size(self, width: int, height: int, *, scheme: str = "light") -> None:
        """Show the page in a window of so many pixels, light or dark."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._chromium("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._chromium("Emulation.setEmulatedMedia", {"features": features})

    def until(self, script: str, *values: Any) -> Any:
        """What a script returns once that is true; fails where it never is."""
        end = time.monotonic() + SECONDS
        while not (found := self.run(script, *values)):
            assert time.monotonic() < end, script
            time.sleep(0.02)
        return found

    def picture(self, path: Path) -> None:
        """What is seen, as PNG."""
        path.write_bytes(base64.b64decode(self._ask("screenshot")))

    def close(self) -> None:
        """End the session."""
        _request(f"{self.url}/session/{self.session}", "DELETE")

    def contrasts(self, selector: str) -> dict[str, float]:
        """The least contrast of text that is seen with its ground, by element (WCAG 2.2, 1.4.3)."""
        found: dict[str, float] = self.run(_CONTRASTS, selector)
        return found

    def errors(self) -> list[Any]:
        """What failed since the page was opened, or this was asked last."""
        found: list[Any] = self._ask("se/log", {"type": "browser"})
        return found

    def _chromium(self, command: str, values: dict[str, Any]) -> None:
        self._ask("goog/cdp/execute", {"cmd": command, "params": values})

    def _ask(self, what: str, values: dict[str, Any] | None = None) -> Any:
        method = "GET" if values is None else "POST"
        return _request(f"{self.url}/session/{self.session}/{what}", method, values)


def _request(url: str, method: str, values: dict[str, Any] | None = None) -> Any:
    data = None if values is None else json.dumps(values).encode()
    head = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=data, headers=head, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["value"]


@pytest.fixture(scope="session")
def webdriver() -> Iterator[str]:
    """The address of a WebDriver server."""
    driver = shutil.which("chromedriver")
    if driver is None or not any(map(shutil.which, NAMES)):
        pytest.skip("no chromium with its chromedriver (Debian: chromium and chromium-driver)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    end = time.monotonic() + SECONDS
    while not _is_ready(url):
        assert time.monotonic() < end, "chromedriver does not answer"
        time.sleep(0.05)
    yield url
    process.terminate()
    process.wait()


def _is_ready(url: str) -> bool:
    try:
        return bool(_request(f"{url}/status", "GET")["ready"])
    except URLError:
        return False


@pytest.fixture(scope="session")
def start_browser(webdriver: str) -> Iterator[Callable[..., Browser]]:
    """Starts browsers, with JavaScript or without."""
    started: list[Browser] = []

    def start(*, javascript: bool = True) -> Browser:
        options: dict[str, Any] = {
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
            "binary": next(path for path in map(shutil.which, NAMES) if path),
        }
        if not javascript:
            options["prefs"] = {"profile.managed_default_content_settings.javascript": 2}
        asked = {"browserName": "chrome", "goog:chromeOptions": options,
                 "goog:loggingPrefs": {"browser": "ALL"}}  # fmt: skip
        told = _request(f"{webdriver}/session", "POST", {"capabilities": {"alwaysMatch": asked}})
        started.append(Browser(url=webdriver, session=told["sessionId"]))
        return started[-1]

    yield start
    for browser in started:
        browser.close()


@pytest.fixture(scope="session")
def browser(start_browser: Callable[..., Browser]) -> Browser:
    """A browser as readers have it."""
    return start_browser()

"""The page to try tasks on, in a real browser. Skipped where there is no Chromium."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runners.catalogue import Catalogue
from runners.model.t5_backbone import T5Backbone
from runners.serving.asking import Item
from runners.serving.desk import Desk
from runners.serving.limits import Limits
from runners.serving.models import Directory
from runners.serving.replica import Replica
from runners.serving.sources import SHIPPED

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
uvicorn = pytest.importorskip("uvicorn")

ACTIVE = "return document.activeElement.id"
WIDER = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
ANSWERED = (
    "return document.querySelector('output section') && !document.querySelector('[aria-busy]')"
)


class _Site:
    """The application on a port of its own, in a thread; an empty directory serves nothing."""

    def __init__(self, backbone: T5Backbone, directory: Directory) -> None:
        from runners.serving.app import build_app
        from runners.serving.upkeep import Upkeep

        self.replica = Replica(backbone, wait=0.001)
        self.desk = Desk(directory, backbone.codec, self.replica, Limits(characters=300))
        made = build_app(self.desk, Upkeep(store=None, catalogue=Catalogue()))
        config = uvicorn.Config(made, port=0, log_level="critical", lifespan="off", ws="none")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)

    def start(self) -> str:
        self.thread.start()
        end = time.monotonic() + 20
        while not self.server.started:
            assert time.monotonic() < end
            time.sleep(0.01)
        return f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}/"

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)


@pytest.fixture(scope="module")
def start_site(loud: T5Backbone) -> Iterator[Callable[[Directory], str]]:
    """Serves a directory of models; gives the page's address."""
    sites: list[_Site] = []

    def start(directory: Directory) -> str:
        sites.append(_Site(loud, directory))
        return sites[-1].start()

    yield start
    for site in sites:
        site.stop()


@pytest.fixture(scope="module")
def address(start_site: Callable[[Directory], str], directory: Directory) -> str:
    """The page of four tasks and an ensemble."""
    return start_site(directory)


@pytest.fixture
def shown(browser: Any, address: str) -> Any:
    """The page, freshly opened at a desk."""
    browser.size(1280, 900)
    browser.open(address)
    browser.until("return document.querySelectorAll('#model option').length === 5")
    return browser


@pytest.fixture
def told(loud: T5Backbone, directory: Directory) -> Callable[..., Any]:
    """What a model says to an input, without HTTP."""

    def ask(model: str, text: str, *, chooses: bool = False) -> Any:
        async def whole() -> Any:
            replica = Replica(loud, wait=0.001)
            desk = Desk(directory, loud.codec, replica, Limits())
            (reply,) = await desk.reply([Item(model=model, text=text, chooses=chooses)])
            await replica.close()
            return reply

        return asyncio.run(whole())

    return ask


def _choose(browser: Any, model: str) -> str:
    """Choose a model as a person does; gives the input that is offered for it."""
    browser.run(
        "const e = document.getElementById('model'); e.value = arguments[0];"
        "e.dispatchEvent(new Event('change'))",
        model,
    )
    text: str = browser.run("return document.getElementById('text').value")
    return text


def _click(browser: Any, name: str) -> None:
    browser.run("document.getElementById(arguments[0]).click()", name)
    browser.until(ANSWERED)


def test_a_question_is_answered_from_the_keyboard_alone(
    shown: Any, told: Callable[..., Any]
) -> None:
    """Catches a page that needs a mouse, and one that shows another answer than was given."""
    shown.press("Tab")
    while shown.run(ACTIVE) != "model":
        shown.press("Tab")
    shown.press("r", "t")
    assert shown.run("return document.getElementById('model').value") == "rte"
    shown.press("Tab")
    assert shown.run(ACTIVE) == "text"
    shown.run("document.getElementById('text').value = ''")
    shown.press(*"is it")
    shown.press("Tab")
    assert shown.run(ACTIVE) == "ask"
    shown.press("Enter")
    shown.until(ANSWERED)
    answer = told("rte", "is it").text
    assert shown.texts("output .answer") == [answer.strip() or "an empty answer"]
    assert shown.run(ACTIVE) == "ask"
    shown.press("Tab")
    assert shown.run(ACTIVE) == "choose"
    assert shown.errors() == []


def test_an_ensemble_shows_its_votes(shown: Any, told: Callable[..., Any]) -> None:
    """Catches votes that are not those of the answer, and voters that nobody is told of."""
    text = _choose(shown, "boolq-vote")
    _click(shown, "ask")
    reply = told("boolq-vote", text)
    rows = dict(zip(shown.texts("output section > table th"),
                    shown.texts("output section > table td:last-child"), strict=True))  # fmt: skip
    assert rows == {
        answer or "(empty)": f"{count} vote{'s' if count > 1 else ''}"
        for answer, count in reply.vote.votes.items()
    }
    assert any(line.startswith("A tie") for line in shown.texts("output .quiet")) == reply.vote.tied
    shown.run("document.querySelector('output details').open = true")
    assert shown.texts("output details th") == [f"prompt {v.prompt}" for v in reply.voices]
    assert "3 prompts that vote, of 2, 5, 11 vectors" in shown.texts("#about")[0]


def test_every_shipped_task_has_an_input_to_begin_with(shown: Any) -> None:
    """Catches a task that visitors ask nonsense, since another's input is left in the field."""
    offered = shown.run("return samples")
    assert {path.parent.name for path in SHIPPED.glob("*/trial.json")} <= set(offered)
    assert len(set(offered.values())) == len(offered)
    assert [_choose(shown, task) for task in ("wic", "rte")] == [offered["wic"], offered["rte"]]


def test_labels_are_compared(shown: Any, told: Callable[..., Any]) -> None:
    """Catches shares that belong to other labels, and a comparison where there are no labels."""
    text = _choose(shown, "boolq")
    _click(shown, "choose")
    reply = told("boolq", text, chooses=True)
    shares = [f"{100 * share:.1f}%" for share in reply.scores.values()]
    assert shown.texts("output table th") == list(reply.scores)
    assert shown.texts("output td:last-child") == shares
    _choose(shown, "record")
    assert shown.run("return document.getElementById('choose').disabled")
    assert shown.texts("output *") == []


def test_the_shell_command_is_the_request_that_was_made(shown: Any, address: str) -> None:
    """Catches a command that a quotation mark in the input takes apart."""
    _choose(shown, "boolq")
    shown.run("document.getElementById('text').value = `it's \"so\"`")
    _click(shown, "ask")
    shown.run("document.querySelector('output details:last-child').open = true")
    (line,) = shown.texts("output pre")
    assert line.startswith(f"curl -s {address}v1/completions -H")
    assert line.endswith("""-d '{"model":"boolq","prompt":"it'\\''s \\"so\\""}'""")


def test_errors_are_shown_and_leave_the_page_alive(shown: Any) -> None:
    """Catches an error that looks like an answer, or after which nothing goes on."""
    _choose(shown, "boolq")
    shown.run("document.getElementById('text').value = 'x'.repeat(301)")
    _click(shown, "ask")
    (said,) = shown.texts("output .error p")
    assert "has 301 characters and may have 300; shorten it" in said
    shown.run("document.getElementById('text').value = '<b>bold</b>'")
    _click(shown, "ask")
    shown.until("return document.querySelector('output .answer')")
    assert shown.run("return document.querySelector('output b')") is None


def test_where_nothing_is_served_or_nobody_answers_the_page_says_so(
    browser: Any, start_site: Callable[[Directory], str], directory: Directory
) -> None:
    """Catches a page that stays empty without a word."""
    browser.open(start_site(Directory(directory.frozen)))
    browser.until(ANSWERED)
    assert browser.texts("output p") == ["Nothing is served yet."]


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(shown: Any, scheme: str, width: int) -> None:
    """Catches a page that is wider than a phone, grey on grey, or too small to be touched.

    Contrast is at least 4.5 to 1 (WCAG 2.2, 1.4.3), a target 24 pixels (2.5.8).
    """
    shown.size(width, 800, scheme=scheme)
    _choose(shown, "boolq-vote")
    _click(shown, "choose")
    shown.run("document.querySelectorAll('details').forEach(e => { e.open = true; })")
    assert shown.run(WIDER) is False
    found = shown.contrasts("p, h1, h2, a, td, th, label, button, summary, pre")
    assert len(found) > 10
    assert {name: ratio for name, ratio in found.items() if ratio < 4.5} == {}
    heights = (
        "return [...document.querySelectorAll('button, select, summary')].map(e => e.offsetHeight)"
    )
    assert min(shown.run(heights)) >= 24

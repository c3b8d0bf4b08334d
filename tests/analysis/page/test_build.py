"""A page as text: what stands in it for whoever has no JavaScript, and that it is one file."""

import base64
import json
import re
import shutil
import zlib
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ablation.axis import Axis
from analysis import findings
from analysis.page.build import Page, build, write
from analysis.page.details import EXAMPLES, LETTERS, TOKENS, Reader
from analysis.page.watch import watch
from analysis.panels import Panel, build_panel
from analysis.source import open_sweep

pytestmark = pytest.mark.usefixtures("plain_pages")

Commit = Callable[..., None]
VOID = ("meta", "input", "img")


@pytest.fixture
def commit(record: Callable[..., Any]) -> Commit:
    """Commits a trial with its answers."""

    def commit_trial(toy: Any, config: Any, rows: list[tuple[str, str, str]]) -> None:
        attempt = toy.store.begin(config.trial_id)
        told = [{"input": i, "target": t, "prediction": p} for i, t, p in rows]
        lines = "".join(json.dumps(row) + "\n" for row in told)
        (attempt.folder / "predictions.jsonl").write_text(lines)
        (attempt.folder / "history.jsonl").write_text('{"step": 5, "score": 50.0}\n')
        assert attempt.commit(record(config, 50.0, attempt=attempt.id))

    return commit_trial


def page_of(toy: Any, refresh: int | None = None) -> str:
    """The page of a toy's sweep."""
    sweep = open_sweep(toy.store.root)
    return build(sweep, Reader(store=sweep.store), refresh).html


def chunk_of(html: str, task: str) -> dict[str, Any]:
    """What the page has of a task's trials."""
    found = re.search(rf'data-task="{task}">([^<]+)<', html)
    assert found is not None
    unpacked: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(found[1])))
    return unpacked


class Tags(HTMLParser):
    """Tags that are open, addresses that are named, and ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a tag."""
        self.addresses += [v or "" for name, v in attrs if name in ("href", "src", "action")]
        self.ids += [v or "" for name, v in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open and close."""

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that was opened last."""
        assert self.open.pop() == tag


def test_the_page_is_one_file_that_needs_no_network(whole: Any) -> None:
    """A font, a script or an image that is fetched from somewhere; a tag that is not closed."""
    html = page_of(whole)
    tags = Tags(html)
    assert tags.open == []
    assert [address for address in tags.addresses if not address.startswith("#")] == []
    assert len(tags.ids) == len(set(tags.ids))
    anchors = {a for a in tags.addresses if not a.startswith("#trial-")}
    assert anchors <= {f"#{name}" for name in tags.ids}
    assert "default-src 'none'" in html
    assert "http:" not in html.replace("http://www.w3.org/2000/svg", "")


def test_what_it_says_is_there_without_javascript(whole: Any) -> None:
    """A page that is empty until a script has run."""
    html = page_of(whole)
    text = re.sub(r"<script.*?</script>|<style.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL)
    assert "20.0 points behind model tuning at 60k" in text
    assert "The scale curve" in text
    assert "60k · prompt of 20, class label · LM adaptation 1,000" in text
    marks = re.findall(r'href="#trial-(\w+)"', html)
    assert sorted(marks) == sorted(config.trial_id for config in whole.configs)
    assert html.count('title="seed 0: 60.0"') >= 1


def test_charts_say_over_how_many_seeds_they_are(whole: Any) -> None:
    """A page on which one cannot see whether a mean is over two seeds or twenty."""
    said = re.findall(r'<p class="quiet">(Line and band[^<]+)', page_of(whole))
    assert len(said) == 5
    assert all("mean ± sd, n = 2 seeds; dots: each seed." in words for words in said)
    assert all("best checkpoint on dev" in words for words in said)


def test_a_partial_panel_says_what_its_marks_are(whole: Any, toy: Any) -> None:
    """A ring that nobody explains, or a count of what is not done beside one of what is."""
    made = toy()
    made.run(c for c in made.configs if c.seed == 0 or c.model_size != "2m")
    said = set(re.findall(r'<strong class="alert">([^<]+)', page_of(made)))
    words = r"partial: \d+ of \d+ trials done. Ring: some seeds missing."
    assert said
    assert [each for each in said if not re.match(words, each)] == []
    assert 'class="alert">partial' not in page_of(whole)


def test_the_same_store_gives_the_same_bytes(whole: Any) -> None:
    """A date or an order by lot, so that nobody sees whether anything changed."""
    assert page_of(whole) == page_of(whole)


def test_a_trial_has_the_neighbours_of_its_first_tokens(
    small: Any, record: Callable[..., Any]
) -> None:
    """A list of pieces that is repeated in every trial, or tokens left out in silence."""
    config = next(c for c in small.configs if c.prompt_length)
    attempt = small.store.begin(config.trial_id)
    rows = [
        {"position": n, "pieces": ["▁a", f"p{n}"], "cosines": [0.5, 0.1]} for n in range(TOKENS + 1)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (attempt.folder / "neighbours.jsonl").write_text(text)
    assert attempt.commit(record(config, 50.0, attempt=attempt.id))
    chunk = chunk_of(page_of(small), config.task)
    trial = chunk["trials"][config.trial_id]
    assert (len(trial["near"]), trial["tokens"]) == (TOKENS, TOKENS + 1)
    cosine, cluster, *pieces = trial["near"][3]
    assert (cosine, cluster, [chunk["pieces"][piece] for piece in pieces]) == (0.5, 1, ["▁a", "p3"])
    assert chunk["pieces"].count("▁a") == 1


def test_states_are_told_apart(small: Any) -> None:
    """A trial that failed and looks as if it had not been run."""
    done, failed, running, missing = small.configs[:4]
    small.commit(done)
    small.fail(failed)
    small.store.save_state(running.trial_id, "run", b"state")
    html = page_of(small)
    for config, look in ((done, r"q\d"), (failed, "failed"), (running, "running"),
                         (missing, "missing")):  # fmt: skip
        assert re.search(rf'#trial-{config.trial_id}" class="m {look}"', html), look
    assert "1 of 8 trials" in html
    chunk = chunk_of(html, failed.task)["trials"][failed.trial_id]
    assert chunk["why"] == {"failure": "diverged", "message": "the loss is not finite at step 7"}


def test_answers_come_back_as_they_were(small: Any, commit: Commit) -> None:
    """Errors that are shown beside the question of another row."""
    first, second = [c for c in small.configs if c.task == "boolq"][:2]
    rows = [("was it?", "True", "True"), ("or not?", "False", "True"), ("why?", "x", "")]
    commit(small, first, rows)
    commit(small, second, [(i, t, "no") for i, t, _ in rows])
    chunk = chunk_of(page_of(small), "boolq")
    # That of both, and none for what has not been run.
    assert len(chunk["exams"]) == 2
    told = chunk["trials"][first.trial_id]
    answers = [chunk["answers"][number] for number in told["answers"]]
    exam = chunk["exams"][told["exam"]]
    assert [(i, t, a) for (i, t), a in zip(exam, answers, strict=True)] == rows
    assert told["history"] == [{"step": 5, "score": 50.0}]
    assert {chunk["answers"][n] for n in chunk["trials"][second.trial_id]["answers"]} == {"no"}


def test_what_a_store_holds_is_never_markup(small: Any, commit: Commit) -> None:
    """A dev example that ends the script it stands in, or runs one."""
    evil = "</script><script>alert(1)</script>"
    commit(small, small.configs[0], [(evil, evil, evil)])
    small.fail(small.configs[1])
    html = page_of(small)
    assert "alert(1)" not in html
    assert Tags(html).open == []


def test_long_inputs_and_many_are_cut_and_counted(small: Any, commit: Commit) -> None:
    """A page of 100 MB, or one that keeps quiet about what it leaves out."""
    rows = [("word " * 500, "a", "b")] * (EXAMPLES + 50)
    commit(small, small.configs[0], rows)
    chunk = chunk_of(page_of(small), small.configs[0].task)
    told = chunk["trials"][small.configs[0].trial_id]
    assert (told["examples"], len(told["answers"])) == (EXAMPLES + 50, EXAMPLES)
    assert len(chunk["exams"][told["exam"]][0][0]) == LETTERS


@pytest.mark.parametrize("damage", ["{", '{"input": 1}\n', None])
def test_a_damaged_file_costs_its_trial_alone(
    small: Any, commit: Commit, damage: str | None
) -> None:
    """One torn file, and no page at all."""
    first, second = small.configs[:2]
    for config in (first, second):
        commit(small, config, [("q", "a", "a")])
    (path,) = Path(small.store.root).glob(f"trials/*/{first.trial_id}/*/predictions.jsonl")
    if damage is None:
        path.unlink()
    else:
        path.write_text(damage)
    html = page_of(small)
    assert f"trial {first.trial_id}: a file of it cannot be read: " in html
    assert f"{first.trial_id}/" in html.partition("a file of it cannot be read: ")[2][:300]
    chunk = chunk_of(html, second.task)
    assert chunk["trials"][second.trial_id]["answers"] != []
    # Its other files are whole.
    assert chunk_of(html, first.task)["trials"][first.trial_id]["history"] != []


def test_a_broken_record_is_named_and_the_rest_is_shown(small: Any) -> None:
    """A store of which one record is torn, and nothing is to be seen."""
    small.run()
    first = small.configs[0].trial_id
    shutil.rmtree(Path(small.store.root) / "index")
    Path(small.store.root, "trials", first[:2], first, "record.json").write_text("{")
    html = page_of(small)
    assert re.search(rf'#trial-{first}" class="m broken"', html)
    assert f"trial {first} is left out" in html
    assert "7 of 8 trials" in html


def test_an_empty_sweep_has_a_page(small: Any) -> None:
    """Nobody can look at a sweep that has just begun."""
    html = page_of(small)
    assert "0 of 8 trials" in html
    assert "is not drawn: no cell is complete" in html
    assert Tags(html).open == []


def test_a_page_computes_its_panels_once(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of a large sweep that takes as long as two, or draws figures that it throws away."""
    built: list[str] = []

    def counted(frame: Any, axis: Axis) -> Panel:
        built.append(axis.name)
        return build_panel(frame, axis)

    monkeypatch.setattr(findings, "build_panel", counted)
    monkeypatch.setattr("analysis.draw.sheet", lambda *_, **__: pytest.fail("drawn in vain"))
    small.run()
    page_of(small)
    assert built
    assert len(built) == len(set(built))


def test_a_page_is_replaced_whole(tmp_path: Path) -> None:
    """A browser that reloads in the middle of writing and shows half a page."""
    path = tmp_path / "new" / "page.html"
    write("one", path)
    write("two", path)
    assert path.read_text() == "two"
    assert list(path.parent.iterdir()) == [path]


def test_watching_follows_a_sweep_to_its_end(small: Any, tmp_path: Path) -> None:
    """A page that stops being current, is written for nothing, or is watched for ever."""
    path = tmp_path / "page.html"
    seen: list[tuple[int, bool]] = []
    waits: list[float] = []

    def show(page: Page, _: Path) -> None:
        seen.append((page.counts["done"], "data-refresh" in path.read_text()))

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            small.run(small.configs[:3])
        if len(waits) == 3:
            small.run(small.configs[3:])

    watch(small.store.root, None, path, 7, show, sleep=sleep)
    assert seen == [(0, True), (3, True), (8, False)]
    assert waits == [7, 7, 7]


def test_a_watched_page_reloads_without_javascript_too(small: Any) -> None:
    """A page on a phone that shows this morning's sweep."""
    html = page_of(small, 9)
    assert '<noscript><meta http-equiv="refresh" content="9"></noscript>' in html
    small.run()
    assert "refresh" not in page_of(small, 9).partition("<style>")[0]


def test_tables_of_transfer_are_in_words(toy: Any) -> None:
    """Columns of a frame in place of a table, of which half is off the screen."""
    shared = {"train_steps": 10, "eval_every": 5, "batch_size": 4, "learning_rate": 0.3}
    settings = {
        "shared": {**shared, "transfer_tasks": ["record"]},
        "lm_adaptation": {"batch_size": 4, "learning_rate": 0.001, "seed": 0},
    }
    lone = {"prompt_length": [20], "prompt_init": ["class_label"], "task": ["boolq"]}
    lone |= {"pretraining_objective": ["lm_adaptation"], "lm_adaptation_steps": [1000]}
    made = toy(axes=lone, settings=settings)
    made.run()
    html = page_of(made)
    table = html[html.index("Table 1: domain shift") :].partition("</table>")[0]
    assert re.findall(r'<th scope="col">([^<]+)<', table)[:4] == [
        "Evaluated on", "Tuned on", "Size", "Metric",
    ]  # fmt: skip
    assert "ReCoRD" in table

"""The page in a real browser: on a phone and a desk, dark and light, by keyboard, without scripts.

What is seen is asked of the browser itself. Skipped where there is no Chromium.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.page.build import build, write
from analysis.page.details import Reader
from analysis.source import open_sweep

ROWS = [("was it?", "True", "True"), ("<b>or</b> not?", "False", "True")]
WIDER = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
ACTIVE = "return document.activeElement.getAttribute(arguments[0])"


@pytest.fixture(scope="module")
def page(
    tmp_path_factory: pytest.TempPathFactory, plain_manifest: Any, record: Any, whole: Any
) -> Path:
    """The page of a star whose trials of one task have answers."""
    from runners.store import Store

    store = Store(tmp_path_factory.mktemp("answers") / "store")
    store.write_manifest("toy", plain_manifest())
    for config in whole.configs:
        attempt = store.begin(config.trial_id)
        told = [{"input": i, "target": t, "prediction": p} for i, t, p in ROWS]
        lines = "".join(json.dumps(row) + "\n" for row in told)
        (attempt.folder / "predictions.jsonl").write_text(lines)
        steps: list[dict[str, Any]] = [
            {"step": s, "train_loss": 1.5, "score": 40.0 + s} for s in (5, 10)
        ]
        if config.seed == 0:
            steps.insert(0, {"step": 0, "train_loss": None, "score": 30.0})
        text = "".join(json.dumps(row) + "\n" for row in steps)
        (attempt.folder / "history.jsonl").write_text(text)
        near = [["▁a", "b"], ["▁x", "y"], ["▁a", "c"]] if config.prompt_length == 20 else []
        text = "".join(
            json.dumps({"position": n, "pieces": pieces, "cosines": [0.5, 0.25]}) + "\n"
            for n, pieces in enumerate(near)
        )
        (attempt.folder / "neighbours.jsonl").write_text(text)
        assert attempt.commit(record(config, 50.0 + config.seed, attempt=attempt.id))
    sweep = open_sweep(store.root)
    path = tmp_path_factory.mktemp("page") / "page.html"
    write(build(sweep, Reader(store=sweep.store)).html, path)
    return path


@pytest.fixture
def shown(browser: Any, page: Path) -> Any:
    """The page, freshly opened at a desk."""
    browser.size(1280, 900)
    browser.open(page)
    browser.run("sessionStorage.clear()")
    browser.open(page)
    return browser


def press_until(browser: Any, key: str, script: str, most: int = 80) -> None:
    """Press a key until a script is true."""
    for _ in range(most):
        if browser.run(script):
            return
        browser.press(key)
    pytest.fail(f"{key} does not lead to {script}")


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window(shown: Any, width: int, scheme: str) -> None:
    """A page that has to be pushed left and right on a phone."""
    shown.size(width, 800, scheme=scheme)
    assert shown.run(WIDER) is False
    assert shown.run("return document.querySelector('.chart').getBoundingClientRect().width") > 240


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(shown: Any, scheme: str) -> None:
    """Grey on grey: contrast below 4.5 to 1 (WCAG 2.2, 1.4.3)."""
    shown.size(1280, 900, scheme=scheme)
    found = shown.contrasts("p, h1, h2, h3, a, td, th, b, span, button, dd, dt")
    assert len(found) > 10
    assert {name: ratio for name, ratio in found.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_further_figures_are_seen(shown: Any, scheme: str) -> None:
    """A white picture on a dark page, or one whose words shrink with it on a phone."""
    shown.size(375, 800, scheme=scheme)
    assert shown.run("return document.querySelectorAll('img').length") == 0
    assert len(shown.texts(".group > h3")) >= 2
    sizes = shown.run(
        """return [...document.querySelectorAll('.group .chart')].map(chart => {
          const text = chart.querySelector('.axes text:not(.unit)');
          return parseFloat(getComputedStyle(text).fontSize) * chart.getBoundingClientRect().width
            / chart.viewBox.baseVal.width; })"""
    )
    assert len(sizes) >= 3
    assert min(sizes) > 9


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_numbers_of_heat_maps_stand_out_from_their_colour(
    browser: Any, toy: Any, tmp_path: Path, scheme: str
) -> None:
    """A dark number on the dark green of the best cell."""
    made = toy(design="complete", axes={"model_size": ["60k", "2m"]})
    made.run()
    sweep = open_sweep(made.store.root)
    write(build(sweep, Reader(store=sweep.store)).html, tmp_path / "grid.html")
    browser.size(375, 800, scheme=scheme)
    browser.open(tmp_path / "grid.html")
    # A canvas knows every way of writing a colour, mixed ones too.
    ratios = browser.run("""
      const pen = document.createElement('canvas').getContext('2d');
      const light = (colour) => { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
        return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v / 255)
          .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
          .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0); };
      return [...document.querySelectorAll('.heat tbody td')].map(cell => {
        const style = getComputedStyle(cell);
        const pair = [light(style.color), light(style.backgroundColor)].sort((a, b) => b - a);
        return (pair[0] + 0.05) / (pair[1] + 0.05); });""")
    assert len(ratios) >= 16
    assert min(ratios) >= 4.5
    browser.run("for (const e of document.querySelectorAll('details')) e.open = true")
    told = browser.texts(".heats + details tbody td")
    assert len(told) == len(ratios)
    assert "20.5 ± 0.7, 2 of 2 seeds" in told
    assert browser.run(WIDER) is False
    assert max(ratios) > 1.2 * min(ratios)
    assert browser.run(WIDER) is False


def test_words_over_a_table_fit_a_phone(shown: Any) -> None:
    """A caption as wide as its table, of which a phone shows half a sentence."""
    shown.size(375, 800)
    right = shown.run(
        "return [...document.querySelectorAll('.caption')]"
        ".map(e => e.getBoundingClientRect().right)"
    )
    assert len(right) >= 4
    assert max(right) <= 375


def test_a_row_keeps_its_name_when_a_table_is_pushed(shown: Any) -> None:
    """Numbers on a phone of which one cannot see whose they are."""
    shown.size(320, 800)
    kept = """
      for (const box of document.querySelectorAll('#tables .scroll')) {
        if (box.scrollWidth <= box.clientWidth + 20) continue;
        box.scrollLeft = 20;
        const name = box.querySelector('tbody th').getBoundingClientRect();
        return Math.abs(name.left - box.getBoundingClientRect().left); }
      return null;"""
    assert shown.run(kept) == pytest.approx(0, abs=1)


def test_no_script_fails(shown: Any) -> None:
    """A page that is half dead because of one missing element."""
    assert shown.errors() == []


def test_a_mark_leads_to_its_trial(shown: Any, whole: Any) -> None:
    """A map that is a picture; answers without their errors; another trial than was asked for."""
    config = next(c for c in whole.configs if c.task == "record" and c.seed == 1)
    shown.run(f"document.querySelector('a[href=\"#trial-{config.trial_id}\"]').click()")
    shown.until("return document.getElementById('trial').open")
    told = " ".join(shown.texts("#trial *"))
    assert config.trial_id in told
    assert "seed 1" in shown.texts("#trial-title")[0]
    assert "51" in shown.texts("#trial .cards b")
    assert "1 of 2 answers are not their target" in shown.texts("#errors")[0]
    assert shown.texts(".answers li") == ["<b>or</b> not?True ✗ wanted False"]
    assert shown.run("return document.querySelectorAll('#trial polyline').length") == 2


def test_a_point_without_a_loss_is_no_point_of_the_losses(shown: Any, whole: Any) -> None:
    """A trial that cannot be opened, for the score of its start has no training loss."""
    config = next(c for c in whole.configs if c.seed == 0)
    shown.run(f"document.querySelector('a[href=\"#trial-{config.trial_id}\"]').click()")
    shown.until("return document.getElementById('trial').open")
    counts = "return [...document.querySelectorAll('#trial .line')].map(e => e.children.length - 1)"
    assert shown.run(counts) == [3, 2]
    rows = "return [...document.querySelectorAll('#points tbody tr')].map(e => e.textContent)"
    assert shown.run(rows) == ["030-", "5451.500", "10501.500"]
    assert shown.errors() == []


def test_a_watched_page_is_not_drawn_anew_under_somebodys_hands(
    browser: Any, small: Any, tmp_path: Path
) -> None:
    """A chart that loses the reader's place each time the page is current again."""
    small.run(small.configs[:4])
    sweep = open_sweep(small.store.root)
    path = tmp_path / "page.html"
    write(build(sweep, Reader(store=sweep.store), refresh=1).html, path)
    browser.open(path)
    browser.press("Tab")
    browser.run("window.met = 0; setInterval(() => { window.met += 1; }, 500)")
    browser.until("return window.met > 4")
    browser.open(path)
    browser.run("window.met = 1")
    browser.until("return window.met === undefined")


def test_a_trial_shows_what_its_prompt_is_near_to(shown: Any, whole: Any) -> None:
    """Pieces of another token, or tokens of one meaning that nobody is told of."""
    prompts = [c for c in whole.configs if c.prompt_length == 20 and c.task == "record"]
    shown.run(f"document.querySelector('a[href=\"#trial-{prompts[0].trial_id}\"]').click()")
    shown.until("return document.getElementById('near')")
    assert shown.texts("#near tbody tr") == ["0▁a b0.50", "1▁x y0.50", "2▁a c0.50"]
    assert shown.texts("#near .clusters li") == ["Tokens 0, 2 share: ▁a b c"]
    shown.size(320, 800)
    wider = "const d = document.getElementById('trial'); return d.scrollWidth > d.clientWidth"
    assert shown.run(wider) is False


def test_all_answers_are_shown_on_demand(shown: Any, whole: Any) -> None:
    """Errors alone, with nothing to hold them against."""
    shown.run("document.querySelector('a.m').click()")
    shown.until("return document.querySelector('.answers li')")
    shown.run("document.querySelector('#trial section button').click()")
    assert len(shown.texts(".answers li")) == 2


def test_a_link_opens_a_trial_at_once(browser: Any, page: Path, whole: Any) -> None:
    """A link that somebody was sent, and that leads to the top of the page."""
    config = whole.configs[-1]
    browser.open(page, f"#trial-{config.trial_id}")
    assert browser.until("return document.getElementById('trial').dataset.trial") == config.trial_id


def test_the_keyboard_reaches_everything(shown: Any) -> None:
    """A map of thousands of stops for the tab key, or a dialog that cannot be left."""
    shown.press("Tab")
    assert shown.run("return document.activeElement.className") == "skip"
    press_until(shown, "Tab", "return document.activeElement.matches('.point')")
    told = shown.texts("#tip")
    assert "parameters" in told[0]
    shown.press("Right")
    assert shown.texts("#tip") != told
    shown.press("Tab")
    assert shown.run("return document.activeElement.closest('.legend') !== null")
    shown.press("Tab")
    assert shown.run("return document.activeElement.tagName") == "SUMMARY"
    press_until(shown, "Tab", "return document.activeElement.matches('a.m')")
    first = shown.run(ACTIVE, "href")
    shown.press("Right")
    second = shown.run(ACTIVE, "href")
    assert second != first
    shown.press("Down")
    assert shown.run(ACTIVE, "href") not in (first, second)
    here = shown.run(ACTIVE, "href")
    shown.press("Enter")
    shown.until("return document.getElementById('trial').open")
    assert shown.run("return document.getElementById('trial').contains(document.activeElement)")
    shown.press("Escape")
    shown.until("return !document.getElementById('trial').open")
    assert shown.run(ACTIVE, "href") == here
    shown.press("Tab")
    assert shown.run("return !document.activeElement.matches('a.m')")


def test_filters_leave_what_fits(shown: Any) -> None:
    """A filter that hides the wrong rows, or counts them wrong."""
    script = """
      const f = document.getElementById('filters');
      f.elements.method.value = 'Model tuning';
      f.dispatchEvent(new Event('input'));
      return document.getElementById('shown').textContent"""
    assert shown.run(script) == "12 of 84 trials"
    rows = shown.texts("#map tbody th")
    assert [row.split(" · ")[:2] for row in rows] == [
        [size, "model tuning"] for size in ("60k", "200k", "2m")
    ]
    shown.run("document.querySelector('#filters button[type=reset]').click()")
    shown.until("return document.getElementById('shown').textContent === '84 of 84 trials'")


def test_a_legend_hides_its_line(shown: Any) -> None:
    """A button that does nothing."""
    looks = """return [...document.querySelectorAll('#figure-method .line')]
      .map(e => getComputedStyle(e).display)"""
    assert shown.run(looks) == ["inline", "inline"]
    shown.run("document.querySelector('#figure-method .legend button').click()")
    assert sorted(shown.run(looks)) == ["inline", "none"]


def test_a_hidden_line_is_no_stop_for_the_tab_key(shown: Any) -> None:
    """A chart that the tab key skips, since the one point that takes it is hidden."""
    stops = """return [...document.querySelectorAll('#figure-method .point')]
      .filter(e => e.tabIndex === 0 && e.checkVisibility()).length"""
    for entry in (0, 1):
        assert shown.run(stops) == 1
        click = "document.querySelectorAll('#figure-method .legend button')[arguments[0]].click()"
        shown.run(click, entry)
        assert shown.run(stops) == 1 - entry
        if entry == 0:
            continue
        shown.run(click, 0)
        assert shown.run(stops) == 1


def test_the_theme_can_be_chosen(shown: Any) -> None:
    """A dark page in a bright room that cannot be changed."""
    ground = "return getComputedStyle(document.body).backgroundColor"
    shown.size(1280, 900, scheme="dark")
    dark = shown.run(ground)
    shown.run("document.getElementById('theme').click()")
    assert shown.texts("#theme") == ["Theme: light"]
    assert shown.run(ground) != dark


def test_without_javascript_it_can_be_read(start_browser: Callable[..., Any], page: Path) -> None:
    """Controls that do nothing, or numbers that never come."""
    plain = start_browser(javascript=False)
    plain.size(390, 800)
    plain.open(page)
    assert "The scale curve" in plain.texts("h3")
    assert plain.texts("#filters label") == []
    assert plain.texts("#theme") == []
    assert len(plain.texts("#map tbody th")) > 20
    assert plain.run("return document.querySelectorAll('#figures .chart').length") > 5

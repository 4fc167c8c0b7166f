"""The page in a real browser: it runs, asks nobody, shows everything, and is readable in the dark and on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from partitioner.book import BookOptions
from partitioner.report.html import page
from tests.partitioner.report.html.chromium import chromium, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

Document = dict[str, Any]
SECTIONS = (
    "plans", "crossing", "why-not", "graph", "landscape", "bandwidth", "pareto", "memory", "changes", "proof",
    "devices",
)  # fmt: skip
EVIL = "</script><img src=http://127.0.0.1:9/x onerror=document.title='owned'><script>document.title='owned'</script>"
# What a person could not read: letters smaller than 9 px as drawn, or a contrast with the page below 3 to 1.
UNREADABLE = """
const rgb = (text) => text.match(/[0-9.]+/g).map(Number);
const light = ([r, g, b]) => {
  const part = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};
const ground = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const colour = rgb(getComputedStyle(at).backgroundColor);
    if (colour.length < 4 || colour[3] > 0.9) return colour;
  }
  return [255, 255, 255];
};
const found = [];
for (const node of document.querySelectorAll('h1,h2,p,li,td,th,b,span,text')) {
  const own = [...node.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim());
  const box = node.getBoundingClientRect();
  if (!own || !box.width || node.closest('.off')) continue;
  const style = getComputedStyle(node), svg = node.closest('svg');
  const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
  const letters = parseFloat(style.fontSize) * scale;
  const pair = [light(rgb(svg ? style.fill : style.color)), light(ground(node))].sort();
  const contrast = (pair[1] + 0.05) / (pair[0] + 0.05);
  if (letters < 9 || contrast < 3) found.push([node.textContent.trim(), letters, contrast]);
}
return found;
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("chromium")) as tab:
        yield tab


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Callable[[Document], Any]:
    """Open a document's page in a window of a desk, and forget what went before."""

    def show(document: Document) -> Any:
        path = tmp_path / "plan.html"
        path.write_text(page(document), encoding="utf-8")
        browser.look(1200, 900)
        browser.console(), browser.requested()
        browser.open(path)
        return browser

    return show


@pytest.fixture
def split(full_document: Document, explained: Callable[..., Document]) -> Document:
    """A document of a split, with all that a solver adds."""
    added = ("plan", "alternatives", "flips", "pareto", "regret")
    return explained(BookOptions(keep_input=True)) | {key: full_document[key] for key in added}


def test_it_runs_and_asks_nobody(opened: Callable[[Document], Any], full_document: Document) -> None:
    tab = opened(full_document)
    assert tab.ask("return document.documentElement.dataset.ready") == "yes"
    assert tab.console() == []
    asked = [url for url in tab.requested() if url != "data:,"]
    assert len(asked) == 1
    assert asked[0].startswith("file:///")


def test_every_section_is_seen(opened: Callable[[Document], Any], split: Document) -> None:
    tab = opened(split)
    assert tab.ask("return [...document.querySelectorAll('section')].map((one) => one.id)") == list(SECTIONS)
    for name in SECTIONS:
        wide, high, words = tab.ask(
            f"const one = document.getElementById('{name}'), box = one.getBoundingClientRect();"
            "return [box.width, box.height, one.innerText]"
        )
        assert wide > 300, name
        assert high > 60, name
        assert len(words) > 30, name
    assert split["label"] in tab.ask("return document.querySelector('header').innerText")


def test_the_graph_opens_at_the_cut_with_both_colours(
    opened: Callable[[Document], Any], split: Document
) -> None:
    tab = opened(split)
    inside = tab.ask(
        "const cut = document.querySelector('.cut').getBoundingClientRect(),"
        "graph = document.querySelector('.graph').getBoundingClientRect();"
        "return cut.top >= graph.top && cut.bottom <= graph.bottom"
    )
    assert inside is True
    colours = tab.ask(
        "return [...new Set([...document.querySelectorAll('.graph circle')].map((one) => getComputedStyle(one).fill))]"
    )
    assert len(colours) == 3  # the input, the board, the cloud


def test_hovering_tells_more(opened: Callable[[Document], Any], split: Document) -> None:
    tab = opened(split)
    x, y = tab.ask(
        "const bar = document.querySelector('.plan .bar'); bar.scrollIntoView({block: 'center'});"
        "const box = bar.getBoundingClientRect(); return [box.left + 20, box.top + 9]"
    )
    tab.ask(
        "return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )  # scrolled
    assert tab.ask("return document.getElementById('tip').hidden") is True
    tab.hover(x, y)
    assert tab.ask("return document.getElementById('tip').hidden") is False
    assert "board alone (local)" in tab.ask("return document.getElementById('tip').innerText")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("width", "height", "touch"), [(1200, 900, False), (360, 740, True)])
def test_it_is_readable(
    opened: Callable[[Document], Any], split: Document, width: int, height: int, touch: bool, dark: bool
) -> None:
    tab = opened(split)
    tab.look(width, height, dark=dark, touch=touch)
    assert tab.ask("return document.documentElement.scrollWidth") <= width  # nothing to push sideways
    assert tab.ask("return matchMedia('(prefers-color-scheme: dark)').matches") is dark
    ground = tab.ask("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(16, 19, 23)") is dark
    assert tab.ask(UNREADABLE) == []
    assert len(tab.picture()) > 20_000


def test_evil_names_do_nothing(opened: Callable[[Document], Any], split: Document) -> None:
    for layer in split["graph"]["layers"]:
        layer["name"] += EVIL
    for row in split["candidates"]:
        row["label"] += EVIL
    split["model"] += EVIL
    split["frontier"][0]["tensor"] += EVIL
    tab = opened(split)
    assert tab.ask("return document.title") != "owned"
    assert tab.ask("return document.images.length") == 0
    assert tab.ask("return document.scripts.length") == 1
    assert EVIL in tab.ask("return document.querySelector('h1').innerText")
    assert tab.console() == []
    assert all(url.startswith(("file:", "data:")) for url in tab.requested())

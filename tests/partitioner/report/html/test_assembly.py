"""The page: one file, nothing from elsewhere, every name escaped, every section there."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from partitioner.book import BookOptions
from partitioner.report.html import page
from partitioner.report.quantities import sentence

ROOT = Path(__file__).resolve().parents[4]
Document = dict[str, Any]
EVIL = "</script></style><img src=x onerror=alert(1)>\"'&<!--]]>"
VOID = {"br", "link", "meta"}


class Page(HTMLParser):
    """Reads a page: ids, attributes, text; and whether every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self._open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def renamed(value: Any) -> Any:
    """Return the document with every layer, tensor, label and device called by an evil name."""
    if isinstance(value, dict):
        kept = {
            "role",
            "verdict",
            "schema",
            "page",
            "fallback",
            "best_cut",
            "below",
            "above",
            "device",
            "name",
        }
        return {
            key: one if key in kept and not _evil(key, value) else renamed(one) for key, one in value.items()
        }
    if isinstance(value, list):
        return [renamed(one) for one in value]
    return EVIL + value if isinstance(value, str) else value


def _evil(key: str, value: Document) -> bool:
    return key == "name" and "nodes" in value  # a layer's


def test_notes_stand_at_the_top(full_document: Document) -> None:
    assert full_document["notes"] == []
    drawn = Page(page(full_document | {"notes": ["the profile of <pi> is noisy"]})).text
    assert drawn.index("The profile of <pi> is noisy.") < drawn.index("What was considered")


def test_every_section_is_there(full_document: Document) -> None:
    drawn = Page(page(full_document))
    sections = [one for one in drawn.ids if one not in ("tip", "frame")]
    assert sections == [
        "plans", "crossing", "why-not", "graph", "landscape", "bandwidth", "pareto", "memory", "changes", "proof",
        "devices",
    ]  # fmt: skip
    assert "Do not split" in drawn.text
    assert "the others block by block, as pages of this book." in drawn.text
    for row in full_document["candidates"]:
        assert row["label"] in drawn.text
        assert f"{row['predicted']['latency'] * 1e3:.1f} ± " in drawn.text
    for one in full_document["why_not"]:
        assert sentence(one["sentence"]) in drawn.text
    for layer in full_document["graph"]["layers"]:
        assert layer["name"] in drawn.text


def test_nothing_comes_from_elsewhere(full_document: Document) -> None:
    text = page(full_document)
    assert not re.search(r"https?:|//[a-z]|url\((?!#)|@import|<iframe|<img", text)
    drawn = Page(text)
    assert [value for name, value in drawn.attributes if name in ("src", "href")] == ["data:,"]
    assert not [name for name, _ in drawn.attributes if name.startswith("on")]
    assert any(value.startswith("default-src 'none'; script-src 'sha256-") for _, value in drawn.attributes)


def test_evil_names_stay_names(full_document: Document) -> None:
    evil = renamed(copy.deepcopy(full_document))
    text, plain = page(evil), Page(page(full_document))
    drawn = Page(text)
    assert drawn.tags.count("script") == 1
    assert "img" not in drawn.tags
    assert sorted(set(drawn.tags)) == sorted(set(plain.tags))
    assert "</script></style><img src=x onerror=alert(1)>" in drawn.text
    assert not [name for name, _ in drawn.attributes if name.startswith("on")]


def test_measured_times_stand_beside_the_predicted(document: Document) -> None:
    drawn = Page(page(document))
    assert "measured 269.3 ms" in drawn.text
    assert "measured in service" in drawn.text


def test_the_frontier_is_drawn_with_its_bytes(explained: Callable[..., Document]) -> None:
    document = explained(BookOptions(keep_input=True))
    (frontier,) = document["graph"]["frontiers"]
    drawn = Page(page(document))
    assert f"{frontier['wire_bytes'] / 1e3:.1f} kB on the wire" in drawn.text
    assert ("class", "edge cross") in drawn.attributes
    assert {("class", "n0"), ("class", "n1")} <= set(drawn.attributes)


def test_a_single_device_and_an_old_document_have_pages_too(
    explained: Callable[..., Document], document: Document
) -> None:
    assert "One device" in Page(page(explained(cloud=None, link=None))).text
    added = ("advice", "why_not", "wishes", "memory", "curve", "graph", "objective", "limits", "plan", "measured",
             "alternatives", "flips", "pareto", "regret")  # fmt: skip
    old = Page(page({key: value for key, value in document.items() if key not in added}))
    assert [one for one in old.ids if one != "tip"] == ["plans", "crossing", "changes", "proof", "devices"]


@pytest.mark.parametrize("count", [2, 299, 2400])
def test_large_graphs_make_a_bounded_page(document: Document, count: int) -> None:
    layer, tensor = document["graph"]["layers"][0], document["graph"]["tensors"][1]
    layers = [layer | {"index": index, "name": f"l{index}"} for index in range(count)]
    tensors = [tensor | {"producer": index, "consumers": [index + 1]} for index in range(count - 1)]
    large = document["graph"] | {"count": count, "layers": layers, "tensors": tensors, "frontiers": []}
    text = page(document | {"graph": large})
    assert len(text) < 400_000
    assert f"{count} layers" in text


def test_a_page_needs_no_planner_and_no_arrays() -> None:
    script = (
        "import sys, partitioner.report.html, partitioner.report.difference;"
        "assert not {'scipy', 'numpy', 'onnx', 'partitioner.book'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_which_precision_runs_where_stands_beside_the_other_ways(document: Document) -> None:
    assert "variants" not in Page(page(document)).ids
    ways = [("itself on both", 0.07), (f"int8 here, itself there {EVIL}", 0.05)]
    document["variants"] = {
        "label": ways[1][0],
        "precisions": {"board": "int8", "cloud": "float32"},
        "ways": [{"label": label, "page": "cut-1", "seconds": seconds} for label, seconds in ways],
    }
    drawn = Page(page(document))
    assert "Which precision runs where" in drawn.text
    rows = drawn.text.index("int8 and float32 cut-1 50.0 ms"), drawn.text.index("itself on both")
    assert rows[0] < rows[1], "the one that was taken is the best, and the first"

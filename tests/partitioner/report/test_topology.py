"""The graph of the document: who runs what, and what crosses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from partitioner.book import BookOptions
from partitioner.report import topology

Document = dict[str, Any]


@pytest.fixture
def split(explained: Callable[..., Document]) -> Document:
    found = explained(BookOptions(keep_input=True))
    assert found["split"]
    return found


def test_layers_are_where_the_active_page_runs_them(split: Document) -> None:
    layers, (frontier,) = split["graph"]["layers"], split["graph"]["frontiers"]
    assert len(layers) == split["graph"]["count"]
    on_board = [layer for layer in layers if layer["device"] == "board"]
    assert len(on_board) == frontier["layers_before"]
    assert {layer["device"] for layer in layers} == {"board", "cloud"}
    assert on_board[-1]["name"] == frontier["behind"]
    assert (frontier["from"], frontier["to"]) == ("board", "cloud")


def test_every_device_has_seconds_of_every_layer(split: Document) -> None:
    for layer in split["graph"]["layers"]:
        assert layer["seconds"].keys() == {"board", "cloud"}
    engine = sum(layer["seconds"]["board"] for layer in split["graph"]["layers"][1:])
    assert engine == pytest.approx(split["devices"][0]["whole"], rel=1e-6)


def test_the_frontier_carries_what_the_prediction_says(split: Document) -> None:
    (frontier,) = split["graph"]["frontiers"]
    assert frontier["wire_bytes"] == split["predicted"]["bytes_up"]
    assert frontier["tensors"] == split["frontier"]
    assert frontier["size"] == sum(one["size"] for one in frontier["tensors"])


def test_a_tensor_names_its_ends(split: Document) -> None:
    skip = next(one for one in split["graph"]["tensors"] if len(one["consumers"]) == 2)
    assert skip["name"] == "t6"
    assert skip["consumers"] == [skip["producer"] + 1, skip["producer"] + 2]


def test_the_board_alone_has_no_frontier(explained: Callable[..., Document]) -> None:
    assert explained(cloud=None, link=None)["graph"]["frontiers"] == []


def test_a_huge_graph_is_counted_not_listed(
    explained: Callable[..., Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topology, "MOST_LAYERS", 3)
    assert explained()["graph"] == {"count": 15, "layers": [], "tensors": [], "frontiers": []}

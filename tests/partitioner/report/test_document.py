"""A plan explained, as data and as text that a person can use."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable
from typing import Any

from rich.console import Console

from partitioner.book import BookOptions, make_book
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile, Measurement
from partitioner.report import SCHEMA, explain
from partitioner.report.terminal import render
from partitioner.solve.problem import Objective
from partitioner.units import Seconds


def text(document: dict[str, Any]) -> str:
    stream = io.StringIO()
    render(document, Console(file=stream, width=130, no_color=True))
    return stream.getvalue()


def test_the_document_is_json_and_says_what_it_is(document: dict[str, Any]) -> None:
    again = json.loads(json.dumps(document))
    assert again == document
    assert again["schema"] == SCHEMA == "lepton-edge/plan/1"
    assert again["page"] == "cloud-encoded"
    assert again["split"] is False
    assert [row["page"] for row in again["candidates"]][:4] == [
        "local",
        "cloud-raw",
        "cloud-jpeg",
        "cloud-encoded",
    ]
    assert sum(row["chosen"] for row in again["candidates"]) == 1
    assert sum(row["best_cut"] for row in again["candidates"]) == 1


def test_the_frontier_names_codec_and_bytes(document: dict[str, Any]) -> None:
    rows = {row["page"]: row for row in document["candidates"]}
    (jpeg,) = rows["cloud-jpeg"]["frontier"]
    assert (jpeg["tensor"], jpeg["codec"], jpeg["size"]) == ("x@resized", "jpeg", 150_528)
    assert jpeg["wire_bytes"] == rows["cloud-jpeg"]["predicted"]["bytes_up"]
    assert rows["local"]["frontier"] == []


def test_memory_is_what_the_pages_need(document: dict[str, Any]) -> None:
    assert [device["weights"] for device in document["devices"]] == [12 << 20, 12 << 20]
    assert [device["simulated"] for device in document["devices"]] == [True, False]


def test_with_the_input_kept_the_cloud_holds_less(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    draft = make_book(compiled, board, cloud, lte, BookOptions(keep_input=True))
    document = explain(compiled, draft, board, cloud, lte)
    assert document["devices"][1]["weights"] < 12 << 20
    assert "x cloud with JPEG: x@resized would leave the board" in text(document)
    assert document["split"] is True
    refused = {row["page"]: row for row in document["candidates"] if not row["in_book"]}
    assert [one["tensor"] for one in refused["cloud-raw"]["frontier"]] == ["x@resized"]
    assert [one["tensor"] for one in refused["cloud-encoded"]["frontier"]] == ["x@encoded"]


def test_one_cost_changes_the_report(
    compiled: CompiledModel,
    board: DeviceProfile,
    cloud: DeviceProfile,
    lte: LinkProfile,
    document: dict[str, Any],
) -> None:
    whole = Measurement(Seconds(board.whole.median / 6), board.whole.spread, 20)
    quick = dataclasses.replace(board, whole=whole, segments=())
    draft = make_book(compiled, quick, cloud, lte)
    other = explain(compiled, draft, quick, cloud, lte)
    assert other["reason"] != document["reason"]
    assert "mobile: local (board alone)" in text(other)


def test_a_single_device_is_explained_too(compiled: CompiledModel, cloud: DeviceProfile) -> None:
    document = explain(compiled, make_book(compiled, None, cloud, None), None, cloud, None)
    assert document["link"] is None
    assert [device["role"] for device in document["devices"]] == ["cloud"]
    assert document["devices"][0]["weights"] == 12 << 20
    assert "no other device shares the work" in " ".join(text(document).split())


def test_a_single_priced_thing_is_told_in_its_own_unit(explained: Callable[..., dict[str, Any]]) -> None:
    """The command line prices egress by the megabyte; a table that said "0 B" of every page was the result."""
    document = explained(BookOptions(objective=Objective(latency=0.0, egress=1e-6)))
    rows = {row["page"]: row for row in document["candidates"]}
    sent = rows["cloud-jpeg"]["predicted"]
    assert rows["cloud-jpeg"]["value"] == sent["bytes_up"] + sent["bytes_down"] > 0
    assert document["objective"]["egress"] == 1.0

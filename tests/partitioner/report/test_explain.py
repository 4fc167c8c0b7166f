"""A plan explained, as data and as text that a person can use."""

from __future__ import annotations

import dataclasses
import io
import json
from typing import Any

import pytest
from rich.console import Console

from partitioner.book import BookOptions, make_book
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile, Measurement
from partitioner.report import SCHEMA, explain
from partitioner.report.terminal import megabits, render, size
from partitioner.units import PageName, Seconds


@pytest.fixture
def document(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> dict[str, Any]:
    draft = make_book(compiled, board, cloud, lte)
    return explain(compiled, draft, board, cloud, lte, measured={PageName("local"): Seconds(0.2693)})


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


def test_a_person_reads_the_decision_its_reason_and_what_would_change_it(document: dict[str, Any]) -> None:
    page = " ".join(text(document).split())
    assert "mobile: cloud-encoded (cloud with the encoded picture)" in page
    assert "No split: the best cut (" in page
    assert "SIMULATED 8x slower" in page
    assert "Link (measured): 5.85 Mbit/s up" in page
    assert "No plan can be faster than" in page
    assert "minimum cut, exact" in page
    assert "Board alone is best while the board's slowdown is below" in page
    assert "269.3" in page  # measured


def test_the_measured_column_is_there_only_when_something_was(document: dict[str, Any]) -> None:
    for row in document["candidates"]:
        row["measured"] = None
    assert "measured ┃" not in text(document)


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


def test_numbers_for_people() -> None:
    assert size(999) == "999 B"
    assert size(14_800) == "14.8 kB"
    assert size(12_582_912) == "12.6 MB"
    assert megabits(731_250.0) == "5.85 Mbit/s"

"""Two plans compared: what moved, what it costs, and which changed input is to blame."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from partitioner.book import BookOptions
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.report.difference import SCHEMA, difference, render_difference
from partitioner.solve.problem import EGRESS, THROUGHPUT
from partitioner.units import Bytes, BytesPerSecond, Seconds, megabits

Document = dict[str, Any]
Explain = Callable[..., Document]
Faster = Callable[[DeviceProfile, float], DeviceProfile]


def text(document: Document) -> str:
    stream = io.StringIO()
    render_difference(document, Console(file=stream, width=130, no_color=True))
    return " ".join(stream.getvalue().split())


def decisive(document: Document) -> list[str]:
    return [one["what"] for one in document["inputs"] if one["decisive"]]


@pytest.fixture
def kept(explained: Explain) -> Document:
    return explained(BookOptions(keep_input=True))


def test_the_same_plan_is_said_to_be_the_same(document: Document) -> None:
    found = difference(document, copy.deepcopy(document))
    assert found["schema"] == SCHEMA == "lepton-edge/plan-diff/1"
    assert found["same"] is True
    assert (found["moved"], found["codecs"], found["inputs"]) == ([], [], [])
    assert "the same plan, cloud-encoded" in text(found)
    assert "No input changed." in text(found)


def test_a_slow_link_is_to_blame(explained: Explain, document: Document, lte: LinkProfile) -> None:
    slow = dataclasses.replace(lte, up=megabits(0.3), down=megabits(4.0), delay_up=Seconds(0.026))
    after = explained(link=slow)
    found = difference(document, after)
    assert after["page"] == "local"
    assert found["same"] is False
    assert decisive(found) == ["rate of the link up"]
    assert (
        found["cause"]
        == "rate of the link up (5.85 Mbit/s -> 0.3 Mbit/s) alone would have changed the choice"
    )
    assert {one["what"] for one in found["inputs"]} == {
        "rate of the link up", "rate of the link down", "delay of the link up",
    }  # fmt: skip
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_latency_is_told_part_by_part(explained: Explain, document: Document, lte: LinkProfile) -> None:
    after = explained(link=dataclasses.replace(lte, up=megabits(0.3)))
    latency = difference(document, after)["latency"]
    assert latency["before"] == document["predicted"]["latency"]
    assert latency["after"] == after["predicted"]["latency"]
    assert sum(part["change"] for part in latency["parts"]) == pytest.approx(latency["change"])
    assert f"{latency['change'] * 1e3:+.1f} ms" in text(difference(document, after))


def test_layers_that_moved_are_named_and_counted(document: Document, kept: Document) -> None:
    found = difference(document, kept)
    (move,) = found["moved"]
    on_board = [one["name"] for one in kept["graph"]["layers"] if one["device"] == "board"]
    assert (move["from"], move["to"], move["count"]) == ("cloud", "board", len(on_board))
    assert move["layers"] == on_board[:12]
    assert decisive(found) == ["the input"]
    assert found["frontier"]["gone"] == ["x@encoded"]
    assert found["frontier"]["bytes_after"] == kept["predicted"]["bytes_up"]
    assert f"layers ({on_board[0]} to" in text(found)


def test_a_memory_limit_beside_the_wish_is_not_blamed(explained: Explain, document: Document) -> None:
    both = explained(BookOptions(keep_input=True, board_memory=Bytes(60_000_000)))
    found = difference(document, both)
    assert [one["what"] for one in found["inputs"]] == ["memory of board", "the input"]
    assert decisive(found) == ["the input"]


def test_a_faster_board_is_to_blame(
    explained: Explain, document: Document, board: DeviceProfile, faster: Faster
) -> None:
    after = explained(board=faster(board, 8))
    found = difference(document, after)
    assert after["page"] == "local"
    assert decisive(found) == ["speed of board"]
    assert "8 times faster" in text(found)


def test_only_together(document: Document) -> None:
    """The board 2.5 times faster, the link 4 times slower: neither is enough, both are."""
    after = copy.deepcopy(document)
    for device in after["devices"]:
        if device["role"] == "board":
            device["whole"] /= 2.5
    after["link"]["up"] = BytesPerSecond(document["link"]["up"] / 3)
    after |= {"page": "local", "label": "board alone"}
    found = difference(document, after)
    assert decisive(found) == []
    assert found["cause"].startswith("the changed inputs together")


def test_another_objective_is_to_blame(explained: Explain, document: Document) -> None:
    after = explained(BookOptions(objective=EGRESS))
    found = difference(document, after)
    assert after["page"] == "local"
    assert [one["words"] for one in found["inputs"]] == ["latency -> egress"]
    assert decisive(found) == ["objective"]
    assert found["inputs"][0]["would_take"] == "board alone"


def test_throughput_is_judged_by_the_busiest_part(explained: Explain, lte: LinkProfile) -> None:
    before = explained(BookOptions(objective=THROUGHPUT))
    slow = dataclasses.replace(lte, up=megabits(0.05))
    found = difference(before, explained(BookOptions(objective=THROUGHPUT), link=slow))
    assert decisive(found) == ["rate of the link up"]


def test_energy_is_judged_by_latency_and_that_is_said(document: Document) -> None:
    after = copy.deepcopy(document) | {"page": "local", "label": "board alone"}
    after["link"]["up"] /= 30
    after["objective"] = document["objective"] | {"name": "energy"}
    before = copy.deepcopy(document)
    before["objective"] = after["objective"]
    assert difference(before, after)["cause"].endswith(
        "alone would have changed the choice, judged by latency"
    )


def test_noise_is_no_change(document: Document) -> None:
    after = copy.deepcopy(document)
    after["link"]["up"] *= 1.005
    after["devices"][0]["whole"] *= 0.995
    assert difference(document, after)["inputs"] == []


def test_another_codec_for_the_same_tensor(kept: Document) -> None:
    after = copy.deepcopy(kept)
    after["frontier"][0]["codec"] = "f16"
    found = difference(kept, after)
    assert found["same"] is False
    assert found["codecs"] == [
        {"tensor": kept["frontier"][0]["tensor"], "before": kept["frontier"][0]["codec"], "after": "f16"}
    ]
    assert "-> f16" in text(found)


def test_a_device_that_came_a_version_and_limits(explained: Explain, document: Document) -> None:
    alone = explained(cloud=None, link=None)
    after = copy.deepcopy(document) | {"version": "f" * 16}
    after["limits"] = after["limits"] | {"latency": 0.1}
    found = difference(alone, after)
    told = {one["what"]: one["words"] for one in found["inputs"]}
    assert told["link"] == "there was no link before"
    assert told["cloud"] == "no cloud before"
    assert told["version of the model"] == f"{'0' * 16} -> {'f' * 16}"
    assert told["limits"] == "latency none -> 0.1"
    assert text(found)


def test_documents_of_an_older_coordinator_are_compared(document: Document, kept: Document) -> None:
    added = ("advice", "why_not", "wishes", "memory", "curve", "graph", "objective", "limits", "plan")
    old = {key: value for key, value in document.items() if key not in added}
    for row in old["candidates"]:
        row.pop("keeps_input", None)
    new = {key: value for key, value in kept.items() if key not in added}
    found = difference(old, new)
    assert found["same"] is False
    assert found["moved"] == []
    assert text(found)


def test_a_split_that_was_asked_for_is_the_cause_and_so_is_giving_it_up(
    explained: Explain, document: Document, lte: LinkProfile
) -> None:
    own = explained(BookOptions(own_cut="layer5"), link=dataclasses.replace(lte, up=megabits(5.2)))
    assert own["page"] == "own"
    assert difference(document, own)["cause"] == "the split behind layer5 was asked for"
    back = difference(own, document)["cause"]
    assert back == "the split behind layer5 is no longer asked for, and the planner chose"

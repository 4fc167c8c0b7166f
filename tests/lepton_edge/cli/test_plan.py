"""`plan`: what is asked of the coordinator, what is read from files, what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lepton_edge.cli.plan import read_plan
from lepton_edge.core.calls import DeviceSpeed, ExplainPlan, LinkChange, PinPlan, RemoveModel, WhatIf, Wishes
from tests.lepton_edge.cli.conftest import CommandLine


def document(page: str = "local", latency: float = 0.1, up: float = 1e6) -> dict[str, Any]:
    """A small plan document: board alone, or everything in the cloud."""
    parts = {"board": latency, "cloud": 0.0, "uplink": 0.0, "downlink": 0.0, "bytes_up": 0, "bytes_down": 0}
    predicted = {"latency": latency, "spread": 0.001, **parts}
    row = {
        "page": page, "label": f"{page} alone", "chosen": True, "best_cut": False, "in_book": True,
        "eligible": True, "why_not": "", "predicted": predicted, "measured": None, "frontier": [],
    }  # fmt: skip
    link = {"up": up, "down": up, "delay_up": 0.001, "delay_down": 0.001, "overhead": 1.046, "measured": True}
    return {
        "schema": "lepton-edge/plan/1", "units": {}, "model": "net", "version": "v1",
        "keep_input_on_board": False, "page": page, "label": f"{page} alone", "split": False,
        "reason": "it is the fastest", "fallback": "local", "best_cut": "", "predicted": predicted,
        "frontier": [], "candidates": [row], "link": link, "devices": [], "boundaries": [],
        "bound": {"lower_bound": latency, "method": "min-cut", "gap": 0.0},
        "changes": {"slowdown_flip": None, "slower_link": None, "faster_link": None},
    }  # fmt: skip


def test_explain_asks_for_the_active_plan_or_that_of_an_epoch(line: CommandLine) -> None:
    line.tell("plan", **document())
    assert "it is the fastest" in line.run("plan", "explain", "net").out.lower()
    line.run("plan", "explain", "net@3")
    assert line.calls == [ExplainPlan("net"), ExplainPlan("net", 3)]  # type: ignore[arg-type]


def test_explain_says_what_leaves_the_board_where_that_is_asked(line: CommandLine, tmp_path: Path) -> None:
    line.tell("plan", **document(), privacy={"unmeasured": "3 samples were pushed", "cuts": []})
    said = line.run("plan", "explain", "net", "--privacy")
    assert "not measured: 3 samples were pushed" in said.out
    assert "no proof of privacy" in said.out
    assert line.calls == [ExplainPlan("net", privacy=True)]  # type: ignore[arg-type]
    line.run("plan", "explain", "net", "--privacy", "--html", str(tmp_path / "net.html"))
    assert "no privacy proof" in (tmp_path / "net.html").read_text(encoding="utf-8")
    saved = tmp_path / "old.json"
    saved.write_text(json.dumps(document()))
    assert "name the model" in line.run("plan", "explain", str(saved), "--privacy").err


def test_explain_shouts_what_is_stale(line: CommandLine) -> None:
    line.tell("plan", **document(), stale=[{"device": "pi", "why": "threads 2, now 4"}])
    assert "STALE: pi is not as it was measured (threads 2, now 4)" in line.run("plan", "explain", "net").out


def test_explain_writes_one_page(line: CommandLine, tmp_path: Path) -> None:
    line.tell("plan", **document())
    said = line.run("plan", "explain", "net", "--html", str(tmp_path / "net.html"))
    assert (said.code, said.out) == (0, f"wrote {tmp_path / 'net.html'}\n")
    assert (tmp_path / "net.html").read_text().lower().startswith("<!doctype html>")
    said = line.run("plan", "explain", "net", "--html", str(tmp_path / "no" / "net.html"))
    assert said.code == 6
    assert "cannot write" in said.err


def test_diff_takes_files_and_names(line: CommandLine, tmp_path: Path) -> None:
    line.tell("plan", **document("cloud-raw", 0.05))
    saved = tmp_path / "old.json"
    saved.write_text(json.dumps(document()))
    said = line.run("plan", "diff", str(saved), "net", "--format", "json")
    assert said.code == 0, said.err
    assert said.document["schema"] == "lepton-edge/plan-diff/1"
    assert [said.document["page"][when]["page"] for when in ("before", "after")] == ["local", "cloud-raw"]
    assert not said.document["same"]
    same = line.run("plan", "diff", str(saved), str(saved), "--format", "json")
    assert same.document["same"]
    assert "cloud-raw" in line.run("plan", "diff", str(saved), "net").out


@pytest.mark.parametrize("text", ["{}", "[]", "nonsense", '{"schema": "lepton-edge/status/1"}'])
def test_a_file_without_a_plan_is_refused(line: CommandLine, tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.json").write_text(text)
    said = line.run("plan", "diff", str(tmp_path / "odd.json"), "net")
    assert (said.code, line.calls) == (6, [])


@pytest.mark.parametrize(
    "changes",
    [
        {"predicted": None},
        {"candidates": [5]},
        {"candidates": "x"},
        {"link": {"up": "fast"}},
        {"changes": {"slowdown_flip": "x", "slower_link": None, "faster_link": None}},
    ],
    ids=str,
)
def test_a_file_with_half_a_plan_is_refused(
    line: CommandLine, tmp_path: Path, changes: dict[str, Any]
) -> None:
    saved, whole = tmp_path / "half.json", tmp_path / "whole.json"
    saved.write_text(json.dumps({**document(), **changes}))
    whole.write_text(json.dumps(document()))
    for words in (("explain", str(saved)), ("diff", str(whole), str(saved))):
        said = line.run("plan", *words)
        if said.code:
            assert said.code == 6
            assert "half.json is not whole" in said.err
    assert line.run("plan", "explain", str(saved)).code == 6


def test_brackets_in_a_saved_plan_are_shown_and_no_markup(line: CommandLine, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    saved.write_text(json.dumps({**document(), "objective": {"name": "[/red]"}, "reason": "[/red] it is so"}))
    said = line.run("plan", "explain", str(saved))
    assert said.code == 0, said.err
    assert "[/red] it is so" in said.out


def test_a_page_of_half_a_plan_is_not_written(line: CommandLine, tmp_path: Path) -> None:
    saved, page = tmp_path / "half.json", tmp_path / "half.html"
    saved.write_text('{"schema": "lepton-edge/plan/1"}')
    said = line.run("plan", "explain", str(saved), "--html", str(page))
    assert (said.code, page.exists()) == (6, False)


@pytest.mark.parametrize("named", ["net@0", "net@x", "net@" + "9" * 30])
def test_what_is_no_epoch_is_taken_for_a_name(line: CommandLine, named: str) -> None:
    line.tell("plan", **document())
    line.run("plan", "explain", named)
    assert line.calls == [ExplainPlan(named)]  # type: ignore[arg-type]


def test_a_plan_is_found_within_a_deployment_that_was_saved(line: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "done.json").write_text(
        json.dumps({"schema": "lepton-edge/deployment/1", "plan": document()})
    )
    (tmp_path / "plan.json").write_text(json.dumps({**document(), "plan": {"method": "min-cut"}}))
    assert read_plan(str(tmp_path / "plan.json"), None)["page"] == "local"
    assert line.run("plan", "explain", str(tmp_path / "done.json")).code == 0


def test_pin_and_unpin_ask_for_a_split_a_page_or_the_best(line: CommandLine) -> None:
    line.tell("deployment", model="net", epoch=2, page="own", plan={})
    assert "active: epoch 2, page 'own'" in line.run("plan", "pin", "net", "--behind", "pool").out
    line.run("plan", "pin", "net", "--page", "local", "--dry-run")
    line.run("plan", "unpin", "net")
    assert line.calls == [
        PinPlan("net", "pool"),  # type: ignore[arg-type]
        PinPlan("net", "", "local", True),  # type: ignore[arg-type]
        PinPlan("net"),  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize("words", [(), ("--behind", "pool", "--page", "local")])
def test_a_pin_names_one_split(line: CommandLine, words: tuple[str, ...]) -> None:
    said = line.run("plan", "pin", "net", *words)
    assert (said.code, line.calls) == (2, [])
    assert "--behind" in said.err


def test_what_if_asks_and_shows_the_difference(line: CommandLine) -> None:
    line.tell("what-if", model="net", plan=document("cloud-raw", 0.05, 4e6), active=document())
    words = ("--link", "8,25", "--device", "board*2", "--objective", "throughput")
    said = line.run("plan", "what-if", "net", *words)
    assert said.code == 0, said.err
    assert "nothing was changed" in said.out
    change = LinkChange(1e6, 1e6, 0.025)
    wanted = WhatIf("net", change, (DeviceSpeed("board", 2.0),), Wishes(throughput=1.0))  # type: ignore[arg-type]
    assert line.calls == [wanted]
    told = line.run("plan", "what-if", "net", "--format", "json").document
    assert told["difference"]["page"]["after"]["page"] == "cloud-raw"


@pytest.mark.parametrize(
    ("words", "keep"),
    [((), None), (("--keep-input-on-board",), True), (("--no-keep-input-on-board",), False)],
)
def test_what_if_takes_what_stays_on_the_board(
    line: CommandLine, words: tuple[str, ...], keep: bool | None
) -> None:
    line.tell("what-if", model="net", plan=document(), active=None)
    stays = ("--keep-output-on-board", "--stay", "a", "--stay", "b", "--first-layers", "2")
    assert line.run("plan", "what-if", "net", *words, *stays).code == 0
    wishes = Wishes(keep_output=True, stay=("a", "b"), first_layers=2)  # type: ignore[arg-type]
    assert line.calls == [WhatIf("net", None, (), wishes, keep)]  # type: ignore[arg-type]


def test_what_if_without_an_active_plan_has_nothing_to_compare_with(line: CommandLine) -> None:
    line.tell("what-if", model="net", plan=document(), active=None)
    assert "difference" not in line.run("plan", "what-if", "net", "--format", "json").document
    assert line.run("plan", "what-if", "net").code == 0


def test_a_dry_removal_says_what_it_would_end(line: CommandLine) -> None:
    line.tell("model", model="net", removed=False, epoch=3, devices=["pi", "server"])
    assert (
        "would remove net and end epoch 3 on pi, server"
        in line.run("model", "remove", "net", "--dry-run").out
    )
    assert line.calls == [RemoveModel("net", True)]  # type: ignore[arg-type]

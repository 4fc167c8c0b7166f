"""A person and the planner: wishes, the own split, what if, two plans compared, and what cannot be."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import lepton_edge
from tests.journeys.conftest import House
from tests.journeys.models import small_model

pytestmark = [
    pytest.mark.journey,
    pytest.mark.measured(board=("board", "--simulate-slow", "4"), cloud=("cloud",)),
]

NO_PLAN = 10  # exit statuses, docs/cli.md
NOT_FOUND = 7


@pytest.fixture(scope="module")
def two(lasting: House) -> House:
    """A board, a cloud and a model that is deployed on both, as a person would do it."""
    lasting.start_coordinator()
    lasting.start_agent("board", "board", "--simulate-slow", "4", "--watts", "5", "--radio-watts", "1")
    lasting.start_agent("cloud", "cloud", "--watts", "60")
    onnx.save(small_model(), str(lasting.directory / "small.onnx"))
    lasting.command("model", "push", "small", str(lasting.directory / "small.onnx"))
    lasting.json("deploy", "small")
    return lasting


def epoch(house: House) -> int:
    found: int = house.json("model", "show", "small")["epoch"]
    return found


def test_throughput_energy_and_limits_are_planned_for_and_kept_for_the_next_plan(two: House) -> None:
    told = two.json("deploy", "small", "--objective", "throughput", "--max-loss", "0")
    assert told["plan"]["objective"]
    assert told["epoch"] == epoch(two)
    dry = two.json("plan", "unpin", "small", "--dry-run")
    assert dry["epoch"] == 0
    assert dry["plan"]["objective"] == told["plan"]["objective"], "wishes stay with the epoch"
    energy = two.json("deploy", "small", "--objective", "energy", "--dry-run")
    assert energy["plan"]["objective"] != told["plan"]["objective"]


def test_the_own_split_is_costed_runs_right_and_is_given_up_again(two: House) -> None:
    x = np.random.default_rng(2).standard_normal((1, 3, 32, 32)).astype(np.float32)
    expected = onnxruntime.InferenceSession(str(two.directory / "small.onnx")).run(None, {"x": x})[0]
    before = epoch(two)
    dry = two.json("plan", "pin", "small", "--behind", "first/Relu", "--dry-run")
    assert dry["plan"]["page"] == "own"
    assert epoch(two) == before
    told = two.json("plan", "pin", "small", "--behind", "first/Relu")
    assert (told["page"], told["epoch"]) == ("own", before + 1)
    with lepton_edge.Client(two.coordinator) as client:
        result = client.infer("small", {"x": x})
    np.testing.assert_allclose(result["y"], expected, rtol=1e-2, atol=1e-2)
    assert [hop.device for hop in result.hops][-2:] == ["board", "cloud"]
    freed = two.json("plan", "unpin", "small")
    assert freed["page"] != "own"
    diff = two.json("plan", "diff", f"small@{told['epoch']}", "small")
    assert diff["page"]["before"]["page"] == "own"
    assert "own" in two.command("plan", "diff", f"small@{told['epoch']}", "small")
    wrong = two.command("plan", "pin", "small", "--behind", "first/Rellu", status=NO_PLAN)
    assert "near: first/Conv" in wrong


def test_an_operator_that_the_board_lacks_runs_in_the_cloud_and_is_never_sent_to_the_board(
    two: House,
) -> None:
    x = np.random.default_rng(3).standard_normal((1, 3, 32, 32)).astype(np.float32)
    expected = onnxruntime.InferenceSession(str(two.directory / "small.onnx")).run(None, {"x": x})[0]
    told = two.json("deploy", "small", "--keep-input-on-board", "--lacks", "board=Gemm")
    local = next(row for row in told["plan"]["candidates"] if row["page"] == "local")
    assert (told["plan"]["split"], local["in_book"]) == (True, False)
    assert local["why_not"].startswith("the board lacks an operator of")
    assert told["plan"]["fallback"] == ""
    with lepton_edge.Client(two.coordinator) as client:
        result = client.infer("small", {"x": x})
    np.testing.assert_allclose(result["y"], expected, rtol=1e-2, atol=1e-2)
    wrong = two.command("deploy", "small", "--lacks", "board=Gem", "--dry-run", status=NO_PLAN)
    assert "near: Gemm" in wrong
    assert two.json("deploy", "small")["plan"]["fallback"] == "local", (
        "a new deployment begins with no wishes"
    )


def test_what_if_supposes_and_changes_nothing(two: House) -> None:
    before = two.json("plan", "explain", "small")
    told = two.json("plan", "what-if", "small", "--link", "0.05,200", "--device", "board*8")
    assert told["plan"]["link"]["measured"] is False
    assert told["plan"]["page"] == "local", "so slow a link is no help"
    assert told["difference"]["schema"] == "lepton-edge/plan-diff/1"
    boards = [one for one in told["plan"]["devices"] if one["role"] == "board"]
    measured = [one for one in before["devices"] if one["role"] == "board"]
    assert boards[0]["whole"] == pytest.approx(measured[0]["whole"] / 8)
    assert two.json("plan", "explain", "small")["epoch"] == before["epoch"]
    assert "nothing was changed" in two.command("plan", "what-if", "small", "--link", "5.85,25")
    kept = two.json("plan", "what-if", "small", "--keep-input-on-board", "--keep-output-on-board")["plan"]
    assert kept["wishes"]["keep_input"]
    assert kept["wishes"]["keep_output"]
    assert kept["page"] == "local"
    assert "gateway" in two.command("plan", "what-if", "small", "--device", "gateway*2", status=NOT_FOUND)


def test_the_page_opens_offline_and_a_saved_plan_compares(two: House, tmp_path: Path) -> None:
    page, saved = tmp_path / "small.html", tmp_path / "small.json"
    assert "wrote" in two.command("plan", "explain", "small", "--html", str(page))
    text = page.read_text(encoding="utf-8")
    assert text.lower().startswith("<!doctype html>")
    assert "second/Conv" in text
    saved.write_text(json.dumps(two.json("plan", "explain", "small")))
    assert two.json("plan", "diff", str(saved), "small")["same"]


def test_wishes_that_cannot_be_met_say_which_and_by_how_much(two: House) -> None:
    active = epoch(two)
    blamed = two.command("deploy", "small", "--max-latency", "0.001", status=NO_PLAN)
    assert "latency" in blamed
    memory = two.command("deploy", "small", "--memory", "board=1kB", "--memory", "cloud=1kB", status=NO_PLAN)
    assert "memory is to blame" in memory
    assert "needs" in memory
    assert two.command("deploy", "small", "--device", "board=gone", status=NOT_FOUND)
    assert epoch(two) == active, "what was active stays so"


def test_a_profile_is_remembered_measured_again_on_demand_and_shows_its_age(two: House) -> None:
    assert ", measured " in two.command("profile", "show", "small", "--no-measure")
    (board, _) = two.json("profile", "show", "small", "--no-measure")["devices"]
    assert board["age"] > 0
    again = two.json("profile", "show", "small", "--refresh")["devices"][0]
    assert again["age"] < board["age"] + 5
    assert again["profile"]["whole"] != board["profile"]["whole"]
    removal = two.command("model", "remove", "small", "--dry-run")
    assert "would remove small and end epoch" in removal
    assert epoch(two) > 0


def test_what_requests_take_is_shown_beside_what_was_predicted(two: House) -> None:
    told = two.json("deploy", "small")
    x = np.zeros((1, 3, 32, 32), np.float32)
    with lepton_edge.Client(two.coordinator) as client:
        for _ in range(5):
            client.infer("small", {"x": x})
        end = time.monotonic() + 10
        seen = None
        while seen is None and time.monotonic() < end:
            time.sleep(0.2)
            seen = client.explain("small")["measured"]
    assert seen is not None, "no telemetry told it"
    assert 0 < seen < 20 * told["plan"]["predicted"]["latency"] + 1
    assert "measured" in two.command("plan", "explain", "small")


def test_a_restart_forgets_no_profile_and_no_wish(two: House) -> None:
    told = two.json("deploy", "small", "--first-layers", "1")
    address = two.coordinator
    two.kill("coordinator")
    assert two.start_coordinator(int(address.rpartition(":")[2])) == address
    end = time.monotonic() + 20
    while not all(one["connected"] for one in two.json("device", "list")["devices"]):
        assert time.monotonic() < end, "the agents did not come back"
        time.sleep(0.2)
    again = two.json("plan", "unpin", "small")
    assert again["epoch"] == told["epoch"] + 1
    measured = [
        [(one["device"], one["whole"]) for one in plan["devices"]] for plan in (told["plan"], again["plan"])
    ]
    assert measured[0] == measured[1], "nothing was measured again"
    assert two.json("plan", "diff", f"small@{told['epoch']}", "small")["versions"]["before"]


def test_a_device_that_was_never_measured_is_estimated_on_demand_and_marked(two: House) -> None:
    two.start_agent("spare", "board", "--simulate-slow", "2")
    words = ("deploy", "small", "--dry-run", "--device", "board=spare")
    told = two.json(*words, "--no-measure")
    assert told["plan"]["estimated"] == ["spare"]
    (spare,) = [one for one in told["plan"]["devices"] if one["role"] == "board"]
    assert spare["estimated_from"] == "board"
    assert "ESTIMATED" in two.command(*words, "--no-measure")
    assert [one["device"] for one in two.json("profile", "show", "small", "--no-measure")["devices"]] == [
        "board",
        "cloud",
    ], "an estimate is no profile"
    two.end("spare")
    gone = two.command(*words, status=NOT_FOUND)
    assert "no board called 'spare' is connected" in gone

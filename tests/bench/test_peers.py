"""Ours is judged against each peer by its own goal; who was not there is not judged."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.peers import LINK, NoPeer, Turns, rows

LISTENER = """
import json, sys
print(json.dumps({"ready": "a peer 1.0"}), flush=True)
for line in sys.stdin:
    print(json.dumps({"wall": [json.loads(line)["size"] / 1e6]}), flush=True)
"""


def _judged(**milliseconds: float) -> dict[str, tuple[float, bool | None]]:
    wall = {name.replace("_", " "): [one / 1e3] * 3 for name, one in milliseconds.items()}
    wall[LINK] = [0.5e-3]
    found = rows("150 kB", {name.replace("MLServer", "MLServer, gRPC"): one for name, one in wall.items()})
    return {row.what: (row.value, row.met) for row in found}


def test_a_server_has_to_be_slower_than_ours() -> None:
    assert _judged(ours=2.0, MLServer=5.0)["150 kB: MLServer, gRPC / ours"] == (2.5, True)
    assert _judged(ours=2.0, MLServer=1.9)["150 kB: MLServer, gRPC / ours"] == (0.95, False)


def test_a_transport_may_be_faster_by_so_much() -> None:
    assert _judged(ours=2.4, torch_rpc=2.0)["150 kB: ours / torch rpc"] == (1.2, True)
    assert _judged(ours=2.6, torch_gloo=1.0)["150 kB: ours / torch gloo"] == (2.6, False)


def test_who_was_not_measured_is_not_judged() -> None:
    assert not any(" / " in what for what in _judged(ours=1.0))


def test_an_asking_process_does_jobs_until_it_is_stopped(tmp_path: Path) -> None:
    turns = Turns([sys.executable, "-c", LISTENER], tmp_path / "log")
    try:
        assert turns.ready() == "a peer 1.0"
        assert turns.ask(size=150_000) == {"wall": [0.15]}
    finally:
        turns.stop()


def test_one_that_ends_says_why_in_the_last_line_of_its_log(tmp_path: Path) -> None:
    turns = Turns([sys.executable, "-c", "raise SystemExit('no such library')"], tmp_path / "log")
    try:
        with pytest.raises(NoPeer, match="no such library"):
            turns.ready()
    finally:
        turns.stop()

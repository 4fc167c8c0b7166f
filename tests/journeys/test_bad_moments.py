"""Bad moments: a board that hangs, a disk that is full. What went before is served again when they are over."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import lepton_edge
from lepton_edge import errors
from tests.journeys.conftest import refused, until

pytestmark = [pytest.mark.journey, pytest.mark.measured]

SHAPE = (1, 3, 32, 32)


def test_a_client_returns_to_the_board_that_hung(house: Any, small: Path) -> None:
    """The cloud that answers meanwhile does not hold the model: that error must not outlive the hang."""
    house.start_coordinator()
    house.start_agent("board", "board")
    x = {"x": np.zeros(SHAPE, np.float32)}
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", small)
        client.deploy("small")
        house.start_agent("cloud", "cloud")
        client.infer("small", x)
        board = house.processes["board"].pid
        os.kill(board, signal.SIGSTOP)
        try:
            with pytest.raises(errors.DeadlineExceeded):
                client.infer("small", x, deadline=0.5)
            with pytest.raises((errors.Unavailable, errors.UnknownModel)):  # as the coordinator knows it
                client.infer("small", x)
        finally:
            os.kill(board, signal.SIGCONT)

        def answered() -> bool:
            try:
                return bool(client.infer("small", x).page == "local")
            except (errors.Unavailable, errors.UnknownModel):
                return False

        until(answered)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_a_full_disk_of_the_coordinator_or_the_board(house: Any, small: Path, tmp_path: Path) -> None:
    """A limit on the size of a file is met like the end of a disk: by an error of the write."""
    big = tmp_path / "big.onnx"
    onnx.save(_big(), str(big))
    house.start_coordinator()
    house.start_agent("board", "board")
    x = {"x": np.zeros(SHAPE, np.float32)}
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", small)
        client.deploy("small")
        with limited(house.processes["coordinator"].pid, 1 << 20):
            refused(errors.StorageFull, lambda: client.push("big", big), "space")
            assert {one["model"] for one in client.models()["models"]} == {"small"}
            assert client.infer("small", x).page == "local"
        client.push("big", big)
        with limited(house.processes["board"].pid, 1 << 20):
            refused(errors.StorageFull, lambda: client.deploy("big"))
            assert client.infer("small", x).page == "local"
        assert client.deploy("big")["devices"] == ["board"]


@contextlib.contextmanager
def limited(pid: int, size: int) -> Iterator[None]:
    """Let a process write no file beyond `size` bytes meanwhile."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def _big() -> onnx.ModelProto:
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 1000]) for name in "xy"]
    weight = numpy_helper.from_array(np.ones((1000, 1000), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [weight]
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])

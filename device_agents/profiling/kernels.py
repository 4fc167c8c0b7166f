"""Kernel times of one graph by onnxruntime's own profiler.

Law: a session of its own, opened for this and closed after it; files in a temporary folder that is gone
afterwards. Times here are only good as shares: profiling costs time itself.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from device_agents.engine.runtime import Runtime, session_options
from device_agents.engine.sessions import open_with
from device_agents.profiling.graph_nodes import GraphNode, graph_nodes
from lepton_edge.core.results import Array
from partitioner.errors import LeptonError
from partitioner.units import TensorName

KERNEL = "_kernel_time"
OPTIMISED = "optimised.onnx"
TAILS = 20  # one in so many runs is left out at either end


class KernelTimer:
    """A profiling session over a graph; `run` as often as there is time, then `finish`."""

    def __init__(self, graph: bytes, runtime: Runtime, weights: Path | None, folder: Path) -> None:
        self._optimised = folder / OPTIMISED
        self._session = _open(graph, runtime, weights, folder)
        self._outputs = [one.name for one in self._session.get_outputs()]

    def run(self, feed: Mapping[TensorName, Array]) -> None:
        """Run once."""
        self._session.run(self._outputs, feed)

    def finish(self) -> tuple[dict[str, float], list[GraphNode]]:
        """Return seconds by kernel (a run's, the first left out), and the optimised graph's nodes."""
        file = Path(self._session.end_profiling())
        events: list[dict[str, Any]] = json.loads(file.read_text())
        nodes = graph_nodes(self._optimised.read_bytes()) if self._optimised.exists() else []
        return seconds_by_kernel(events), nodes


@contextlib.contextmanager
def kernel_timer(graph: bytes, runtime: Runtime, weights: Path | None) -> Iterator[KernelTimer]:
    """Open a KernelTimer in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="lepton-profile-", ignore_cleanup_errors=True) as folder:
        yield KernelTimer(graph, runtime, weights, Path(folder))


def seconds_by_kernel(events: list[dict[str, Any]]) -> dict[str, float]:
    """Return the usual seconds of each kernel from the profiler's events, its first (cold) run left out.

    Kernels inside of a control-flow node's body are part of that node's time and are not counted again.
    """
    runs: dict[str, list[float]] = {}
    for name, seconds in _outermost(events):
        runs.setdefault(name, []).append(seconds)
    return {name: usual(times[1:] or times) for name, times in runs.items()}


def usual(times: Sequence[float]) -> float:
    """Return the mean of `times` without the shortest and the longest twentieth.

    A median would be wrong on a device that is slow in bursts (a quota, a processor that is too hot): a short
    kernel then mostly runs at full speed, a long one never does.
    """
    ordered = sorted(times)
    cut = len(ordered) // TAILS
    return float(np.mean(ordered[cut : len(ordered) - cut]))


def _outermost(events: list[dict[str, Any]]) -> Iterator[tuple[str, float]]:
    kernels = [one for one in events if one.get("cat") == "Node" and str(one.get("name")).endswith(KERNEL)]
    kernels.sort(key=lambda one: (one["ts"], -one["dur"]))
    ends: dict[int, int] = {}
    for one in kernels:
        begin, end = one["ts"], one["ts"] + one["dur"]
        if end <= ends.get(one["tid"], -1) and begin < ends[one["tid"]]:
            continue
        ends[one["tid"]] = end
        yield str(one["name"]).removesuffix(KERNEL), one["dur"] / 1e6


def _open(graph: bytes, runtime: Runtime, weights: Path | None, folder: Path) -> onnxruntime.InferenceSession:
    try:
        return open_with(graph, _options(runtime, weights, folder, optimised=True), runtime)
    except LeptonError:  # the optimised graph does not fit a file; names alone will do
        return open_with(graph, _options(runtime, weights, folder, optimised=False), runtime)


def _options(
    runtime: Runtime, weights: Path | None, folder: Path, optimised: bool
) -> onnxruntime.SessionOptions:
    options = session_options(runtime, weights)
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "kernels")
    if optimised:
        options.optimized_model_filepath = str(folder / OPTIMISED)
    return options

"""How fast a candidate is beside the original, on this machine.

Law: times two models in turns, in a process of its own, so that neither the search's own threads nor its memory are in
the figures, and both models meet the same minutes of the machine. It judges nothing. Devices elsewhere are measured by
whoever calls the room (`Measure`); this file knows none.

Run as a program, this file is that process: it reads one JSON object on standard input and writes one.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from lepton_edge.compress import disk
from lepton_edge.compress.errors import CompressionFailed
from lepton_edge.compress.recipe import Compared, Timing
from lepton_edge.core.results import Array
from partitioner.nouns_json import from_json, to_json
from partitioner.onnx_io import runtime
from partitioner.units import Bytes, DeviceId, Seconds

_START = """\
import runpy, sys
sys.path[:] = [one for one in sys.path if one] + sys.argv[1:]
runpy.run_module("lepton_edge.compress.measure", run_name="__main__")
"""
"""Without the working directory on the path: a random.py or numpy.py that lies there is not ours to run."""

Measure = Callable[[Path, Path], Sequence[Compared]]
"""Told the ONNX files of a candidate and of the original; returns both times for each device."""

HERE = DeviceId("this machine")
WARM, LEAST_ROUNDS, MOST_ROUNDS = 2, 5, 200
PATIENCE = 600.0
"""Seconds after which the measuring process is given up."""


@dataclass(frozen=True)
class LocalMeasure:
    """Measures on this machine; keeps `Measure`.

    Attributes:
        feeds: inputs to time with, a few samples in turns.
        threads: of each model; 1 compares most steadily.
        seconds: how long to go on with the rounds, where more than LEAST_ROUNDS fit.
    """

    feeds: Sequence[Mapping[str, Array]]
    threads: int = 1
    seconds: Seconds = Seconds(3.0)

    def __call__(self, candidate: Path, original: Path) -> Sequence[Compared]:
        """Return both times.

        Raises:
            CompressionFailed: the process failed or did not end.
            StorageFull: there is no space for the inputs.
        """
        with tempfile.TemporaryDirectory(prefix="lepton-measure-") as folder:
            feeds = Path(folder) / "feeds.npz"
            with disk.told(feeds):
                _write(feeds, self.feeds)
            asked = {"candidate": str(candidate), "original": str(original), "feeds": str(feeds)}
            return (_ask({**asked, "threads": self.threads, "seconds": self.seconds}),)


def _write(path: Path, feeds: Sequence[Mapping[str, Array]]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for index, one in enumerate(feeds):
            for name, array in one.items():
                with archive.open(f"{index}:{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)


def _ask(asked: Mapping[str, Any]) -> Compared:
    command = [sys.executable, "-c", _START, str(Path(__file__).parents[2])]
    try:
        done = subprocess.run(
            command, input=json.dumps(asked), capture_output=True, text=True, timeout=PATIENCE, check=True
        )
        return from_json(Compared, json.loads(done.stdout))
    except subprocess.TimeoutExpired as error:
        raise CompressionFailed(
            f"measuring took over {PATIENCE:.0f} s", "try a smaller model or input"
        ) from error
    except subprocess.CalledProcessError as error:
        lines = str(error.stderr).strip().splitlines()
        raise CompressionFailed(f"could not be measured: {lines[-1] if lines else error}") from error
    except ValueError as error:
        raise CompressionFailed(f"the measuring process said no time: {error}") from error


def compare(asked: Mapping[str, Any]) -> Compared:
    """Time the two models that `asked` names, in turns, in this process."""
    feeds = _read(Path(str(asked["feeds"])))
    original, first = _open(str(asked["original"]), int(asked["threads"]))
    candidate, second = _open(str(asked["candidate"]), int(asked["threads"]))
    times: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + float(asked["seconds"])
    for turn in range(-WARM, MOST_ROUNDS):
        if turn >= LEAST_ROUNDS and time.perf_counter() > end:
            break
        given = feeds[turn % len(feeds)]
        order = ((candidate, times[0]), (original, times[1]))
        for session, into in order if turn % 2 else order[::-1]:
            begin = time.perf_counter()
            session.run(None, given)
            if turn >= 0:
                into.append(time.perf_counter() - begin)
    return Compared(timing(times[0], memory=second), timing(times[1], memory=first))


def timing(times: Sequence[float], device: str = HERE, memory: int = 0) -> Timing:
    """Return median and half the distance of the quartiles of `times`, seconds."""
    quartiles = statistics.quantiles(times, n=4) if len(times) > 1 else [times[0]] * 3
    spread = Seconds((quartiles[2] - quartiles[0]) / 2)
    return Timing(DeviceId(device), Seconds(statistics.median(times)), spread, len(times), Bytes(memory))


def _open(path: str, threads: int) -> tuple[Any, int]:

    chosen = runtime.options(None, runtime.FULL)
    chosen.intra_op_num_threads = threads
    before = psutil.Process().memory_info().rss
    session = runtime.open_session(Path(path), chosen)
    return session, max(0, psutil.Process().memory_info().rss - before)


def _read(path: Path) -> list[dict[str, Array]]:
    with np.load(path, allow_pickle=False) as archive:
        feeds: dict[str, dict[str, Array]] = {}
        for key in archive.files:
            turn, _, name = key.partition(":")
            feeds.setdefault(turn, {})[name] = archive[key]
    return list(feeds.values())


if __name__ == "__main__":
    json.dump(to_json(compare(json.load(sys.stdin))), sys.stdout)

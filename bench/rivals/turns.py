"""How an asking process of a rival speaks with `bench.peers`: one JSON object a line, and nothing else on stdout.

Law: the standard library and numpy alone: this runs in each rival's own environment, next to its libraries.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

# Libraries print; what they print goes to stderr, and only our lines to what was stdout.
_LINES = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def serve_turns(ask: Callable[[Any], Any], *packages: str) -> None:
    """Say ready, then do the jobs of stdin: "size" bytes of float32 through `ask`, "count" times after "warm" more.

    What `ask` returns must be the array that it was given; the last one of each job is looked at.
    """
    _say({"ready": ", ".join(f"{name} {version(name)}" for name in packages)})
    for line in iter(sys.stdin.readline, ""):
        job = json.loads(line)
        array = np.random.default_rng(0).random((1, job["size"] // 4), np.float32)
        wall = []
        for number in range(job["warm"] + job["count"]):
            begun = time.perf_counter()
            came = ask(array)
            if number >= job["warm"]:
                wall.append(time.perf_counter() - begun)
        _say({"wall": wall, "same": bool(np.array_equal(np.asarray(came).reshape(-1), array.reshape(-1)))})


def _say(told: dict[str, Any]) -> None:
    _LINES.write(json.dumps(told) + "\n")


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(ready: Callable[[], bool], *not_yet: type[Exception], seconds: float = 90.0) -> None:
    """Wait until a server says that it is ready; what `not_yet` names means that it is not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(*not_yet):
            if ready():
                return
        time.sleep(0.3)
    raise TimeoutError(f"the server did not become ready within {seconds:.0f} s")

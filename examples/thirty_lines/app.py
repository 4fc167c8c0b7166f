"""The board side: the cloud if it answers in time, else int8 here. `Application` is the whole application.

    python -m examples.thirty_lines.app DIR [--server HOST:PORT] [--timeout S] [--simulate-slow K] PICTURE...

prints one JSON object per picture, with "error" instead of an answer where it is none. Law: the thirty
lines a good engineer would write, and a command line around them. `--simulate-slow K` makes local work
(decode, shrink, compute) take K times its time by sleeping; every answer carries K, because such a board
is simulated. The timeout is http.client's: per socket operation, as usual.
"""

from __future__ import annotations

import argparse
import http.client
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from examples.thirty_lines.picture import PictureError, preprocess, shrink

PAUSE_AFTER_FAILURE: Final = 1.0
MAX_REPLY: Final = 64 << 10


@dataclass(frozen=True)
class Settings:
    """Where the cloud is (None: board only), seconds to wait for it, factor of simulated slowness."""

    server: str | None = None
    timeout: float = 0.5
    simulate_slow: float = 1.0
    shrink: bool = False
    threads: int = 1


@dataclass(frozen=True)
class Answer:
    """What the picture shows, where that was found out, and how long it took in all."""

    index: int
    where: str
    milliseconds: float


class Application:
    """JPEG to the cloud with a timeout; int8 on the board when the cloud fails, is late, or there is none."""

    def __init__(self, model: Path, settings: Settings) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = settings.threads
        self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._settings = settings
        self._cloud = http.client.HTTPConnection(settings.server or "", timeout=settings.timeout)
        self._not_before = 0.0 if settings.server else float("inf")

    def __enter__(self) -> Application:
        return self

    def __exit__(self, *_: object) -> None:
        self._cloud.close()

    def classify(self, jpeg: bytes) -> Answer:
        """Return the most probable class of an encoded picture; PictureError if nobody can decode it."""
        started = time.perf_counter()
        index = self._ask_cloud(jpeg) if time.monotonic() >= self._not_before else None
        where = "board" if index is None else "cloud"
        if index is None:
            index = self._compute(jpeg)
        return Answer(index, where, (time.perf_counter() - started) * 1e3)

    def _ask_cloud(self, jpeg: bytes) -> int | None:
        picture = self._shrunk(jpeg)
        try:
            self._cloud.request("POST", "/classify", picture)
            reply = self._cloud.getresponse()
            content = json.loads(reply.read(MAX_REPLY))
            return int(content["index"]) if reply.status == http.HTTPStatus.OK else None
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            self._cloud.close()
            self._not_before = time.monotonic() + PAUSE_AFTER_FAILURE
            return None

    def _compute(self, jpeg: bytes) -> int:
        with _slowed(self._settings.simulate_slow):
            return int(np.argmax(self._session.run(None, {"input": preprocess(jpeg)})[0]))

    def _shrunk(self, jpeg: bytes) -> bytes:
        if not self._settings.shrink:
            return jpeg
        with _slowed(self._settings.simulate_slow):
            return shrink(jpeg)


@contextmanager
def _slowed(factor: float) -> Iterator[None]:
    # Processor time, not elapsed time: what other processes take away here is not the board's slowness.
    used = time.thread_time()
    yield
    time.sleep((factor - 1) * (time.thread_time() - used))


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Classify photographs: cloud if it answers in time, else here."
    )
    parser.add_argument("folder", type=Path, help="written by examples.demo.prepare, thirty_lines.quantize")
    parser.add_argument("pictures", type=Path, nargs="+", metavar="PICTURE")
    parser.add_argument("--server", metavar="HOST:PORT", help="without it the board answers alone")
    parser.add_argument("--local-only", action="store_true", help="never ask the server")
    parser.add_argument("--timeout", type=float, default=0.5, metavar="S", help="seconds (default 0.5)")
    parser.add_argument(
        "--simulate-slow", type=float, default=1.0, metavar="K", help="slow the board, K >= 1"
    )
    parser.add_argument("--shrink", action="store_true", help="send 224 x 224 pixels instead of the file")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="classify all pictures N times")
    options = parser.parse_args(arguments)
    if options.simulate_slow < 1 or options.timeout <= 0 or options.repeat < 1:
        parser.error("K must be at least 1, S above 0, N at least 1")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = _arguments(arguments)
    server = None if options.local_only else options.server
    settings = Settings(server, options.timeout, options.simulate_slow, options.shrink, options.threads)
    labels = (options.folder / "imagenet_labels.txt").read_text(encoding="utf-8").splitlines()
    with Application(options.folder / "mobilenetv2_int8.onnx", settings) as application:
        for path in options.pictures * options.repeat:
            line = {"picture": path.name, **_line(application, path, labels)}
            print(json.dumps({**line, "simulated_slow": options.simulate_slow}), flush=True)


def _line(application: Application, path: Path, labels: Sequence[str]) -> dict[str, object]:
    try:
        answer = application.classify(path.read_bytes())
    except (PictureError, OSError) as error:
        return {"error": str(error)}
    return {**asdict(answer), "name": labels[answer.index]}


if __name__ == "__main__":
    main()

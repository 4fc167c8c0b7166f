"""An application that asks all the time while something else happens, and checks every answer."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import onnxruntime

import lepton_edge

PACE = 0.02  # seconds between two requests of one thread
THREADS = 2


class Load:
    """Threads that ask `model` by `address`; every answer is compared with those that may be."""

    def __init__(self, address: str, files: list[Path], given: Path, model: str = "small") -> None:
        self.x = np.load(given)
        self.right = [onnxruntime.InferenceSession(str(one)).run(None, {"x": self.x})[0] for one in files]
        self.model, self.address = model, address
        self.answers: list[tuple[float, Any]] = []  # (when, result)
        self.versions: Counter[int] = Counter()  # by the place of the file that answers so
        self.wrong: list[str] = []
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask) for _ in range(THREADS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self) -> None:
        with lepton_edge.Client(self.address) as client:
            while not self._over.wait(PACE):
                self._one(client)

    def _one(self, client: lepton_edge.Client) -> None:
        try:
            result = client.infer(self.model, {"x": self.x}, deadline=20)
        except lepton_edge.LeptonError as error:
            self.wrong.append(f"{type(error).__name__}: {error}")
            return
        places = [
            place for place, y in enumerate(self.right) if np.allclose(result["y"], y, rtol=1e-4, atol=1e-5)
        ]
        with self._lock:
            self.answers.append((time.monotonic(), result))
            self.versions[places[0] if places else -1] += 1

    def settle(self, more: int = 20) -> None:
        """Wait until so many more answers came."""
        end, goal = time.monotonic() + 30, len(self.answers) + more
        while len(self.answers) < goal and time.monotonic() < end:
            time.sleep(0.02)

    def check(self) -> None:
        """Assert that nobody got an error or a wrong answer."""
        assert self.wrong == []
        assert self.versions[-1] == 0, "an answer was wrong"
        assert len(self.answers) > 50

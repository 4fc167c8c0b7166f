"""One run of a model that may never end.

Law: a graph may hold a loop without a bound, and the engine gives nothing back before it ends, not even Ctrl-C. So each
run has a thread of its own, and a time after which the engine is told to stop between two nodes. Judges nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import onnxruntime as ort

from lepton_edge.compress.failing import CODE_ERRORS
from lepton_edge.core.results import Array
from partitioner.errors import InvalidModel, ModelError
from partitioner.onnx_io import runtime

PATIENCE = 120.0
"""Seconds that one sample may take: what takes longer is nothing to be run thousands of times."""

GRACE = 5.0
"""Seconds for the engine to come to the end of the node that it is in."""

_RAISED: tuple[type[Exception], ...] = (ModelError, *CODE_ERRORS)


class _Run(threading.Thread):
    """One run; `found` or `refused` is there when it has ended."""

    def __init__(self, session: ort.InferenceSession, feeds: Mapping[str, Array]) -> None:
        super().__init__(name="compress-run", daemon=True)  # what cannot be stopped keeps no process alive
        self._session, self._feeds = session, feeds
        self.how = ort.RunOptions()
        self.found: dict[str, Any] = {}
        self.refused: Exception | None = None
        self.ended = threading.Event()  # a join that Ctrl-C ends takes the thread for ended (CPython 3.11)

    def run(self) -> None:
        try:
            self.found = runtime.run(self._session, self._feeds, how=self.how)
        except _RAISED as error:
            self.refused = error
        finally:
            self.ended.set()

    def stop(self) -> None:
        self.how.terminate = True
        self.ended.wait(GRACE)


def run(session: ort.InferenceSession, feeds: Mapping[str, Array]) -> dict[str, Any]:
    """Return the outputs of `session` by name.

    Raises:
        InvalidModel: the engine fails on `feeds`, or has not ended within PATIENCE.
    """
    one = _Run(session, feeds)
    one.start()
    try:
        in_time = one.ended.wait(PATIENCE)
    finally:
        if not one.ended.is_set():  # of a loop, or of Ctrl-C
            one.stop()
    if not in_time:
        hint = "export the model with a bound for each of its loops"
        raise InvalidModel(f"the model gave no answer within {PATIENCE:g} s", hint)
    if one.refused is not None:
        raise one.refused
    return one.found

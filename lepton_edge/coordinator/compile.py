"""The worker process: compiles, cuts and plans, so that the coordinator's heartbeats never wait for it.

Law: run as `python -m lepton_edge.coordinator.compile`; never imported by the coordinator itself, which so
stays free of onnx, onnxruntime and scipy. One JSON object a line: a job comes in, any number of {"progress"}
and one {"result"} or {"error"} go out. It ends when its standard input does, in the middle of a job too.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from lepton_edge.coordinator import planning, trials
from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.jobs import KINDS, Compiled, PlanJob, PrivacyJob, PushJob, TrialJob
from lepton_edge.coordinator.pushing import push
from lepton_edge.core.custom_ops import custom_ops
from lepton_edge.core.errors import ServiceError, StorageFull
from partitioner.errors import LeptonError
from partitioner.nouns_json import from_json, to_json
from partitioner.onnx_io import load_compiled
from partitioner.onnx_io.runtime import allow
from partitioner.profile.privacy import privacy
from partitioner.units import TensorName

NICENESS = 5  # the coordinator, and agents on the same machine, go first

Json = dict[str, Any]
Emit = Callable[[Json], None]


def main() -> None:
    """Serve jobs from standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the coordinator, which then ends us
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICENESS)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not fall into the conversation
    sys.excepthook = functools.partial(_last_words, out)
    custom = custom_ops(sys.argv[1:])
    allow(custom.domains, custom.libraries)
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    while True:
        answer = serve(json.loads(jobs.get()), lambda told: _write(out, told))
        _write(out, answer)


def _listen(jobs: queue.SimpleQueue[str]) -> None:
    """Take jobs in; when the coordinator is gone, go too, whatever is being done."""
    for line in sys.stdin:
        jobs.put(line)
    os._exit(0)


def _write(out: TextIO, said: Json) -> None:
    try:
        out.write(json.dumps(said, separators=(",", ":")) + "\n")
        out.flush()
    except BrokenPipeError:  # the coordinator was killed, and nobody waits for the answer
        os._exit(0)


def serve(asked: Json, emit: Emit) -> Json:
    """Do one job and return its result or its typed error."""
    try:
        return {"result": _do(asked, emit)}
    except LeptonError as error:
        return _error(error)
    except OSError as error:
        full = error.errno in (28, 122, 27)  # ENOSPC, EDQUOT, EFBIG
        kind = StorageFull if full else ServiceError
        return _error(kind(f"the coordinator's disk: {error}", "free some space" if full else "see its log"))
    except MemoryError:
        return _error(ServiceError("the coordinator ran out of memory", "push a smaller model"))


def _last_words(
    out: TextIO, kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Tell what this process dies of, so that its job does not go without an answer; the log has the rest."""
    sys.__excepthook__(kind, error, trace)
    told = f"the coordinator failed on this model: {kind.__name__}: {error}"[:1000]
    _write(out, {**_error(ServiceError(told, "see the coordinator's log, and report it")), "dying": True})


def _do(asked: Json, emit: Emit) -> Json:
    artifacts = Artifacts(Path(asked["state_directory"]))
    job = from_json(KINDS[asked["kind"]], asked["job"])

    def tell(stage: str, done: int, total: int, message: str = "") -> None:
        emit({"progress": {"stage": stage, "done": done, "total": total, "message": message}})

    if isinstance(job, PushJob):
        compiled: Compiled = push(job, artifacts, tell)
        return _json(compiled)
    if isinstance(job, TrialJob):
        return _json(trials.make_trial(job, artifacts))
    if isinstance(job, PrivacyJob):
        cuts = {page: [TensorName(one) for one in tensors] for page, tensors in job.cuts}
        return privacy(Path(job.directory), load_compiled(Path(job.directory)), cuts)
    if isinstance(job, PlanJob):
        book, document = planning.make_plan(job, artifacts, tell)
        return {"book": to_json(book) if book else None, "document": json.dumps(document)}
    raise ServiceError(f"there is no job called {asked['kind']!r}")


def _json(noun: Any) -> Json:
    made: Json = to_json(noun)
    return made


def _error(error: LeptonError) -> Json:
    told = {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "fault": error.fault,
        "retryable": error.retryable,
    }
    return {"error": told}


if __name__ == "__main__":
    main()

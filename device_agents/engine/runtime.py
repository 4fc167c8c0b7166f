"""The process-wide part of onnxruntime: one thread pool, one arena, the options of every session here.

Law: the only file that knows onnxruntime's global settings. It knows no block, no tensor and no plan.

Sessions share an arena, so that a book of five blocks costs about what the whole model costs. They share
threads when the process says that it belongs to the engine alone: onnxruntime makes the global pool once,
and from then on refuses every session of the process that asks for threads of its own, ours or not. An
agent's process says so; a test does not.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import onnxruntime
import psutil
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from lepton_edge.core.custom_ops import NONE, CustomOps
from lepton_edge.core.errors import InvalidInput

PROVIDERS = ["CPUExecutionProvider"]
WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
ERRORS_ONLY = 3
SAME_AS_REQUESTED = 1  # the arena grows by what is asked for, not by powers of two: boards are small

_lock = threading.Lock()
_shared_arena: list[bool] = []  # empty until this process has tried to make it
_claimed: list[bool] = []  # empty unless the process belongs to the engine alone
_pool_threads: list[int] = []  # empty until the pool was asked for; then its size, 0 for none


@dataclass(frozen=True)
class Runtime:
    """How sessions of this process run: `threads` each, of its one pool when `shared`, with `custom` operators."""

    threads: int
    shared: bool = False
    custom: CustomOps = NONE


def claim_process() -> None:
    """Say that this process belongs to the engine alone, so that every `start_runtime` shares one pool."""
    with _lock:
        _claimed.append(True)


def start_runtime(threads: int = 0, shared: bool = False, custom: CustomOps = NONE) -> Runtime:
    """Say how sessions run here; 0 threads means one a physical core.

    `shared` makes, once a process, a pool that every onnxruntime session of the process must use from then
    on. Raises InvalidInput where a library of `custom` is none that the engine takes.
    """
    _check_libraries(custom)
    wanted = threads or cores()
    with _lock:
        if not _shared_arena:
            _shared_arena.append(True)
            _register_arena()
        if (shared or _claimed) and not _pool_threads:
            _pool_threads.append(wanted if _create_pool(wanted) else 0)
        pool = _pool_threads[0] if _pool_threads else 0
    return Runtime(pool or wanted, pool > 0, custom)


def session_options(runtime: Runtime, weights: Path | None = None) -> onnxruntime.SessionOptions:
    """Return the options of a session; `weights` is the folder that holds its external data."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.use_env_allocators", "1")
    if runtime.shared:
        options.use_per_session_threads = False
    else:
        options.intra_op_num_threads = runtime.threads
        # waiting threads of one block's session must not spin while another block computes
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.inter_op_num_threads = 1
    if weights is not None:
        options.add_session_config_entry(WEIGHTS_FOLDER, str(weights.resolve()))
    for library in runtime.custom.libraries:
        options.register_custom_ops_library(str(library))
    return options


def cores() -> int:
    """Return the physical cores that this process may use."""
    physical = psutil.cpu_count(logical=False) or 1
    return min(physical, len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else physical


def _check_libraries(custom: CustomOps) -> None:
    try:
        for library in custom.libraries:
            onnxruntime.SessionOptions().register_custom_ops_library(str(library))
    except (Fail, RuntimeError) as error:
        raise InvalidInput(
            f"the engine takes no custom operators from {library}: {' '.join(str(error).split())[:200]}",
            f"is it a library for onnxruntime {onnxruntime.__version__} and this processor?",
        ) from error


def _create_pool(threads: int) -> bool:
    try:
        onnxruntime.set_global_thread_pool_sizes(threads, 1)
    except Fail:  # somebody else in this process made it
        return False
    return True


def _register_arena() -> None:
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    arena = onnxruntime.OrtArenaCfg(0, SAME_AS_REQUESTED, -1, -1)
    onnxruntime.create_and_register_allocator(memory, arena)

"""Sessions of the reference engine, for everything that must be asked by running or opening a graph.

Law: opens and runs; knows nothing of cuts. It is the one place in `onnx_io` that imports onnxruntime. All
sessions have one thread and a fixed level of optimisation, so that answers may be compared bit by bit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime as ort
from onnx import ModelProto
from onnxruntime.capi import onnxruntime_pybind11_state as state

from partitioner.compiled import READ_OPSET
from partitioner.errors import InvalidModel, ModelError, UnsupportedOperator

RUNTIME_ERRORS: tuple[type[Exception], ...] = (
    state.EPFail, state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf,
    state.ModelLoaded, state.NoModel, state.NoSuchFile, state.NotImplemented, state.RuntimeException,
)  # fmt: skip
_REGISTRATION_ERRORS: tuple[type[Exception], ...] = (*RUNTIME_ERRORS, RuntimeError)
OFF = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
BASIC = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
FULL = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
ERRORS_ONLY = 3

_WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
_UNSUPPORTED = (
    re.compile(r"Could not find an implementation for (?P<op>[\w.:]+)\("),
    re.compile(r"(?:Fatal error: )?(?P<op>[\w.:]+)\(-?\d+\) is not a registered function/op"),
    re.compile(r"No Op registered for (?P<op>[\w.:]+) with domain_version"),
    re.compile(r"No opset import for domain '?(?P<op>[\w.]+)'?"),
)

_TOO_NEW = re.compile(r"(?P<what>Opset) (?P<has>\d+) is under.* till opset (?P<most>\d+)", re.DOTALL)
_NEW_FORMAT = re.compile(r"model (?P<what>IR version): (?P<has>\d+), max supported IR version: (?P<most>\d+)")


_libraries: list[Path] = []
_domains: set[str] = set()


def allow(domains: Iterable[str], libraries: Sequence[Path]) -> None:
    """Have every session of this process take the operators of these domains from these libraries.

    Raises InvalidModel where the engine does not take one of them.
    """
    try:
        for library in libraries:
            ort.SessionOptions().register_custom_ops_library(str(library))
    except _REGISTRATION_ERRORS as error:
        raise InvalidModel(
            f"the engine takes no custom operators from {library}: {_short(str(error))}",
            f"is it a library for onnxruntime {ort.__version__} and this processor?",
        ) from error
    _libraries.extend(libraries)
    _domains.update(domains)


def allowed() -> frozenset[str]:
    """Return the domains whose custom operators this process runs."""
    return frozenset(_domains)


def options(folder: Path | None, level: ort.GraphOptimizationLevel) -> ort.SessionOptions:
    """Return session options for one thread, with external data taken from `folder`."""
    chosen = ort.SessionOptions()
    chosen.graph_optimization_level = level
    chosen.intra_op_num_threads = 1
    chosen.inter_op_num_threads = 1
    chosen.log_severity_level = ERRORS_ONLY + 1
    if folder is not None:
        chosen.add_session_config_entry(_WEIGHTS_FOLDER, str(folder))
    for library in _libraries:
        chosen.register_custom_ops_library(str(library))
    return chosen


def open_session(
    model: bytes | ModelProto | Path, chosen: ort.SessionOptions, disabled: Sequence[str] = ()
) -> ort.InferenceSession:
    """Open a session on the CPU, without the `disabled` optimisers.

    Raises UnsupportedOperator or InvalidModel saying what the engine refuses.
    """
    source = model.SerializeToString() if isinstance(model, ModelProto) else model
    source = str(source) if isinstance(source, Path) else source
    try:
        return ort.InferenceSession(
            source, chosen, providers=["CPUExecutionProvider"], disabled_optimizers=list(disabled)
        )
    except RUNTIME_ERRORS as error:
        raise refusal(str(error)) from error


def run(
    session: ort.InferenceSession,
    feeds: Mapping[str, Any],
    names: Sequence[str] | None = None,
    how: ort.RunOptions | None = None,
) -> dict[str, Any]:
    """Run `session` and return its outputs by name; raise InvalidModel when the engine fails on `feeds`."""
    wanted = [one.name for one in session.get_outputs()] if names is None else list(names)
    try:
        return dict(zip(wanted, session.run(wanted, dict(feeds), how), strict=True))
    except RUNTIME_ERRORS as error:
        raise InvalidModel(
            f"the model does not run: {_short(str(error))}", "run it in onnxruntime alone"
        ) from error


def refusal(message: str) -> ModelError:
    """Turn an engine's or a checker's refusal into the error that names the operator, where it is one."""
    for pattern in _UNSUPPORTED:
        if match := pattern.search(message):
            domain, _, operator = match["op"].rpartition(":")
            hint = "export the model with operators that onnxruntime implements on the CPU"
            return UnsupportedOperator(
                f"no engine here runs the operator {domain or 'ai.onnx'}/{operator}", hint
            )
    if (match := _TOO_NEW.search(message)) or (match := _NEW_FORMAT.search(message)):
        told = f"{match['has']}, and onnxruntime {ort.__version__} here reads {match['most']} at most"
        return InvalidModel(
            f"the model is too new: {match['what']} {told}", f"export it with opset {READ_OPSET}"
        )
    return InvalidModel(f"the model is refused: {_short(message)}", "check it with onnx.checker")


def _short(message: str) -> str:
    text = " ".join(message.split())
    return text if len(text) <= 400 else text[:397] + "..."

"""One block as an onnxruntime session: opened from bytes over a folder of weights, run on named arrays.

Law: turns onnxruntime's errors into ours, here and nowhere else. Knows no book, no page and no codec.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, cast

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as native

from device_agents.engine.domains import check_domains
from device_agents.engine.runtime import PROVIDERS, Runtime, session_options
from lepton_edge.core.errors import ComputeFailed, InvalidInput, PrepareFailed
from lepton_edge.core.results import Array
from partitioner.errors import InvalidModel, LeptonError, UnsupportedOperator
from partitioner.plan import Block
from partitioner.units import TensorName

# NotImplemented is what onnxruntime raises for an operator without a kernel; Fail covers unknown ones and
# much else.
OPEN_ERRORS = (
    native.Fail, native.InvalidArgument, native.InvalidGraph, native.InvalidProtobuf, native.NoSuchFile,
    native.NotImplemented, native.RuntimeException, native.NoModel, RuntimeError, MemoryError,
)  # fmt: skip
RUN_ERRORS = (native.Fail, native.RuntimeException, native.NotImplemented, native.EPFail, native.EngineError)
LONGEST_REASON = 300


class Runner(Protocol):
    """What runs one block."""

    def run(self, env: Mapping[TensorName, Array], run_options: object = None) -> dict[TensorName, Array]:
        """Compute the block's outputs from `env`, which holds at least its inputs."""
        ...


class BlockSession:
    """A block's graph, opened and ready."""

    def __init__(self, session: onnxruntime.InferenceSession, block: Block) -> None:
        self._native = session
        self._label = block.name or f"block {block.index}"
        self._inputs = tuple(spec.name for spec in block.inputs)
        self._outputs = tuple(spec.name for spec in block.outputs)

    def run(self, env: Mapping[TensorName, Array], run_options: object = None) -> dict[TensorName, Array]:
        """Compute the block's outputs.

        Raises:
            InvalidInput: an array has another dtype or shape than the block takes.
            ComputeFailed: the engine failed on valid input.
        """
        feed = {name: env[name] for name in self._inputs}
        try:
            made = self._native.run(list(self._outputs), feed, run_options)
        except (native.InvalidArgument, ValueError, TypeError) as error:
            raise InvalidInput(
                f"{self._label} does not take these tensors: {reason(error)}", "compare with `model show`"
            ) from error
        except RUN_ERRORS as error:
            raise ComputeFailed(f"{self._label} failed: {reason(error)}") from error
        except (RuntimeError, MemoryError) as error:
            raise ComputeFailed(f"{self._label} failed: {reason(error)}", "is memory exhausted?") from error
        return dict(zip(self._outputs, cast("list[Array]", made), strict=True))


def open_session(graph: bytes, runtime: Runtime, weights: Path | None = None) -> onnxruntime.InferenceSession:
    """Open a serialized ONNX graph whose external data, if any, lies in the folder `weights`.

    Raises:
        UnsupportedOperator: this engine has no kernel for an operator, or it is a custom one.
        InvalidModel: the bytes are no ONNX graph, or a broken one.
        PrepareFailed: anything else: weights missing, memory exhausted.
    """
    return open_with(graph, session_options(runtime, weights), runtime)


def open_with(
    graph: bytes, options: onnxruntime.SessionOptions, runtime: Runtime
) -> onnxruntime.InferenceSession:
    """Open a serialized ONNX graph with these very options; errors as `open_session`."""
    check_domains(graph, runtime.custom.domains)
    try:  # its fallback prints on stdout, and would open the same session again
        return onnxruntime.InferenceSession(graph, options, providers=PROVIDERS, enable_fallback=0)
    except OPEN_ERRORS as error:
        raise _open_error(error) from error


def open_block(block: Block, graph: bytes, runtime: Runtime, weights: Path | None) -> BlockSession:
    """Open one block; errors as `open_session`, and InvalidModel when the file lacks a declared tensor."""
    session = open_session(graph, runtime, weights)
    held = {one.name for one in (*session.get_inputs(), *session.get_outputs())}
    declared = {spec.name for spec in (*block.inputs, *block.outputs)}
    if not declared <= held:
        raise InvalidModel(f"the file of block {block.index} lacks {sorted(declared - held)}", "deploy again")
    return BlockSession(session, block)


def reason(error: BaseException) -> str:
    """Return onnxruntime's message in one line of bounded length."""
    return " ".join(str(error).split())[:LONGEST_REASON] or type(error).__name__


def _open_error(error: BaseException) -> LeptonError:
    text = reason(error)
    unknown_operator = "is not a registered function/op" in text or "No Op registered" in text
    if isinstance(error, native.NotImplemented) or unknown_operator:
        return UnsupportedOperator(
            f"this engine cannot run the block: {text}",
            "update onnxruntime on this device, or plan around it: deploy NAME --lacks ROLE=OPERATOR",
        )
    if isinstance(error, (native.InvalidGraph, native.InvalidProtobuf, native.NoModel)):
        return InvalidModel(f"the block is broken: {text}", "push the model again")
    return PrepareFailed(
        f"the block cannot be opened: {text}", "are its weights complete and is memory left?"
    )

"""From what an application gives to a REQUEST frame, and from the answering frame to a `Result`.

Law: no clock (times are handed in) and no network; the only I/O is reading a picture or array file that the
caller names. The client does not know the model: whether names, dtypes and shapes fit is for the entry to
say. Only what no model can take is refused here: text, objects, nothing at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from lepton_edge.core.errors import CorruptFrame, InvalidInput, from_code
from lepton_edge.core.frames import Frame, FrameKind, Hop, WireTensor
from lepton_edge.core.metadata import check_metadata
from lepton_edge.core.results import Array, Result
from lepton_edge.wire import tensors
from lepton_edge.wire.header import FrameLimits
from partitioner.codecs import ALL_DTYPES
from partitioner.errors import Fault, LeptonError
from partitioner.units import DeviceId, Epoch, ModelName, PageName, RequestId, TensorName

CLIENT = DeviceId("client")
WIRE = FrameLimits()
LONGEST_DEADLINE = 30 * 86_400.0
MAX_INPUT_FILE = 1 << 30
"""Bytes of the largest file that is read as an input."""

Input = Any
"""An array (or what numpy makes one of), an encoded picture's bytes, or the path of a picture or .npy."""


@dataclass(frozen=True)
class Wanted:
    """How a request shall be answered; every field has the meaning of the frame's field of the same name.

    `deadline` is seconds from now, None for none. `page` pins one page of the active book. `degraded`: an answer of a
    declared smaller model would do, where nobody can give a better one.
    """

    outputs: tuple[str, ...] = ()
    deadline: float | None = None
    page: str = ""
    priority: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    degraded: bool = True


@dataclass(frozen=True)
class Times:
    """Seconds on the client's clock: making the frame, waiting for the answer, reading the answer.

    `queue` is what passed before the frame was sent: waiting for a turn, and tries that failed.
    """

    encode: float
    round_trip: float
    decode: float
    queue: float = 0.0

    @property
    def total(self) -> float:
        """Seconds from call to answer."""
        return self.encode + self.queue + self.round_trip + self.decode


def request_frame(request: RequestId, model: str, inputs: Mapping[str, Input], wanted: Wanted) -> Frame:
    """Return the frame that asks for `model` on `inputs` (array, picture bytes or path by input name).

    Raises:
        InvalidInput: no input, or one that is not a tensor, a file that cannot be read, a name that is no
            text.
    """
    if not isinstance(inputs, Mapping) or not inputs:
        raise InvalidInput("no input was given", 'give a mapping such as {"input": array}')
    if len(inputs) > WIRE.tensors:
        raise InvalidInput(f"{len(inputs)} inputs were given", f"{WIRE.tensors} at most may travel")
    refuse_odd_texts(model, wanted.page, *inputs, *wanted.outputs)
    refuse_odd_texts(*wanted.metadata.keys(), *wanted.metadata.values())
    check_metadata(wanted.metadata)
    return Frame(
        kind=FrameKind.REQUEST,
        request_id=request,
        model=ModelName(model),
        page=PageName(wanted.page),
        priority=wanted.priority,
        remaining_ms=remaining_milliseconds(wanted.deadline),
        tensors=tuple(wire_input(name, value) for name, value in inputs.items()),
        outputs=tuple(TensorName(name) for name in wanted.outputs),
        metadata=dict(wanted.metadata),
        degraded=wanted.degraded,
    )


def refuse_odd_texts(*texts: object) -> None:
    """Refuse what the wire cannot carry as text before it reaches a link that others use as well.

    Raises:
        InvalidInput: one of `texts` is no string, no Unicode, or too long.
    """
    for text in texts:
        if not isinstance(text, str) or not _encodes(text):
            raise InvalidInput(f"{text!r} is no text", "names, pages and metadata are strings")
        if len(text) > WIRE.name_length:
            raise InvalidInput(
                f"a text of {len(text)} characters; {WIRE.name_length} at most may travel", "send less"
            )


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def remaining_milliseconds(deadline: float | None) -> int:
    """Return the wire's form of `deadline` seconds: whole milliseconds from 1 to a month, and 0 for none."""
    return 0 if deadline is None else max(1, int(min(deadline, LONGEST_DEADLINE) * 1e3))


def aged(frame: Frame, spent: float) -> Frame:
    """Return `frame` with `spent` seconds taken off what is left of its deadline."""
    if not frame.remaining_ms:
        return frame
    return replace(frame, remaining_ms=max(1, frame.remaining_ms - int(spent * 1e3)))


def wire_input(name: str, value: Input) -> WireTensor:
    """Return `value` as it travels; an encoded picture is uint8 [bytes] under the input's own name.

    Raises:
        InvalidInput: what no model can take.
    """
    if isinstance(value, PathLike):
        value = _read_file(name, Path(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = np.frombuffer(value, np.uint8)
    array = _array(name, value)
    if (
        tensors.dtype_name(array.dtype) == "bfloat16"
    ):  # numpy has it only by an add-on; on the wire it is two bytes
        return tensors.pack(TensorName(name), array.view(np.uint16), dtype="bfloat16")
    return tensors.pack(TensorName(name), array)


def _read_file(name: str, path: Path) -> Array | bytes:
    try:
        if path.stat().st_size > MAX_INPUT_FILE:
            raise InvalidInput(
                f"input {name!r}: {path} is above {MAX_INPUT_FILE} bytes", "give a smaller file"
            )
        if path.suffix == ".npy":
            loaded: Array = np.load(path, allow_pickle=False)
            return loaded
        return path.read_bytes()
    except (OSError, ValueError, EOFError) as error:
        raise InvalidInput(f"input {name!r}: cannot read {path}: {error}", "check the file") from error


def _array(name: str, value: Any) -> Array:
    if isinstance(value, str):
        raise InvalidInput(f"input {name!r} is text", "give an array, a picture's bytes, or a pathlib.Path")
    try:
        array = np.asarray(value)
    except ValueError as error:  # ragged lists
        raise InvalidInput(f"input {name!r} is no array: {error}", "give rows of equal length") from error
    if array.ndim > WIRE.rank:
        raise InvalidInput(f"input {name!r} has {array.ndim} dimensions", f"{WIRE.rank} at most may travel")
    if tensors.dtype_name(array.dtype) not in ALL_DTYPES:
        raise InvalidInput(f"input {name!r} has dtype {array.dtype}", "convert it to the model's dtype")
    return array


def result_of(frame: Frame, arrays: dict[str, Array], times: Times) -> Result:
    """Return the `Result` that the REPLY `frame`, whose tensors are `arrays`, stands for."""
    return Result(
        request_id=frame.request_id,
        model=frame.model,
        epoch=frame.epoch,
        page=frame.page,
        outputs=arrays,
        labels=frame.labels,
        hops=(client_hop(frame, times), *frame.hops),
        latency=times.total,
        degraded=frame.degraded,
        reason=frame.reason,
        metadata=dict(frame.metadata),
    )


def failed_result(model: str, metadata: Mapping[str, str], index: int, error: LeptonError) -> Result:
    """Return what stands in a stream for the input at `index`, which ended with `error`."""
    nowhere = RequestId(""), ModelName(model), Epoch(0), PageName("")
    return Result(*nowhere, {}, metadata=dict(metadata), index=index, error=error)


def error_in(frame: Frame) -> LeptonError | None:
    """Return the typed error that an ERROR frame carries, CorruptFrame for what is no answer, None for a REPLY."""
    if frame.kind is FrameKind.REPLY:
        return None
    if frame.kind is not FrameKind.ERROR or frame.error is None:
        return CorruptFrame(f"a {frame.kind.name} frame came where an answer was due", "update both sides")
    told = frame.error
    place = f"{told.device}: " if told.device not in told.message else ""
    error = from_code(told.code, place + told.message, told.hint, fault(told.fault), told.retryable)
    error.retry_after, error.elsewhere = told.retry_after_ms / 1e3, told.elsewhere
    return error


def fault(name: str) -> Fault:
    """Return `name` where it is a fault we know, else "service" (a newer peer may know more)."""
    return cast("Fault", name) if name in get_args(Fault) else "service"


def outputs_of(frame: Frame) -> dict[str, Array]:
    """Return the arrays that `frame` carries, by name."""
    return {tensor.name: tensors.unpack(tensor) for tensor in frame.tensors}


def client_hop(frame: Frame, times: Times) -> Hop:
    """Return the client's own hop: network is the round trip less all that the entry reports."""
    inside = max((hop.total for hop in frame.hops), default=0.0)
    return Hop(
        device=CLIENT,
        first_block=0,
        last_block=0,
        queue=times.queue,
        decode=times.decode,
        encode=times.encode,
        network=max(0.0, times.round_trip - inside),
        bytes_in=_payload(frame.tensors),
        total=times.total,
    )


def _payload(carried: Sequence[WireTensor]) -> int:
    return sum(memoryview(tensor.payload).nbytes for tensor in carried)

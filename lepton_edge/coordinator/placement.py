"""Which devices a model runs on, and which blocks each must hold.

Law: pure functions over devices and books; they decide nothing about time and say nothing to anybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lepton_edge.coordinator.records import Hold
from lepton_edge.coordinator.state import Device
from lepton_edge.core.custom_ops import STANDARD
from lepton_edge.core.errors import NotFound, RequestError
from lepton_edge.core.messages import Deploy
from partitioner.compiled import READ_OPSET
from partitioner.errors import ModelTooLarge, UnsupportedOperator
from partitioner.plan import LOCAL_PAGE, Page, PlanBook
from partitioner.units import Bytes, DeviceId

EVERY = DeviceId("*")
"""Among the replicas that are asked for: every cloud beside the first."""
NEWER_ENGINE = (1, 24)
"""The first onnxruntime that reads more than READ_OPSET."""
_ENGINE = re.compile(r"onnxruntime (\d+)\.(\d+)")
HEADROOM = 1.2
"""A device needs this many times the weights of what it holds: activations need room too."""


def choose(connected: list[Device], request: Deploy) -> tuple[Device | None, Device | None]:
    """Return the board and the cloud for a deployment: the named ones, else the only one of each role.

    Raises NotFound when a named device is not connected or nobody is, RequestError when a choice is
    ambiguous.
    """
    board = _one(connected, "board", request.board)
    first = [
        device for device in connected if device.name not in request.replicas or device.name == request.cloud
    ]
    cloud = _one(first, "cloud", request.cloud, any_will_do=EVERY in request.replicas)
    if board is None and cloud is None:
        raise NotFound(
            "no agent is connected, so there is nothing to deploy on",
            "on a device: lepton-edge agent join HOST:PORT --token LE1..., then lepton-edge agent start",
        )
    return board, cloud


def replicas(connected: list[Device], request: Deploy, cloud: Device | None) -> list[Device]:
    """Return the clouds that shall hold what `cloud` holds: the named ones in that order, or every other one.

    Raises NotFound when a named one is not connected.
    """
    if cloud is None or not request.replicas:
        return []
    others = {device.name: device for device in connected if device.hello.role == "cloud" and device != cloud}
    if EVERY in request.replicas:
        return list(others.values())
    named = dict.fromkeys(name for name in request.replicas if name != cloud.name)
    missing = [name for name in named if name not in others]
    if missing:
        there = ", ".join(others) or "none"
        raise NotFound(
            f"no cloud called {missing[0]!r} is connected (beside {cloud.name}: {there})",
            "see: lepton-edge device list",
        )
    return [others[name] for name in named]


def _one(connected: list[Device], role: str, wanted: DeviceId, any_will_do: bool = False) -> Device | None:
    there = [device for device in connected if device.hello.role == role]
    names = ", ".join(device.name for device in there) or "none"
    if wanted:
        for device in there:
            if device.name == wanted:
                return device
        raise NotFound(
            f"no {role} called {wanted!r} is connected (connected: {names})", "see: lepton-edge device list"
        )
    if len(there) > 1 and not any_will_do:
        all_of_them = (
            "deploy on each: --all-boards" if role == "board" else "one for the others: --replicas all"
        )
        raise RequestError(
            f"there is more than one {role}: {names}",
            f"name one of them: --device {role}=NAME; or have {all_of_them}",
        )
    return there[0] if there else None


def memory_of(device: Device | None) -> Bytes:
    """Return the bytes a device has for models; 0 when there is no device or it could not tell."""
    return device.hello.hardware.memory_available if device is not None else Bytes(0)


def fits(weights: Bytes, memory: Bytes) -> bool:
    """Return whether `weights` and headroom fit into `memory`; unknown memory (0) is trusted."""
    return memory <= 0 or weights * HEADROOM <= memory


def check_size(model: str, weights: Bytes, devices: list[Device]) -> None:
    """Raise ModelTooLarge when no device of `devices` could hold the whole model."""
    if not devices or any(fits(weights, memory_of(device)) for device in devices):
        return
    room = ", ".join(f"{device.name} has {_mebibytes(memory_of(device))}" for device in devices)
    raise ModelTooLarge(
        f"model {model!r} needs {_mebibytes(weights * HEADROOM)} of memory "
        f"({_mebibytes(weights)} of weights and 20 % headroom), but {room}",
        "give an agent more memory, or push a smaller variant of the model",
    )


def check_engine(model: str, opset: int, devices: list[Device]) -> None:
    """Raise UnsupportedOperator when the engine of one of `devices` is too old for the model's operators."""
    for device in devices:
        if is_too_old(device, opset):
            engine = device.hello.hardware.engine
            raise UnsupportedOperator(
                f"model {model!r} uses opset {opset}, and {device.name} has {engine}, which reads {READ_OPSET} at most",
                f"export the model with opset {READ_OPSET}, or give {device.name} a newer onnxruntime (Python 3.11)",
            )


def check_custom(model: str, operators: Iterable[str], devices: list[Device]) -> None:
    """Raise UnsupportedOperator where none of `devices` may load the library of one of the model's custom operators."""
    lacked = [set(foreign(device, operators)) for device in devices]
    for operator in sorted(set.intersection(*lacked)) if lacked else ():
        names = ", ".join(device.name for device in devices)
        raise UnsupportedOperator(
            f"model {model!r} uses the custom operator {operator}, and none of {names} has its library",
            "start an agent where that lies with --allow-custom-ops "
            f"{operator.rpartition('/')[0]}=LIBRARY, or export the model with standard operators",
        )


def foreign(device: Device | None, operators: Iterable[str]) -> tuple[str, ...]:
    """Return those of a model's operators ("DOMAIN/OPERATOR") whose library `device` was not allowed to load."""
    known = (*STANDARD, *(device.hello.custom_domains if device is not None else ()))
    return tuple(one for one in operators if device is not None and one.rpartition("/")[0] not in known)


def is_too_old(device: Device, opset: int) -> bool:
    """Return whether the engine that `device` told of is known not to read `opset`."""
    found = _ENGINE.match(device.hello.hardware.engine)
    return opset > READ_OPSET and found is not None and (int(found[1]), int(found[2])) < NEWER_ENGINE


def _mebibytes(size: float) -> str:
    return f"{size / 2**20:.1f} MiB"


def holds(
    book: PlanBook, board: Device | None, cloud: Device | None, room: Bytes | None = None
) -> tuple[Hold, ...]:
    """Return what each device must hold for every page of `book` to run; the board has `room`, or what it told.

    The board holds every block when their weights fit, else those before the last cut that a page makes; the
    cloud holds every block from the first cut that a page makes.
    """
    found = []
    if board is not None:
        found.append(Hold(board.name, _of_board(book, board, memory_of(board) if room is None else room)))
    if cloud is not None:
        found.append(Hold(cloud.name, _reach(book, cloud.name)))
    return tuple(hold for hold in found if hold.blocks)


def _of_board(book: PlanBook, board: Device, room: Bytes) -> tuple[int, ...]:
    whole = any(page.name == LOCAL_PAGE for page in book.pages)  # else nothing would ever run the rest there
    if whole and fits(block_weights(book.held_by(board.name), tuple(range(len(book.blocks)))), room):
        return tuple(range(len(book.blocks)))
    return _reach(book, board.name)


def _reach(book: PlanBook, device: DeviceId) -> tuple[int, ...]:
    """Return the blocks of the smallest range that covers every stage of `device`."""
    stages = [s for page in book.pages for s in page.stages if s.device == device and s.first < s.last]
    if not stages:
        return ()
    return tuple(range(min(s.first for s in stages), max(s.last for s in stages)))


def block_weights(book: PlanBook, blocks: tuple[int, ...]) -> Bytes:
    """Return the bytes of the distinct initializers that `blocks` read; a tied weight counts once."""
    lengths = {ref.sha256: ref.length for index in blocks for ref in book.blocks[index].weights}
    return Bytes(sum(lengths.values()))


def devices_of(page: Page) -> frozenset[DeviceId]:
    """Return the devices that a page needs."""
    return frozenset(stage.device for stage in page.stages)

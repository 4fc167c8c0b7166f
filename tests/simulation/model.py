"""A model that is arithmetic: four blocks that each mix a number, by version; tensors that tell what they are of.

Law: plain functions. A tensor is four int64: epoch, version, frontier, value. What is mixed up (an epoch's tensor in
another one, one version's in another's, a block twice or never) becomes a number that is no answer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from lepton_edge.coordinator.records import PlanOrder
from lepton_edge.core.frames import WireTensor
from partitioner.plan import (
    LOCAL_PAGE,
    Block,
    CodecChoice,
    Frontier,
    InputSpec,
    OutputSpec,
    Page,
    PlanBook,
    Prediction,
    Stage,
    TensorSpec,
    TurnRule,
    WeightRef,
)

MODEL = "net"
BLOCKS = 4
NAMES = ("x", "m1", "m2", "m3", "y")
POISON = -1
_PRIME = 1_000_003
BOARD = (0.002, 0.013, 0.013, 0.013)
CLOUD = (0.001, 0.002, 0.002, 0.002)
UP = (0.020, 0.006, 0.006, 0.006)
"""Seconds of each block on a board and in a cloud, and of each frontier on a link."""
SPECS = tuple(TensorSpec(name, "int64", (4,), 32) for name in NAMES)


def number(version: str) -> int:
    """Return the number of a version called "v3"."""
    return int(version[1:])


def mixed(value: int, block: int, version: int) -> int:
    """Return what a block makes of a value."""
    return (value * 31 + block * 977 + version * 131 + 7) % _PRIME


def right(value: int, version: int) -> int:
    """Return the whole model's answer."""
    for block in range(BLOCKS):
        value = mixed(value, block, version)
    return value


def tensor(frontier: int, epoch: int, version: int, value: int, codec: str = "raw") -> WireTensor:
    """Return a frontier's tensor as it travels."""
    payload = struct.pack("<4q", epoch, version, frontier, value)
    return WireTensor(NAMES[frontier], "int64", (4,), codec, payload)


def asked(value: int) -> WireTensor:
    """Return what a client gives."""
    return tensor(0, 0, 0, value)


def fields(carried: WireTensor) -> tuple[int, int, int, int]:
    """Return epoch, version, frontier and value of a tensor."""
    return struct.unpack("<4q", bytes(carried.payload))


def run(before: WireTensor, block: int, epoch: int, version: int) -> WireTensor:
    """Return the frontier after `block`; poison where what came is of anything else."""
    of_epoch, of_version, frontier, value = fields(before)
    own = frontier == block and (block == 0 or (of_epoch, of_version) == (epoch, version))
    return tensor(
        block + 1, epoch, version, mixed(value, block, version) if own and value != POISON else POISON
    )


def book(version: str, board: str, cloud: str, order: PlanOrder | None = None) -> PlanBook:
    """Return the book of a board and a cloud, or of one of them; `order` may name a page."""
    ends = [_page(LOCAL_PAGE, board or cloud, "", BLOCKS)]
    if board and cloud:
        ends += [
            _page("cloud-raw", board, cloud, 0),
            *(_page(f"cut-{at}", board, cloud, at) for at in (1, 2)),
        ]
    pinned = order.page if order is not None else ""
    best = min(ends, key=lambda page: page.prediction.latency).name
    turning = TurnRule(tuple(page.name for page in ends)) if len(ends) > 1 and not pinned else TurnRule()
    blocks = tuple(
        Block(at, "onnx", (SPECS[at],), (SPECS[at + 1],), f"{at}{version}".ljust(64, "0"), _weights(at))
        for at in range(BLOCKS)
    )
    frontiers = (*(Frontier((spec,)) for spec in SPECS[:-1]), Frontier(()))
    doors = (InputSpec(SPECS[0]),), (OutputSpec("y"),)
    return PlanBook(MODEL, version, blocks, frontiers, *doors, tuple(ends), pinned or best, turning=turning)


def _weights(at: int) -> tuple[WeightRef, ...]:
    return (WeightRef(f"w{at}", 4096 * at, 4096, f"{at}" * 64),)


def _page(name: str, near: str, far: str, cut: int) -> Page:
    board, cloud = sum(BOARD[:cut]), sum(CLOUD[cut:]) if far else 0.0
    up, down = (UP[cut], 0.005) if far else (0.0, 0.0)
    prediction = Prediction(
        board + cloud + up + down, board, cloud, up, down, 32 if far else 0, 32 if far else 0
    )
    stages = [Stage(near, 0, cut, (CodecChoice(NAMES[cut], "raw"),) if far else ())]
    if far:
        stages.append(Stage(far, cut, BLOCKS))
    return Page(name, tuple(stages), prediction, reason=f"{name} is quickest")


def seconds(role: str, blocks: Iterable[int]) -> float:
    """Return what blocks take on a device of a role."""
    return sum((BOARD if role == "board" else CLOUD)[at] for at in blocks)

"""What another plan would be worth: the one that runs and the new one, by the same figures.

Law: pure arithmetic over predictions. What runs is priced as it is now: its pages' seconds by how far each device has
drifted since they were planned, its transfers by the link as it is, its wait in the cloud by what others do there; and
the page that costs least counts, since that is the one that its entry turns to.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from lepton_edge.coordinator import judging, loads, reach
from lepton_edge.coordinator.adaptation import Haste, Promise
from lepton_edge.coordinator.events import PlanMade
from lepton_edge.coordinator.placement import block_weights, devices_of
from lepton_edge.coordinator.records import EpochRecord
from lepton_edge.coordinator.state import Deployment, State
from partitioner.costs import transfer_time
from partitioner.plan import Page, PlanBook, Prediction, TurnRule
from partitioner.units import Bytes, BytesPerSecond, DeviceId, Seconds

HORIZON = Seconds(600.0)  # within which a change must have paid
PREPARING = Seconds(5.0)  # of the devices' time that a change takes, bytes apart
IDLE = 0.5  # requests a second that are counted on where fewer are seen: what is deployed is meant for use


def promise(state: State, run: Deployment, record: EpochRecord, made: PlanMade, now: Seconds) -> Promise:
    """Return what a plan promises against `record`, which runs; it is read from its book, or its explanation."""
    after, price = _planned(made.book, json.loads(made.document or "{}"))
    before, value = standing(state, record, now)
    measured = judging.taken(state, record, now)
    if 0 < measured < before and run.haste is Haste.SUSTAINED:
        # It does better than is known why: so might the new one, but that is not promised.
        value, before = value * measured / before, measured
    return Promise(_finite(before), _finite(after), _gain(value, price), measured)


def _gain(value: float, price: float) -> float:
    """Return how much less a new plan costs, of what the one that runs costs."""
    if math.isinf(price):
        return 0.0
    if math.isinf(value):
        return 1.0
    return 1.0 - price / value if value > 0 else 0.0


def _finite(seconds: float) -> Seconds:
    return Seconds(0.0 if math.isinf(seconds) else seconds)


def _planned(book: PlanBook | None, told: Mapping[str, Any]) -> tuple[float, float]:
    """Return the seconds of a request by a new plan, and the value of what is minimised.

    `told` is its explanation ("lepton-edge/plan/1"). What tells nothing promises nothing.
    """
    if book is not None:
        price, latency = _priced(book.turning, book.page(book.active).prediction)
        return latency, price
    rows: Sequence[Mapping[str, Any]] = told.get("candidates", ())
    chosen = next((row for row in rows if row.get("chosen")), None)
    if chosen is None:
        return math.inf, math.inf
    latency = float(chosen["predicted"]["latency"])
    return latency, float(chosen.get("value", latency))


def standing(state: State, record: EpochRecord, now: Seconds) -> tuple[Seconds, float]:
    """Return the seconds of a request, and the value of what is minimised, by the best page of what runs, as it is now.

    Both are infinite where no page can run: a device that each of them needs is away.
    """
    book = record.book
    assert book is not None, "an active epoch has a book"
    rule = book.turning if len(book.turning.pages) > 1 else TurnRule((book.active,))
    pages = [book.page(name) for name in rule.pages if _is_there(state, book.page(name))]
    priced = [_priced(rule, _as_now(state, record, page, now)) for page in pages]
    least = min(priced, default=(math.inf, math.inf))
    return Seconds(least[1]), least[0]


def _is_there(state: State, page: Page) -> bool:
    there = {device.name for device in state.connected()}
    return devices_of(page) <= there


def _priced(rule: TurnRule, prediction: Prediction) -> tuple[float, float]:
    sent = prediction.bytes_up + prediction.bytes_down
    value = rule.latency * prediction.latency + rule.bottleneck * prediction.bottleneck
    return value + rule.energy * prediction.energy + rule.egress * sent, prediction.latency


def _as_now(state: State, record: EpochRecord, page: Page, now: Seconds) -> Prediction:
    """Return a page's prediction with what has changed since it was made."""
    then, cloud = page.prediction, record.cloud
    board = then.board * _drifted(state, record, record.board)
    waits = loads.of_others(state, cloud, record.model, record.board, now).wait if then.cloud else 0.0
    far = (then.cloud - then.wait) * _drifted(state, record, cloud) + waits
    up, down = _transfers(state, record, then)
    latency = board + far + up + down
    grown = latency / then.latency if then.latency > 0 else 1.0
    return dataclasses.replace(
        then,
        latency=Seconds(latency),
        board=Seconds(board),
        cloud=Seconds(far),
        uplink=Seconds(up),
        downlink=Seconds(down),
        bottleneck=Seconds(then.bottleneck * grown),
        energy=then.energy * grown,
    )


def _drifted(state: State, record: EpochRecord, device: DeviceId) -> float:
    """Return how many times the seconds a device takes that it was planned with."""
    profile = state.profiles.get((*record.runs_on(device), device))
    return profile.scale / record.scale_of(device) if profile is not None else 1.0


def _transfers(state: State, record: EpochRecord, then: Prediction) -> tuple[float, float]:
    """Return the seconds on the link, there and back, as it is now."""
    planned, now = record.link, reach.lately(state, record.board, record.cloud, record.link)
    if planned is None or now is None or not then.uplink + then.downlink:
        return then.uplink, then.downlink
    up = _ratio((now.up, now.delay_up), (planned.up, planned.delay_up), then.bytes_up)
    down = _ratio((now.down, now.delay_down), (planned.down, planned.delay_down), then.bytes_down)
    return then.uplink * up, then.downlink * down


def _ratio(
    now: tuple[BytesPerSecond, Seconds], planned: tuple[BytesPerSecond, Seconds], size: Bytes
) -> float:
    before = transfer_time(size, planned[0]) + planned[1]
    return (transfer_time(size, now[0]) + now[1]) / before if before > 0 else 1.0


# --- what it costs to get there ---------------------------------------------------------------------------


def is_worth_its_cost(
    state: State, run: Deployment, book: PlanBook | None, saved: float, now: Seconds
) -> bool:
    """Return whether what requests save within the horizon is more than what it takes to prepare a plan.

    Both are seconds: of requests that are answered sooner, and of devices that prepare (weights over the link).
    `book` is None while it is not cut: then only the preparing itself is counted.
    """
    record = state.active_epoch(*run.target)
    if record is None:
        return True
    rate = max(judging.rate(state, record, now), IDLE)
    moved = _to_move(record, book) if book is not None else 0
    link = reach.lately(state, record.board, record.cloud, record.link)
    moving = transfer_time(Bytes(moved), link.down) if link is not None else 0.0
    return saved * rate * HORIZON > PREPARING + moving


def _to_move(record: EpochRecord, book: PlanBook) -> int:
    """Return the bytes of weights that the board would have to fetch, at most."""
    if record.book is None:
        return 0
    holding, telling = (one.held_by(record.board) for one in (record.book, book))
    have = {ref.sha256 for index in record.blocks_of(record.board) for ref in holding.blocks[index].weights}
    wanted = {
        ref.sha256: ref.length
        for page in book.pages
        for stage in page.stages
        if stage.device == record.board
        for block in telling.blocks[stage.first : stage.last]
        for ref in block.weights
    }
    return sum(length for sha256, length in wanted.items() if sha256 not in have)


def held(record: EpochRecord, device: DeviceId) -> Bytes:
    """Return the bytes of weights that a device holds for an epoch."""
    return block_weights(record.book.held_by(device), record.blocks_of(device)) if record.book else Bytes(0)


def differs(record: EpochRecord, book: PlanBook) -> bool:
    """Return whether a book is more than the one that runs under another number."""
    if record.book is None:
        return True
    return _outline(record.book) != _outline(book)


def _outline(book: PlanBook) -> tuple[object, ...]:
    return (
        book.version,
        book.active,
        tuple((page.name, page.stages) for page in book.pages),
        book.blob,
        tuple((one.device, one.variant) for one in book.variants),
    )

"""A world whose worker plans by arithmetic: two blocks, three pages, seconds that follow from speeds, link and load."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.records import EpochRecord, PlanOrder
from lepton_edge.core import messages as m
from partitioner.costs import LinkProfile, transfer_time
from partitioner.plan import (
    LOCAL_PAGE,
    Block,
    Frontier,
    Page,
    PlanBook,
    Prediction,
    Stage,
    TensorSpec,
    TurnRule,
)
from partitioner.plan import WeightRef as Ref

BOARD, CLOUD = (0.04, 0.06), (0.002, 0.003)
SIZES = (150_000, 20_000)  # bytes of the frontier before each block
BACK = 4_000
MIB = 1 << 20
TELEMETRY = m.Telemetry(0.5, 4096 * MIB, 1 << 20, 40.0, 0, 9, 0, 1.0)


def seconds(
    cut: int, link: LinkProfile | None, speeds: dict[str, float], names: tuple[str, str]
) -> Prediction:
    """Return what a page that cuts before block `cut` takes; 2 is all on the board."""
    board = sum(BOARD[:cut]) / speeds.get(names[0], 1.0)
    cloud = sum(CLOUD[cut:]) / speeds.get(names[1], 1.0)
    if cut == len(BOARD) or link is None:
        return Prediction(board, board, 0.0, 0.0, 0.0, 0, 0)
    up = transfer_time(SIZES[cut], link.up) + link.delay_up
    down = transfer_time(BACK, link.down) + link.delay_down
    return Prediction(board + cloud + up + down, board, cloud, up, down, SIZES[cut], BACK)


def pages(order: PlanOrder) -> list[Page]:
    """Return every page that there is for an order, best first."""
    board = order.board or order.board_estimate
    cloud = order.cloud or order.cloud_estimate
    near, far = str(board.device if board else ""), str(cloud.device if cloud else "")
    speeds = {str(one.device): one.times for one in order.speeds}
    made = [Page(LOCAL_PAGE, (Stage(near or far, 0, 2),), seconds(2, None, speeds, (near or far, "")))]
    for cut in (0, 1) if near and far else ():
        stages = (Stage(near, 0, cut), Stage(far, cut, 2))
        made.append(Page(f"cut-{cut}", stages, seconds(cut, order.link, speeds, (near, far))))
    return sorted(made, key=lambda page: page.prediction.latency)


def book(order: PlanOrder, most: int = 3) -> PlanBook:
    """Return the book of an order; `most` pages, best first, the local one among them."""
    found = pages(order)[:most]
    found += [page for page in pages(order) if page.name == LOCAL_PAGE and page not in found]
    spec = TensorSpec("x", "float32", (1, 4), 16)
    refs = tuple(Ref(f"w{i}", 4 * MIB * i, 4 * MIB, f"{i}" * 64) for i in range(2))
    blocks = tuple(Block(i, "onnx", (spec,), (spec,), f"{i}" * 64, (refs[i],)) for i in range(2))
    frontiers = (Frontier((spec,)), Frontier((spec,)), Frontier(()))
    names = tuple(page.name for page in found)
    turning = TurnRule(names if len(names) > 1 and not order.page else ())
    active = order.page or found[0].name
    return PlanBook(
        order.model, order.version, blocks, frontiers, (), (), tuple(found), active, turning=turning
    )


def document(order: PlanOrder) -> str:
    """Return the explanation of an order's plan, as far as the coordinator reads it."""
    best = pages(order)[0]
    row = {"page": best.name, "chosen": True, "predicted": {"latency": best.prediction.latency}}
    return json.dumps({"page": best.name, "candidates": [row | {"value": best.prediction.latency}]})


class Planning:
    """What a world (`conftest.World`) is mixed with: such a worker, and words for what agents tell."""

    most = 3  # pages of a book

    def work_done(self) -> None:
        job = self.work[0]
        if isinstance(job, c.MakeTrial):
            super().work_done()
            return
        self.work.pop(0)
        self.ordered.append(job.order)
        made = None if job.order.explain_only else book(job.order, self.most)
        self.do(e.PlanMade(job.cause, job.job, made, document(job.order)))

    def pass_time(self, seconds: float, step: float = 0.5) -> None:
        """Let time pass; everybody is heard and answers meanwhile."""
        end = self.now + seconds
        while self.now < end:
            self.now += step
            for device in self.state.devices.values():
                if device.stream is not None:
                    device.heard = self.now
            self.do(e.Tick())
            self.run()

    def tell(self, name: str, **told: Any) -> list[c.Command]:
        said: list[c.Command] = self.hear(
            self.state.devices[name].stream, dataclasses.replace(TELEMETRY, **told)
        )
        return said

    @property
    def active(self) -> EpochRecord:
        found: EpochRecord = self.state.active_epoch("net", "board")
        return found

    def answer_requests(self, mean: float, count: int = 40, failed: int = 0) -> None:
        """The entry tells that so many requests more were answered on the active epoch, taking `mean`."""
        fare = self.state.fares.get(self.active.key)
        before = (fare.answered, fare.failed) if fare else (0, 0)
        report = m.EpochReport("net", self.active.epoch, before[0] + count, before[1] + failed, mean, mean)
        self.now += 1.5
        self.tell("board", epochs=(report,))

    def slow_down(self, name: str, times: float, page: str = "") -> None:
        """Let a device tell, twice, that its stage of the active page takes `times` what was predicted."""
        record = self.active
        wanted = record.book.page(page or record.book.active)
        stage = next(one for one in wanted.stages if one.device == name)
        role = self.state.devices[name].hello.role
        predicted = wanted.prediction.board if role == "board" else wanted.prediction.cloud
        for _ in range(2):
            key = (name, "net", record.epoch, wanted.name, stage.first, stage.last)
            watch = self.state.watches.get(key)
            count = (watch.report.count if watch else 0) + 25
            took = predicted * times
            report = m.StageReport(
                "net", record.epoch, wanted.name, stage.first, stage.last, count, took, took / 100, took
            )
            self.tell(name, stages=(report,))

    def kinds(self) -> list[tuple[str, str]]:
        return [(one.kind, one.verdict) for one in self.changes.values() if one.kind != "device"]


def planner(base: type[Any]) -> type[Any]:
    """Return the world `base` with such a worker."""
    return type("Planner", (Planning, base), {})


def replans(world: Any) -> list[Any]:
    """Return the changes that a world made by itself."""
    return [one for one in world.changes.values() if one.kind == "replan"]


def epochs(records: Sequence[EpochRecord], state: str) -> list[int]:
    """Return the numbers of the epochs in a state."""
    return [record.epoch for record in records if record.state == state]

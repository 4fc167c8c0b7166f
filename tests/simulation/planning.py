"""A coordinator of the simulation whose worker plans by what it is told: link and devices as they are now.

Law: the arithmetic of `model.py`, with delays and speeds put in; its explanation says what a replan is held against.
"""

from __future__ import annotations

import dataclasses
import json

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.records import PlanOrder
from lepton_edge.core.frames import Frame, FrameKind
from partitioner.plan import Page, PlanBook, TurnRule
from tests.simulation import model
from tests.simulation.agents import LINK
from tests.simulation.coordinator import Coordinator
from tests.simulation.world import World


class Planner(Coordinator):
    """Plans with what it is told; its books have `most` pages, the best ones, and the local one.

    `pace` is how many times the seconds of `model.BOARD` its boards take.
    """

    most = 4
    pace = 1.0

    def _worked(self, job: c.MakeTrial | c.MakePlan) -> None:
        if isinstance(job, c.MakeTrial) or job.job not in self.jobs:
            super()._worked(job)
            return
        self.jobs.discard(job.job)
        order = job.order
        board, cloud = order.board or order.board_estimate, order.cloud or order.cloud_estimate
        made = model.book(order.version, board.device if board else "", cloud.device if cloud else "", order)
        pages = sorted(
            (_told(page, order, self.pace) for page in made.pages), key=lambda page: page.prediction.latency
        )
        book = _with(made, pages, self.most, order)
        best = {
            "chosen": True,
            "page": pages[0].name,
            "predicted": {"latency": pages[0].prediction.latency},
        }
        document = json.dumps({"candidates": [best]})
        self.submit(e.PlanMade(job.cause, job.job, None if order.explain_only else book, document))


def _told(page: Page, order: PlanOrder, pace: float) -> Page:
    """Return a page with the seconds of devices as slow, and a link as far and as quick, as an order says."""
    then = page.prediction
    near, far = page.stages[0].device, page.stages[-1].device
    speeds = {one.device: one.times for one in order.speeds}
    board, cloud = pace * then.board / speeds.get(near, 1.0), then.cloud / speeds.get(far, 1.0)
    link = order.link or LINK
    up = _over(then.uplink, LINK.delay_up, link.delay_up, LINK.up / link.up)
    down = _over(then.downlink, LINK.delay_down, link.delay_down, LINK.down / link.down)
    seconds = dataclasses.replace(
        then, latency=board + cloud + up + down, board=board, cloud=cloud, uplink=up, downlink=down
    )
    return dataclasses.replace(page, prediction=seconds)


def _over(seconds: float, before: float, delay: float, slower: float) -> float:
    """Return the seconds that what took `seconds` with one delay takes with another one, so many times as slow."""
    return (seconds - before) * slower + delay if seconds else 0.0


def _with(made: PlanBook, pages: list[Page], most: int, order: PlanOrder) -> PlanBook:
    kept = pages[:most]
    kept += [page for page in pages if page.name == "local" and page not in kept]
    names = tuple(page.name for page in kept)
    turning = TurnRule(names) if len(names) > 1 and not order.page else TurnRule()
    return dataclasses.replace(made, pages=tuple(kept), active=order.page or kept[0].name, turning=turning)


def world(seed: int, most: int = 4) -> World:
    """Return a world of one board and one cloud with such a coordinator."""
    found = World(seed, boards=("b1",), clouds=("c1",))
    planner = Planner("coordinator", found.network)
    planner.most = most
    found.coordinator = found.ruling = planner
    found.network.cable(found.agents["b1"], found.agents["c1"]).cost = _cost
    return found


def street(seed: int, count: int, pace: float) -> World:
    """Return a world of many boards, each `pace` times as slow, that share a cloud, each by a link of its own."""
    boards = tuple(f"b{number:02}" for number in range(count))
    found = World(seed, boards=boards, clouds=("c1",))
    planner = Planner("coordinator", found.network)
    planner.most, planner.pace = 1, pace
    found.coordinator = found.ruling = planner
    for name in boards:
        found.agents[name].slow = pace
        found.network.cable(found.agents[name], found.agents["c1"]).cost = _cost
    return found


def _cost(message: object) -> float:
    """Return the seconds that a frame takes beside the link's delay, as `model.UP` has it: the input is large."""
    if not isinstance(message, Frame) or not message.tensors:
        return 0.0
    if message.kind is FrameKind.REQUEST:
        return model.UP[model.NAMES.index(message.tensors[0].name)] - LINK.delay_up
    return 0.005 - LINK.delay_down

"""What the planner is asked, in its own words: wishes to options, suppositions to other profiles.

Law: runs in the worker process; pure translation, and no cost but what `partitioner` works out.
"""

from __future__ import annotations

import dataclasses
import math

from lepton_edge.coordinator.records import CloudLoad, Estimate, PlanOrder
from lepton_edge.core.calls import LinkChange, Wishes
from partitioner.book import BookOptions
from partitioner.book.what_if import changed
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.errors import InvalidProblem
from partitioner.plan import Page
from partitioner.predict import estimated
from partitioner.solve.problem import LATENCY, Joules, Limits, Objective, Watts
from partitioner.units import BytesPerSecond, PageName, Seconds

NEVER_NEGATIVE = (
    *("latency", "throughput", "energy", "egress", "min_throughput", "first_layers"),
    *("board_watts", "cloud_watts", "radio_watts"),
)


def book_options(order: PlanOrder) -> BookOptions:
    """Return what is asked of the book: every wish of `order`.

    Raises:
        InvalidProblem: a wish that cannot be meant, or energy without anybody's watts.
    """
    wishes = order.wishes
    _refuse_nonsense(wishes)
    return BookOptions(
        order.keep_input_on_board,
        order.board_memory,
        order.cloud_memory,
        objective=objective(wishes),
        limits=limits(wishes),
        keep_output=wishes.keep_output,
        stay=wishes.stay,
        first_layers=wishes.first_layers,
        own_cut=wishes.own_cut,
        board_watts=Watts(wishes.board_watts),
        cloud_watts=Watts(wishes.cloud_watts),
        radio_watts=Watts(wishes.radio_watts),
        board_lacks=wishes.board_lacks,
        cloud_lacks=wishes.cloud_lacks,
        page=PageName(order.page),
    )


def _refuse_nonsense(wishes: Wishes) -> None:
    """Refuse what turns a cost into a gain, or limits nothing; the command line does so too, other clients may not."""
    for name in NEVER_NEGATIVE:
        if getattr(wishes, name) < 0:
            raise InvalidProblem(f"{name} cannot be {getattr(wishes, name):g}", "give 0 or more")
    if wishes.max_loss > 1:
        raise InvalidProblem(f"a loss of {wishes.max_loss:.0%} is no limit", "give 1.0 (all of it) at most")


def objective(wishes: Wishes) -> Objective:
    """Return what is minimised.

    Raises:
        InvalidProblem: energy is wished for, and nobody declared a device's watts.
    """
    wants_energy = wishes.energy or wishes.max_energy >= 0
    if wants_energy and not (wishes.board_watts or wishes.cloud_watts):
        raise InvalidProblem(
            "energy cannot be planned: nobody declared the watts of a device",
            "give --watts board=5, or start the agent with --watts",
        )
    if not wishes.weighted:
        return LATENCY
    return Objective(wishes.latency, wishes.throughput, wishes.energy, wishes.egress)


def limits(wishes: Wishes) -> Limits:
    """Return what a plan may cost at most."""
    busiest = 1.0 / wishes.min_throughput if wishes.min_throughput > 0 else math.inf
    return Limits(
        Seconds(_most(wishes.max_latency)),
        Seconds(busiest),
        Joules(_most(wishes.max_energy)),
        _most(wishes.max_egress),
        _most(wishes.max_loss),
    )


def _most(wished: float) -> float:
    return wished if wished >= 0 else math.inf


def as_supposed(order: PlanOrder) -> PlanOrder:
    """Return the order with profiles worked out where none was measured, and with what is supposed put in."""
    board = order.board or _estimated(order.board_estimate)
    cloud = order.cloud or _estimated(order.cloud_estimate)
    link, change = order.link, order.link_change
    if change is not None and link is None and board and cloud:
        link = _never_measured(change)
    board, cloud, link = changed(
        board,
        cloud,
        link,
        link_rate=(change.up, change.down) if change else None,
        link_delay=(change.delay, change.delay) if change and change.delay >= 0 else None,
        speed={one.device: one.times for one in order.speeds},
    )
    return dataclasses.replace(order, board=board, cloud=cloud, link=link)


def as_loaded(order: PlanOrder) -> PlanOrder:
    """Return the order with a cloud on which every request first waits for those of others.

    A fixed charge of a device that is used at all is what every solver counts exactly: the overhead of a request.
    """
    if order.cloud is None or order.load is None:
        return order
    overhead = Seconds(order.cloud.overhead + order.load.wait)
    return dataclasses.replace(order, cloud=dataclasses.replace(order.cloud, overhead=overhead))


def with_wait(page: Page, load: CloudLoad | None) -> Page:
    """Return a page whose prediction says how much of it is waiting for others' requests."""
    if load is None or not any(one.device == load.device and one.first < one.last for one in page.stages):
        return page
    return dataclasses.replace(page, prediction=dataclasses.replace(page.prediction, wait=load.wait))


def _never_measured(change: LinkChange) -> LinkProfile:
    """Return a link that only the person knows; a delay that is not given is none."""
    delay = Seconds(max(change.delay, 0.0))
    return LinkProfile(BytesPerSecond(change.up), BytesPerSecond(change.down), delay, delay, measured=False)


def _estimated(estimate: Estimate | None) -> DeviceProfile | None:
    if estimate is None:
        return None
    return estimated(estimate.sibling, estimate.probe_sibling, estimate.probe_device, estimate.device)


def guessed(order: PlanOrder) -> list[str]:
    """Return the devices whose profile is no measurement of them as they are now."""
    estimates = [one.device for one in (order.board_estimate, order.cloud_estimate) if one is not None]
    return [str(name) for name in (*estimates, *order.stale)]

"""Wishes in the planner's words, and profiles as they are supposed or estimated."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from lepton_edge.coordinator import options
from lepton_edge.coordinator.records import CloudLoad, Estimate, PlanOrder
from lepton_edge.core.calls import DeviceSpeed, LinkChange, Wishes
from partitioner.book import BookOptions
from partitioner.errors import InvalidProblem
from partitioner.solve.problem import LATENCY, NO_LIMITS, THROUGHPUT, Limits, Objective


@pytest.fixture
def order(make: Any) -> PlanOrder:
    return PlanOrder("net", "v1", make.profile("board"), make.profile("cloud"), make.link)  # type: ignore[arg-type]


def test_no_wishes_are_the_planners_defaults(order: PlanOrder) -> None:
    assert options.book_options(order) == BookOptions()


def test_every_wish_has_its_option(order: PlanOrder) -> None:
    wishes = Wishes(
        latency=1.0, throughput=2.0, energy=3.0, egress=4.0, min_throughput=5.0, max_latency=6.0, max_energy=7.0,
        max_egress=8.0, max_loss=0.0, keep_output=True, stay=("a",), first_layers=9, own_cut="pool",
        board_watts=10.0, cloud_watts=11.0, radio_watts=12.0, board_lacks=("A",), cloud_lacks=("B",),
    )  # type: ignore[arg-type]  # fmt: skip
    full = dataclasses.replace(
        order, wishes=wishes, keep_input_on_board=True, board_memory=13, cloud_memory=14
    )
    assert options.book_options(full) == BookOptions(
        keep_input=True,
        board_memory=13,  # type: ignore[arg-type]
        cloud_memory=14,  # type: ignore[arg-type]
        objective=Objective(1.0, 2.0, 3.0, 4.0),
        limits=Limits(6.0, 0.2, 7.0, 8.0, 0.0),  # type: ignore[arg-type]
        keep_output=True,
        stay=("a",),  # type: ignore[arg-type]
        first_layers=9,
        own_cut="pool",
        board_watts=10.0,  # type: ignore[arg-type]
        cloud_watts=11.0,  # type: ignore[arg-type]
        radio_watts=12.0,  # type: ignore[arg-type]
        board_lacks=("A",),
        cloud_lacks=("B",),
    )


def test_one_price_leaves_latency_out() -> None:
    assert options.objective(Wishes()) == LATENCY
    assert options.objective(Wishes(throughput=1.0)) == THROUGHPUT
    assert options.limits(Wishes()) == NO_LIMITS
    assert options.limits(Wishes(max_loss=0.0)).loss == 0.0
    assert math.isinf(options.limits(Wishes(max_loss=0.0)).egress)


@pytest.mark.parametrize("wishes", [Wishes(energy=1.0), Wishes(max_energy=2.0)])
def test_energy_needs_somebodys_watts(wishes: Wishes) -> None:
    with pytest.raises(InvalidProblem, match="nobody declared the watts") as told:
        options.objective(wishes)
    assert "--watts" in told.value.hint
    options.objective(dataclasses.replace(wishes, board_watts=5.0))


@pytest.mark.parametrize("wishes", [Wishes(latency=-1.0), Wishes(radio_watts=-1.0), Wishes(first_layers=-1)])
def test_what_would_turn_a_cost_into_a_gain_is_refused(order: PlanOrder, wishes: Wishes) -> None:
    with pytest.raises(InvalidProblem, match="cannot be -1"):
        options.book_options(dataclasses.replace(order, wishes=wishes))


def test_a_loss_above_all_is_no_limit(order: PlanOrder) -> None:
    with pytest.raises(InvalidProblem, match="a loss of 101% is no limit"):
        options.book_options(dataclasses.replace(order, wishes=Wishes(max_loss=1.01)))


def test_what_is_supposed_changes_the_profiles_and_marks_the_link_as_declared(order: PlanOrder) -> None:
    change = LinkChange(4e6, 2e6, 0.05)
    asked = dataclasses.replace(order, link_change=change, speeds=(DeviceSpeed("board", 2.0),))  # type: ignore[arg-type]
    found = options.as_supposed(asked)
    assert found.board
    assert found.cloud
    assert found.link
    assert (found.board.whole.median, found.cloud.whole.median) == (0.005, 0.01)
    assert (found.link.up, found.link.down, found.link.delay_up, found.link.delay_down) == (
        4e6,
        2e6,
        0.05,
        0.05,
    )
    assert not found.link.measured
    assert options.as_supposed(order) == order


def test_a_delay_that_is_not_given_stays_and_a_link_nobody_measured_may_be_declared(order: PlanOrder) -> None:
    kept = options.as_supposed(dataclasses.replace(order, link_change=LinkChange(4e6, 2e6)))
    assert kept.link is not None
    assert kept.link.delay_up == 0.002
    new = options.as_supposed(dataclasses.replace(order, link=None, link_change=LinkChange(4e6, 2e6, 0.01)))
    assert new.link is not None
    assert (new.link.up, new.link.delay_down, new.link.measured) == (4e6, 0.01, False)


def test_a_device_that_was_never_measured_is_estimated_and_named(order: PlanOrder, make: Any) -> None:
    estimate = Estimate("new", make.profile("board"), 0.01, 0.02)  # type: ignore[arg-type]
    asked = dataclasses.replace(order, board=None, board_estimate=estimate, stale=("cloud",))  # type: ignore[arg-type]
    found = options.as_supposed(asked)
    assert found.board is not None
    assert (found.board.device, found.board.estimated_from) == ("new", "board")
    assert found.board.whole.median == pytest.approx(0.02)
    assert options.guessed(found) == ["new", "cloud"]


def test_others_requests_are_a_fixed_charge_of_the_cloud(order: PlanOrder) -> None:
    load = CloudLoad("cloud", 0.4, 0.006)  # type: ignore[arg-type]
    loaded = options.as_loaded(dataclasses.replace(order, load=load))
    assert order.cloud is not None
    assert loaded.cloud == dataclasses.replace(order.cloud, overhead=order.cloud.overhead + 0.006)
    assert loaded.board == order.board
    assert options.as_loaded(order) is order


def test_pages_that_use_the_cloud_say_how_much_of_them_is_waiting(make: Any) -> None:
    load = CloudLoad("cloud", 0.4, 0.006)  # type: ignore[arg-type]
    waits = {page.name: options.with_wait(page, load).prediction.wait for page in make.book().pages}
    assert waits == {"local": 0.0, "cut-1": 0.006}
    assert {options.with_wait(page, None) for page in make.book().pages} == set(make.book().pages)

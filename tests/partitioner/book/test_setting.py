"""What was asked for, as a setting states it, and the books that come of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from partitioner.book import BookOptions, Draft, make_book
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.solve.problem import EGRESS, ENERGY, THROUGHPUT, Limits, Watts
from partitioner.units import Seconds, TensorName


@pytest.fixture
def book(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> Callable[..., Draft]:
    def made(**wishes: object) -> Draft:
        options = dataclasses.replace(BookOptions(), **wishes)  # type: ignore[arg-type]
        return make_book(compiled, board, cloud, lte, options)

    return made


def test_each_objective_takes_its_least_page(book: Callable[..., Draft]) -> None:
    watts = {"board_watts": Watts(4.0), "cloud_watts": Watts(60.0), "radio_watts": Watts(1.5)}
    for objective, field in ((THROUGHPUT, "bottleneck"), (ENERGY, "energy"), (EGRESS, "bytes_up")):
        draft = book(objective=objective, **watts)
        active = draft.page(draft.active).prediction
        assert draft.objective == objective
        for page in draft.pages:
            assert getattr(active, field) <= getattr(page.prediction, field) * (1 + 1e-9), page.name
        assert draft.plan is not None
        assert draft.plan.value == pytest.approx(draft.lower_bound, rel=1e-5)
    assert book(objective=EGRESS).active == "local"
    assert "requests a second" in book(objective=THROUGHPUT).reason


def test_energy_is_watts_times_busy_seconds(book: Callable[..., Draft]) -> None:
    draft = book(board_watts=Watts(4.0), cloud_watts=Watts(60.0), radio_watts=Watts(1.5))
    for page in draft.pages:
        one = page.prediction
        radio = 1.5 * (one.uplink + one.downlink - 0.025 * bool(one.uplink) - 0.025 * bool(one.downlink))
        assert one.energy == pytest.approx(4.0 * one.board + 60.0 * one.cloud + radio)
        assert one.bottleneck == pytest.approx(
            max(one.board, one.cloud, one.uplink - 0.025, one.downlink - 0.025)
        )


def test_a_floor_on_throughput_rules_pages_out_in_numbers(book: Callable[..., Draft]) -> None:
    assert book(objective=EGRESS).active == "local"
    draft = book(objective=EGRESS, limits=Limits(bottleneck=Seconds(1 / 10)))
    assert draft.page(draft.active).prediction.bottleneck <= 0.1
    local = next(one for one in draft.candidates if one.page.name == "local")
    assert (local.in_book, local.eligible) == (True, False)
    seconds = local.page.prediction.bottleneck
    assert local.why_not == f"it answers {1 / seconds:.2f} a second, and 10.00 a second are asked"
    with pytest.raises(NoFeasiblePlan, match="1000/s asked"):
        book(limits=Limits(bottleneck=Seconds(1 / 1000)))


def test_a_limit_on_the_latency(book: Callable[..., Draft]) -> None:
    draft = book(objective=EGRESS, limits=Limits(latency=Seconds(0.15)))
    assert draft.page(draft.active).prediction.latency <= 0.15
    assert draft.active == "cloud-encoded"
    with pytest.raises(NoFeasiblePlan, match="latency"):
        book(limits=Limits(latency=Seconds(0.01)))


def test_what_is_to_stay_stays(book: Callable[..., Draft], compiled: CompiledModel) -> None:
    draft = book(stay=(TensorName("x@encoded"), TensorName("x@resized")))
    refused = {one.page.name: one.why_not for one in draft.candidates if not one.in_book}
    assert refused["cloud-encoded"] == "x@encoded would leave the board, where it is to stay"
    for page in draft.pages:
        crossing = {choice.tensor for choice in page.stages[0].codecs}
        assert not crossing & {"x@encoded", "x@resized"}
    with pytest.raises(InvalidProblem, match=r"called x@resizd \(near: x@resized"):
        book(stay=(TensorName("x@resizd"),))


def test_what_cannot_be_meant_of_the_model_is_refused_for_a_device_alone_too(
    compiled: CompiledModel, board: DeviceProfile
) -> None:
    for wish in ({"stay": (TensorName("y"),)}, {"first_layers": 99}):
        with pytest.raises(InvalidProblem):
            make_book(compiled, board, None, None, BookOptions(**wish))  # type: ignore[arg-type]


def test_the_first_layers_stay(book: Callable[..., Draft], compiled: CompiledModel) -> None:
    draft = book(first_layers=6)
    for page in draft.pages:
        assert frozenset(range(9)) <= draft.boundaries[page.stages[0].last]
    refused = {one.page.name: one.why_not for one in draft.candidates if not one.in_book}
    assert refused["cloud-raw"] == "layer0 would leave the board, where it is to run"
    count = len(compiled.graph.layers) - 3  # three of them prepare the picture
    assert [page.name for page in book(first_layers=count).pages] == ["local"]
    with pytest.raises(InvalidProblem, match=f"first 100000 layers .* the model has {count}") as refused:
        book(first_layers=100_000)
    assert refused.value.hint == f"give 0 to {count}, such as --first-layers 3"


def test_outputs_made_on_the_board_leave_two_stages_no_cut(book: Callable[..., Draft]) -> None:
    assert [page.name for page in book(keep_output=True).pages] == ["local"]

"""When requests no longer take what their plan said: who is marked, when, and who is not."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import drift, orders
from lepton_edge.coordinator.events import Tick
from lepton_edge.coordinator.state import ADAPT, Deployment
from lepton_edge.core import messages as m
from partitioner.plan import HeldVariant

TELEMETRY = m.Telemetry(0.5, 1 << 30, 1 << 20, 40.0, 0, 9, 0, 1.0)


@pytest.fixture
def planned(pair: Any) -> Any:
    """A world whose active page is predicted to take 10 ms on the board and 4 ms in the cloud."""
    pair.deploy()
    pair.run()
    record = pair.state.epochs["net", 1]
    pages = [
        dataclasses.replace(
            page, prediction=dataclasses.replace(page.prediction, board=0.01, cloud=0.004, latency=0.02)
        )
        for page in record.book.pages
    ]
    book = dataclasses.replace(record.book, pages=tuple(pages))
    pair.state.epochs["net", 1] = dataclasses.replace(record, book=book)
    for key, kept in pair.state.profiles.items():  # a repeat noise of 1 %
        whole = dataclasses.replace(kept.profile.whole, spread=0.0001)
        profile = dataclasses.replace(kept.profile, whole=whole)
        pair.state.profiles[key] = dataclasses.replace(kept, profile=profile)
    return pair


def report(count: int, seconds: float, page: str = "cut-1", first: int = 0, last: int = 1) -> m.StageReport:
    return m.StageReport("net", 1, page, first, last, count, seconds, seconds / 50, seconds + 0.01)


def tell(world: Any, *reports: m.StageReport, device: str = "board") -> list[Any]:
    stream = world.state.devices[device].stream
    made: list[Any] = world.hear(stream, dataclasses.replace(TELEMETRY, stages=reports))
    return made


def drifted(world: Any, device: str = "board") -> str:
    found: str = world.state.profiles["net", "v1", device].drift
    return found


def test_a_stage_that_is_too_slow_twice_in_a_row_marks_the_profile_and_it_is_written_down(
    planned: Any,
) -> None:
    assert tell(planned, report(20, 0.013)) == []
    assert drifted(planned) == "", "once is chance"
    kept, told = tell(planned, report(40, 0.013))
    assert isinstance(kept, c.KeepProfile)
    assert kept.record.drift == drifted(planned)
    assert isinstance(told, c.KeepChange)
    assert (told.change.kind, told.change.device, told.change.model) == ("drift", "board", "net")
    assert (told.change.predicted_after, told.change.measured_after) == (0.01, 0.013)
    assert (
        told.change.cause
        == "page cut-1 of epoch 1 takes 13.0 ms here, predicted 10.0 ms (+30%, after 40 requests)"
    )
    assert drifted(planned, "cloud") == "", "the other device is as it was"
    assert tell(planned, report(60, 0.013), report(80, 0.013)) == [], "told once"


def test_too_fast_is_drift_too(planned: Any) -> None:
    tell(planned, report(20, 0.007))
    tell(planned, report(40, 0.007))
    assert "-30%" in drifted(planned)


@pytest.mark.parametrize(("predicted", "seconds"), [(1e-18, 0.0), (1e-18, 2e-6), (0.01, 0.0)])
def test_a_stage_that_only_passes_tensors_on_says_nothing_of_a_device(
    planned: Any, predicted: float, seconds: float
) -> None:
    record = planned.state.epochs["net", 1]
    pages = [
        dataclasses.replace(page, prediction=dataclasses.replace(page.prediction, board=predicted))
        for page in record.book.pages
    ]
    book = dataclasses.replace(record.book, pages=tuple(pages))
    planned.state.epochs["net", 1] = dataclasses.replace(record, book=book)
    for count in range(20, 200, 20):
        assert tell(planned, report(count, seconds)) == []
    assert planned.state.profiles["net", "v1", "board"].scale == 1.0


@pytest.mark.parametrize("seconds", [0.0114, 0.0087])
def test_within_15_percent_nothing_has_drifted(planned: Any, seconds: float) -> None:
    for count in (20, 40, 60, 80):
        assert tell(planned, report(count, seconds)) == []
    assert drifted(planned) == ""


def test_few_requests_prove_nothing(planned: Any) -> None:
    for count in (5, 19, 20, 21, 39):  # one judgement, at 20
        tell(planned, report(count, 0.02))
    assert drifted(planned) == ""
    tell(planned, report(40, 0.02))
    assert drifted(planned)


def test_one_good_judgement_between_breaks_the_row(planned: Any) -> None:
    for count, seconds in ((20, 0.02), (40, 0.01), (60, 0.02)):
        tell(planned, report(count, seconds))
    assert drifted(planned) == ""


def test_a_noisy_device_is_allowed_three_sigma(planned: Any) -> None:
    kept = planned.state.profiles["net", "v1", "board"]
    noisy = dataclasses.replace(kept.profile.whole, spread=0.1 * drift.SIGMA * kept.profile.whole.median)
    profile = dataclasses.replace(kept.profile, whole=noisy)
    planned.state.profiles["net", "v1", "board"] = dataclasses.replace(kept, profile=profile)
    for count in (20, 40):
        tell(planned, report(count, 0.0128))
    assert drifted(planned) == "", "28 % is within 3 x 10 %"
    for count in (60, 80):
        tell(planned, report(count, 0.0135))
    assert drifted(planned), "35 % is not"


def test_an_agent_that_began_anew_is_judged_anew(planned: Any) -> None:
    tell(planned, report(40, 0.02))
    tell(planned, report(20, 0.02))
    assert drifted(planned) == "", "the row began anew with it"
    tell(planned, report(40, 0.02))
    assert drifted(planned)


def test_a_stage_that_is_in_no_active_page_is_passed_over(planned: Any) -> None:
    odd = (report(20, 0.9, page="cut-9"), report(20, 0.9, first=1, last=2), report(20, 0.9, last=9))
    stale = dataclasses.replace(report(20, 0.9), epoch=7)
    assert tell(planned, *odd, stale) == []
    assert planned.state.watches == {}


def test_the_cloud_is_held_against_its_own_seconds(planned: Any) -> None:
    for count in (20, 40):
        tell(planned, report(count, 0.004, first=1, last=2), device="cloud")
    assert drifted(planned, "cloud") == ""
    for count in (60, 80):
        tell(planned, report(count, 0.008, first=1, last=2), device="cloud")
    assert "predicted 4.0 ms" in drifted(planned, "cloud")


def test_what_a_request_and_its_messages_cost_beside_the_work_is_not_expected_of_a_stage(
    planned: Any,
) -> None:
    kept = planned.state.profiles["net", "v1", "board"]
    profile = dataclasses.replace(
        kept.profile, overhead=0.001, send_message=0.001, send_byte=1e-6, receive_message=0.001
    )
    planned.state.profiles["net", "v1", "board"] = dataclasses.replace(kept, profile=profile)
    record = planned.state.epochs["net", 1]
    pages = [
        dataclasses.replace(
            page, prediction=dataclasses.replace(page.prediction, board=0.014, uplink=0.002, bytes_up=1000)
        )
        for page in record.book.pages
    ]
    book = dataclasses.replace(record.book, pages=tuple(pages))
    planned.state.epochs["net", 1] = dataclasses.replace(record, book=book)
    for count in (20, 40):
        tell(planned, report(count, 0.0101))
    assert drifted(planned) == ""
    for count in (60, 80):
        tell(planned, report(count, 0.0135))
    assert "predicted 10.0 ms" in drifted(planned)


def test_a_drifted_device_is_measured_by_the_next_deployment_and_then_counts_again(planned: Any) -> None:
    planned.deploy()
    planned.run()
    planned.state.watches.clear()
    profile = planned.state.profiles["net", "v1", "board"]
    planned.state.profiles["net", "v1", "board"] = dataclasses.replace(profile, drift="it is slower")
    measured = [one for one in planned.log if isinstance(one, c.MakeTrial)]
    planned.deploy()
    planned.run()
    again = [one for one in planned.log if isinstance(one, c.MakeTrial)][len(measured) :]
    assert len(again) == 1, "the board alone"
    assert drifted(planned) == ""


def test_what_is_over_is_no_longer_followed(planned: Any) -> None:
    tell(planned, report(5, 0.01))
    assert len(planned.state.watches) == 1
    planned.deploy()
    planned.run()
    planned.do(Tick())
    assert planned.state.watches == {}


def test_the_entrys_median_is_what_a_page_takes(planned: Any) -> None:
    tell(planned, report(7, 0.01))
    tell(planned, report(7, 0.004, first=1, last=2), device="cloud")
    record = planned.state.epochs["net", 1]
    assert drift.measured(planned.state, record) == {"cut-1": pytest.approx(0.02)}


# --- a device that is never alone -------------------------------------------------------------------------


def busy(world: Any, seconds: float, took: float, start: float = 0.0, alone: bool = False) -> float:
    """The board tells for so long that it is busy nine tenths of its time, with runs that take `took`."""
    spent = start
    for beat in range(int(seconds / 1.5)):
        world.now += 1.5
        spent += 1.35
        load = m.LoadReport("net", 1, spent, round(spent / took))
        stages = (report(beat + 1, took),) if alone else ()
        tell_all(world, loads=(load,), stages=stages)
    return spent


def tell_all(world: Any, **told: Any) -> None:
    world.hear(world.state.devices["board"].stream, dataclasses.replace(TELEMETRY, **told))


def test_a_device_that_is_always_busy_is_found_out_by_its_mean_work(planned: Any) -> None:
    busy(planned, 45.0, 0.03)
    assert "always busy" in drifted(planned)
    assert planned.state.profiles["net", "v1", "board"].scale == pytest.approx(3.0, rel=0.05)
    assert [one.kind for one in planned.changes.values()].count("drift") == 1, "told once"


def test_a_mean_that_is_half_as_long_again_is_no_proof(planned: Any) -> None:
    busy(planned, 60.0, 0.0145)
    assert drifted(planned) == ""


def test_where_requests_have_it_for_themselves_their_medians_count_alone(planned: Any) -> None:
    busy(planned, 19.5, 0.03, alone=True)  # 13 requests: too few to judge a stage by
    assert drifted(planned) == ""


def test_a_moment_of_strain_is_none(planned: Any) -> None:
    busy(planned, 4.5, 0.03)
    assert drifted(planned) == ""


def test_the_drift_of_a_variant_is_its_own_and_what_is_replanned_by_itself_knows_it(planned: Any) -> None:
    state = planned.state
    record, own = state.epochs["net", 1], state.profiles["net", "v1", "board"]
    state.profiles["net-int8", "v7", "board"] = own
    held = HeldVariant("board", "net-int8", record.book.blocks, version="v7")
    state.epochs["net", 1] = dataclasses.replace(
        record, book=dataclasses.replace(record.book, variants=(held,))
    )
    tell(planned, report(20, 0.013))
    kept, told = tell(planned, report(40, 0.013))
    assert (kept.model, kept.version, told.change.model) == ("net-int8", "v7", "net")
    assert drifted(planned) == "", "the model itself was not run there"
    assert state.profiles["net-int8", "v7", "board"].scale == pytest.approx(1.3)
    run = Deployment("x", "", ADAPT, m.Deploy("net"), version="v1", board="board", cloud="cloud")
    assert orders.with_inputs(state, run, record).scale_of("board") == pytest.approx(1.3)

"""What the coordinator shows of itself: whole, valid JSON; no number that stands for "none" leaves the house."""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any

import pytest

from lepton_edge.coordinator import events as e
from lepton_edge.coordinator import reports
from lepton_edge.coordinator.commands import Deployed
from lepton_edge.core import messages as m
from lepton_edge.core.errors import NotFound, UnknownModel
from partitioner.plan import InputSpec, OutputSpec, TensorSpec
from partitioner.units import Bytes, Seconds


@pytest.fixture
def deployed(pair: Any) -> Any:
    pair.deploy()
    pair.run()
    return pair


def as_json(document: dict[str, Any]) -> Any:
    return json.loads(json.dumps(document, allow_nan=False))


def test_devices_tell_who_is_there_and_who_was(deployed: Any) -> None:
    deployed.do(e.Detached("gone", deployed.state.devices["cloud"].stream))
    told = as_json(reports.devices(deployed.state, deployed.now + 1.5))
    board, cloud = told["devices"]
    assert (board["device"], board["connected"], cloud["connected"]) == ("board", True, False)
    assert board["since_heard"] == 1.5
    assert board["epochs"] == [{"model": "net", "epoch": 1, "state": "active"}]
    assert board["hardware"]["cores"] == 4


def test_a_device_never_heard_since_the_restart_has_no_time(pair: Any) -> None:
    pair.state.devices["board"].heard = 0.0
    assert reports.devices(pair.state, pair.now)["devices"][0]["since_heard"] is None


def test_models_tell_their_active_page(deployed: Any, make: Any) -> None:
    deployed.push(make.model("other"))
    told = as_json(reports.models(deployed.state))["models"]
    assert [(one["model"], one["epoch"], one["page"]) for one in told] == [
        ("net", 1, "cut-1"),
        ("other", 0, ""),
    ]


def test_a_model_tells_its_ends_and_its_epochs(deployed: Any) -> None:
    deployed.deploy()
    deployed.run()
    spec = TensorSpec("x", "float32", (1, 3), 12)
    known = deployed.state.models["net"]
    deployed.state.models["net"] = dataclasses.replace(
        known,
        inputs=(InputSpec(spec, picture="x@picture", encoded="x@encoded"), InputSpec(spec)),
        outputs=(OutputSpec("y", labels="a" * 64, indices="y@indices"), OutputSpec("z")),
    )
    told = as_json(reports.model(deployed.state, "net"))
    assert [one["picture"] for one in told["inputs"]] == [True, False]
    assert told["inputs"][0]["shape"] == [1, 3]
    assert [(one["labels"], one["top"]) for one in told["outputs"]] == [(True, True), (False, False)]
    assert [(one["epoch"], one["state"]) for one in told["epochs"]] == [(1, "RETIRED"), (2, "ACTIVE")]
    assert told["epochs"][1]["devices"] == ["board", "cloud"]


def test_an_unknown_model_is_refused_with_those_there_are(pair: Any) -> None:
    asks = (reports.model, functools.partial(reports.profile, now=pair.now), reports.plan, reports.removal)
    for ask in asks:
        with pytest.raises(UnknownModel, match=r"'nonet' \(there is: net\)"):
            ask(pair.state, "nonet")
    with pytest.raises(UnknownModel) as told:
        reports.model(pair.state, "nets")
    assert told.value.hint.startswith("did you mean 'net'? else push it")


def test_a_profile_is_of_the_version_that_is_there_now(deployed: Any, make: Any) -> None:
    told = as_json(reports.profile(deployed.state, "net", deployed.now))
    assert [one["device"] for one in told["devices"]] == ["board", "cloud"]
    assert told["devices"][0]["profile"]["whole"]["median"] == 0.01
    deployed.push(make.model(version="v2"))
    assert reports.profile(deployed.state, "net", deployed.now)["devices"] == []


def test_how_a_deployment_ended(deployed: Any) -> None:
    document = json.dumps({"reason": "it is fast"})
    done = reports.deployment(deployed.state, Deployed("net", "v1", 1, "cut-1", document))
    assert (done["epoch"], done["page"], done["reason"]) == (1, "cut-1", "it is fast")
    assert (done["devices"], done["dry_run"]) == (["board", "cloud"], False)
    dry = reports.deployment(deployed.state, Deployed("net", "v1", 0, "local", ""))
    assert (dry["dry_run"], dry["devices"], dry["reason"]) == (True, [], "")


def test_the_plan_is_the_active_epochs(pair: Any) -> None:
    with pytest.raises(NotFound, match="no plan of 'net' is active") as missing:
        reports.plan(pair.state, "net")
    assert missing.value.hint == "deploy it: lepton-edge deploy net"
    pair.deploy()
    pair.run()
    record = pair.state.epochs["net", 1]
    explained = json.dumps({"schema": "of old", "reason": "it is fast", "epoch": 0})
    pair.state.epochs["net", 1] = dataclasses.replace(record, document=explained)
    told = reports.plan(pair.state, "net")
    assert (told["schema"], told["epoch"], told["reason"]) == (reports.PLAN, 1, "it is fast")


def test_status_is_everything_at_once(deployed: Any) -> None:
    told = as_json(reports.status(deployed.state, deployed.now - 12, deployed.now))
    about = told["coordinator"]
    assert (about["uptime"], about["devices"], about["models"], about["deploying"]) == (12.0, 2, 1, None)
    (link,) = told["links"]
    assert (link["device"], link["peer"], link["up"]) == ("board", "cloud", 1e6)
    assert (link["by"], link["age"], link["via"], link["connected"]) == ("probe", 0.0, "", None)
    deployed.deploy()
    again = reports.status(deployed.state, 0.0, deployed.now)["coordinator"]
    assert (again["deploying"], again["phase"]) == ("net", "probing")


def test_status_says_what_traffic_shows_and_which_link_is_down(deployed: Any) -> None:
    def tell(**about: Any) -> Any:
        told = m.Telemetry(0.1, 0, 0, 0.0, 0, 0, 0, 1.0, links=(m.LinkReport("cloud", **about),))
        deployed.now += 5  # what was told of before the probe would not count
        deployed.hear(deployed.state.devices["board"].stream, told)
        return as_json(reports.status(deployed.state, 0.0, deployed.now))["links"][0]

    same = tell(up=1.2e6, down=1e6, round_trip=0.005, samples=9, age=4.0)
    assert (same["by"], same["up"], same["seen"]["up"]) == ("probe", 1e6, 1.2e6)
    seen = tell(up=5e6, down=1e6, round_trip=0.02, samples=9, age=4.0)
    assert (seen["by"], seen["age"], seen["connected"], seen["delay_up"]) == ("traffic", 4.0, True, 0.01)
    down = tell(connected=False, error="no route")
    assert (down["by"], down["connected"], down["error"], down["up"]) == ("probe", False, "no route", 1e6)


@pytest.mark.parametrize(
    ("degrees", "ago", "shown"),
    [(-273.15, -1.0, (None, None)), (-20.5, 0.0, (-20.5, 0.0)), (61.2, 3.5, (61.2, 3.5))],
)
def test_what_is_unknown_is_null(pair: Any, degrees: float, ago: float, shown: Any) -> None:
    """No number that stands for "none" leaves the house."""
    board = pair.state.devices["board"]
    board.telemetry = m.Telemetry(0.5, Bytes(1), Bytes(2), degrees, 0, 0, 0, Seconds(ago))
    hardware = dataclasses.replace(board.hello.hardware, temperature=degrees)
    board.hello = dataclasses.replace(board.hello, hardware=hardware)
    told = as_json(reports.devices(pair.state, pair.now))["devices"][0]
    assert (told["telemetry"]["temperature"], told["telemetry"]["seconds_since_success"]) == shown
    assert told["hardware"]["temperature"] == shown[0]
    assert told["telemetry"]["load"] == 0.5
    assert reports.status(pair.state, pair.now, pair.now)["devices"][0] == told


def test_a_device_that_told_nothing_yet_has_no_telemetry(pair: Any) -> None:
    pair.state.devices["board"].telemetry = None
    assert reports.devices(pair.state, pair.now)["devices"][0]["telemetry"] is None


def test_a_profile_tells_its_age_and_why_it_is_stale(deployed: Any) -> None:
    deployed.now += 90
    board = reports.profile(deployed.state, "net", deployed.now)["devices"][0]
    assert (board["age"], board["stale"], board["drifted"]) == (90.0, "", False)
    device = deployed.state.devices["board"]
    hardware = dataclasses.replace(device.hello.hardware, threads=2, power_mode="powersave")
    device.hello = dataclasses.replace(device.hello, hardware=hardware)
    board = reports.profile(deployed.state, "net", deployed.now)["devices"][0]
    assert board["stale"] == "threads 0, now 2, power mode unknown, now powersave"
    assert reports.plan(deployed.state, "net")["stale"] == [{"device": "board", "why": board["stale"]}]


def test_what_drifted_is_on_the_screen_and_in_the_plan(deployed: Any) -> None:
    key = ("net", "v1", "cloud")
    kept = deployed.state.profiles[key]
    deployed.state.profiles[key] = dataclasses.replace(kept, drift="30 ms, predicted 20 ms")
    told = reports.status(deployed.state, deployed.now, deployed.now)["drifted"]
    assert told == [{"model": "net", "device": "cloud", "why": "30 ms, predicted 20 ms"}]
    assert reports.plan(deployed.state, "net")["stale"] == [
        {"device": "cloud", "why": "30 ms, predicted 20 ms"}
    ]


def test_the_plan_of_a_remembered_epoch_and_what_there_is_instead(deployed: Any) -> None:
    deployed.deploy()
    deployed.run()
    assert reports.plan(deployed.state, "net", 1)["state"] == "RETIRED"
    assert reports.plan(deployed.state, "net", 2)["state"] == "ACTIVE"
    with pytest.raises(NotFound, match="no plan of epoch 7") as missing:
        reports.plan(deployed.state, "net", 7)
    assert missing.value.hint == "there is: 1, 2"


def test_what_requests_took_is_put_beside_what_was_predicted(pair: Any) -> None:
    pair.deploy()
    pair.run()
    record = pair.state.epochs["net", 1]
    rows = [{"page": "cut-1", "measured": None}, {"page": "local", "measured": None}]
    document = json.dumps({"candidates": rows, "page": "cut-1"})
    pair.state.epochs["net", 1] = dataclasses.replace(record, document=document)
    seen = m.StageReport("net", 1, "cut-1", 0, 1, 3, 0.01, 0.001, 0.025)
    telemetry = m.Telemetry(0.5, Bytes(1), Bytes(2), 40.0, 0, 3, 0, Seconds(1.0), (seen,))
    pair.hear(pair.state.devices["board"].stream, telemetry)
    told = reports.plan(pair.state, "net")
    assert [row["measured"] for row in told["candidates"]] == [0.025, None]
    assert told["measured"] == 0.025, "of the page that requests take"


def test_what_a_removal_would_end(deployed: Any) -> None:
    told = reports.removal(deployed.state, "net")
    assert (told["removed"], told["epoch"], told["devices"]) == (False, 1, ["board", "cloud"])
    assert "net" in deployed.state.models

"""How two devices meet: what is tried in which order, which relay is taken, what is said when nothing leads there."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator import reach
from lepton_edge.core import messages as m
from lepton_edge.core.frames import WireError
from partitioner.costs import LinkProfile

AWAY = WireError("unavailable", "nobody answers at that address", retryable=True)
UPLINK = LinkProfile(2e6, 5e6, 0.01, 0.02)


class Net:
    """Answers probes by what can be dialled: (device, peer, via) to the link, everything else is away."""

    def __init__(self, world: Any, make: Any, **links: LinkProfile) -> None:
        self.world, self.make = world, make
        self.links = links
        self.probed: list[str] = []

    def run(self) -> None:
        world = self.world
        while world.said or world.work:
            if world.work:
                world.work_done()
                continue
            stream, message = world.said.pop(0)
            name = world.device(stream)
            if isinstance(message, m.ProbeCommand):
                world.hear(stream, self.probe(name, message))
            elif (reply := self.make.answer(message, name)) is not None:
                world.hear(stream, reply)

    def probe(self, device: str, command: m.ProbeCommand) -> Any:
        peer, via = command.peer, "".join(f"_{relay.device}" for relay in command.peer.via)
        way = f"{device}_{peer.device}{via}"
        self.probed.append(way)
        found = self.links.get(way)
        if found is None:
            return m.Outcome(command.command, AWAY)
        through = peer.via[0].device if peer.via else ""
        return m.Probed(command.command, peer.device, dataclasses.replace(found, via=through))


def peers(world: Any, device: str) -> tuple[m.Peer, ...]:
    """Return the peers that `device` was told of last."""
    stream = world.state.devices[device].stream
    said = [one for one in world.log if isinstance(one, c.Say) and one.stream == stream]
    return next(one.message.peers for one in reversed(said) if isinstance(one.message, m.Prepare))


def test_the_board_dials_the_cloud_and_nothing_else_is_tried(pair: Any, make: Any) -> None:
    net = Net(pair, make, board_cloud=UPLINK)
    pair.deploy()
    net.run()
    assert net.probed == ["board_cloud"]
    assert peers(pair, "board") == (m.Peer("cloud", ("cloud:8011",)),)
    assert peers(pair, "cloud") == (m.Peer("board", ("board:8011",), dial_after=reach.DIAL_AFTER),)


def test_a_cloud_that_can_only_dial_out_dials_the_board(pair: Any, make: Any) -> None:
    net = Net(pair, make, cloud_board=UPLINK)
    pair.deploy()
    net.run()
    assert net.probed == ["board_cloud", "cloud_board"]
    assert pair.ordered[-1].link == LinkProfile(5e6, 2e6, 0.02, 0.01), "as the board sees it"
    assert peers(pair, "board")[0].dial_after == reach.DIAL_AFTER
    assert peers(pair, "cloud")[0].dial_after == 0
    net.links["board_cloud"] = UPLINK  # by the link that the cloud made
    pair.deploy()
    net.run()
    assert peers(pair, "cloud")[0].dial_after == 0


def test_an_older_cloud_is_not_asked_to_dial_since_it_would_not_keep_the_link(world: Any, make: Any) -> None:
    world.attach(make.hello("board"))
    world.attach(make.hello("cloud", "cloud", protocol_minor=0))
    world.push()
    net = Net(world, make, cloud_board=UPLINK)
    call = world.deploy()
    net.run()
    assert net.probed == ["board_cloud"]
    assert "not tried" in world.answer_of(call).error.message


def attach_relays(world: Any, make: Any, *names: str, **more: Any) -> None:
    for name in names:
        world.attach(make.hello(name, "cloud", **{"relay": True, **more}))


def test_two_that_cannot_dial_each_other_meet_at_the_best_relay(pair: Any, make: Any) -> None:
    attach_relays(pair, make, "far", "near", "other")
    slow, fast = LinkProfile(1e5, 1e5, 0.1, 0.1), LinkProfile(1e7, 1e7, 0.01, 0.01)
    net = Net(
        pair, make,
        board_far=slow, cloud_far=slow, board_near=fast, cloud_near=fast, cloud_other=fast, board_cloud_near=UPLINK,
    )  # fmt: skip
    pair.deploy(cloud="cloud")
    net.run()
    assert net.probed == [
        "board_cloud", "cloud_board", "board_far", "cloud_far", "board_near", "cloud_near", "board_other",
        "board_cloud_near",
    ]  # fmt: skip
    assert pair.ordered[-1].link == dataclasses.replace(UPLINK, via="near")
    via = (m.Relay("near", ("near:8011",)), m.Relay("far", ("far:8011",)))
    assert peers(pair, "board") == (m.Peer("cloud", ("cloud:8011",), via),)
    assert peers(pair, "cloud") == (m.Peer("board", ("board:8011",), via, reach.DIAL_AFTER),)
    assert any("through near" in told.progress.message for told in pair.told)


def test_a_relay_that_does_not_lead_there_is_followed_by_the_next(pair: Any, make: Any) -> None:
    attach_relays(pair, make, "a", "b")
    legs = {f"{end}_{relay}": UPLINK for end in ("board", "cloud") for relay in ("a", "b")}
    net = Net(pair, make, **legs, board_cloud_b=UPLINK)
    pair.deploy(cloud="cloud")
    net.run()
    assert net.probed[-2:] == ["board_cloud_a", "board_cloud_b"]
    assert pair.state.links["board", "cloud"].via == "b"


def test_nobody_reaches_anybody_and_it_is_said_who_and_what_to_do(pair: Any, make: Any) -> None:
    attach_relays(pair, make, "middle")
    net = Net(pair, make, board_middle=UPLINK)
    call = pair.deploy(cloud="cloud")
    net.run()
    error = pair.answer_of(call).error
    assert error.code == "unavailable"
    assert "board cannot reach cloud" in error.message
    assert "nor can cloud reach board" in error.message
    assert "nobody answers" in error.message
    assert "middle" in error.message
    assert "--advertise" in error.hint
    assert "--relay" in error.hint
    assert pair.state.running is None


@pytest.mark.parametrize("more", [{"relay": False}, {"protocol_minor": 0}])
def test_who_does_not_relay_or_is_too_old_to_is_not_asked(pair: Any, make: Any, more: Any) -> None:
    attach_relays(pair, make, "middle", **more)
    call = pair.deploy(cloud="cloud")
    net = Net(pair, make)
    net.run()
    assert net.probed == ["board_cloud", "cloud_board"]
    assert "no relay is connected" in pair.answer_of(call).error.message


def test_another_error_than_not_reaching_ends_the_search(pair: Any) -> None:
    call = pair.deploy()
    pair.run(refuse={m.ProbeCommand: WireError("compute_failed", "broken")})
    assert pair.answer_of(call).error.code == "compute_failed"


def relayed(world: Any, make: Any, *names: str) -> Net:
    attach_relays(world, make, *names)
    legs = {f"{end}_{relay}": UPLINK for end in ("board", "cloud") for relay in names}
    net = Net(world, make, **legs, **{f"board_cloud_{name}": UPLINK for name in names})
    world.deploy(cloud="cloud")
    net.run()
    return net


def test_when_the_relay_goes_both_are_told_of_another_and_when_it_comes_back_of_it(
    pair: Any, make: Any
) -> None:
    net = relayed(pair, make, "a", "b")
    assert [relay.device for relay in peers(pair, "board")[0].via] == ["a", "b"]
    pair.do(e.Detached("gone", pair.state.devices["a"].stream))
    net.run()
    for end in ("board", "cloud"):
        assert [relay.device for relay in peers(pair, end)[0].via] == ["b"]
    attach_relays(pair, make, "a")
    net.run()
    assert [relay.device for relay in peers(pair, "cloud")[0].via] == ["a", "b"]


def test_a_direct_way_is_looked_for_again_at_the_next_deployment(pair: Any, make: Any) -> None:
    net = relayed(pair, make, "a")
    net.links["board_cloud"] = UPLINK
    net.probed.clear()
    pair.deploy(cloud="cloud")
    net.run()
    assert net.probed == ["board_cloud"]
    assert peers(pair, "board")[0].via == ()


def told(world: Any, **changes: Any) -> None:
    """Let the board tell of its link, a moment after whatever was before."""
    world.now += 2
    link = m.LinkReport("cloud", up=1e6, down=2e6, round_trip=0.04, samples=20, age=1.0)
    report = m.Telemetry(0.1, 0, 0, 0.0, 0, 0, 0, 1.0, links=(dataclasses.replace(link, **changes),))
    world.hear(world.state.devices["board"].stream, report)


def test_what_if_plans_with_what_traffic_shows(pair: Any, make: Any) -> None:
    net = Net(pair, make, board_cloud=UPLINK)
    pair.deploy()
    net.run()
    told(pair)
    pair.what_if()
    net.run()
    assert net.probed == ["board_cloud"]
    seen = pair.ordered[-1].link
    assert (seen.up, seen.down) == (pytest.approx(1.046e6), pytest.approx(2.092e6))
    assert seen.delay_up + seen.delay_down == pytest.approx(0.04)


def test_what_traffic_confirms_is_not_probed_again_for_a_while(pair: Any, make: Any) -> None:
    net = Net(pair, make, board_cloud=UPLINK)
    pair.deploy()
    net.run()
    told(pair, up=UPLINK.up * 0.8, down=UPLINK.down * 0.9, round_trip=0.035)
    pair.deploy()
    net.run()
    assert net.probed == ["board_cloud"]
    assert pair.ordered[-1].link == UPLINK, "a probe is the better measurement"
    pair.deploy(refresh=True)
    net.run()
    assert len(net.probed) == 2
    told(pair, up=UPLINK.up / 3, round_trip=0.035)
    pair.deploy()
    net.run()
    assert len(net.probed) == 3, "it is another link now"
    told(pair, up=UPLINK.up * 0.8, down=UPLINK.down * 0.9, round_trip=0.035)
    told(pair, up=UPLINK.up * 0.8, down=UPLINK.down * 0.9, round_trip=0.035)
    pair.now += 10
    pair.deploy()
    net.run()
    assert len(net.probed) == 4, "it may have become another link since, and nothing has travelled"


def test_traffic_of_before_the_probe_does_not_contradict_it(pair: Any, make: Any) -> None:
    net = Net(pair, make, board_cloud=UPLINK)
    pair.deploy()
    net.run()
    told(pair, age=30.0, up=UPLINK.up / 17)
    pair.what_if()
    net.run()
    assert pair.ordered[-1].link == UPLINK


@pytest.mark.parametrize(
    "changes", [{"samples": 2}, {"age": 600.0}, {"connected": False}, {"via": "middle"}, {"up": 0.0}]
)
def test_what_is_old_scarce_or_of_another_way_does_not_count(pair: Any, make: Any, changes: Any) -> None:
    net = Net(pair, make, board_cloud=UPLINK)
    pair.deploy()
    net.run()
    told(pair, **changes)
    assert reach.current(pair.state, "board", "cloud") == UPLINK  # type: ignore[arg-type]

"""How two devices meet: one dials the other, or both meet at a relay; measured before it is planned with.

Law: pure. What was tried in a deployment is remembered in it; what to try next follows from that alone:

    board dials cloud -> cloud dials board -> each relay from both sides -> through the best relay -> nobody can

A relay is an agent that allows it and that both reach; the best is that of the least time for a typical
request. The link through it is probed end to end, so that the planner sees what it truly costs.
"""

from __future__ import annotations

import dataclasses

from lepton_edge.coordinator import telling
from lepton_edge.coordinator.commands import Command, KeepLink
from lepton_edge.coordinator.state import Deployment, Device, State, Try
from lepton_edge.core.errors import Unavailable
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import LinkReport, Peer, ProbeCommand, Relay
from partitioner.costs import HEADER_OVERHEAD, LinkProfile, transfer_time
from partitioner.units import Bytes, BytesPerSecond, DeviceId, Seconds

PROBE_BUDGET = Seconds(4.0)
SHORT_BUDGET = Seconds(1.0)  # for the legs of a relay, which are only compared
PROBE_LIMIT = Seconds(30.0)
PROBE_SIZES = (Bytes(1 << 10), Bytes(32 << 10), Bytes(160 << 10))
RELAYING = 1  # the minor version of the protocol from which on an agent can meet others at a relay
RELAYS_TRIED, RELAYS_GIVEN = 3, 2
DIAL_AFTER = Seconds(5.0)  # without a link the side that is to be dialled tries it itself
NOT_THERE = frozenset({"unavailable", "deadline_exceeded", "incompatible_version", "corrupt_frame"})
"""What a probe fails with where nobody answers, or somebody else: private addresses exist in many networks."""
TYPICAL_UP, TYPICAL_DOWN = Bytes(150_000), Bytes(4_000)
FRESH = Seconds(60.0)  # older than that, what traffic showed no longer counts
ENOUGH = 8  # transfers that a rate must rest on
NOISE = 1.6  # between a probe and what traffic shows of the same link (measured: up to 1.45)
FAST, SHORT_TRIP = BytesPerSecond(50e6), Seconds(0.005)  # beyond these both are noise of the processors
CONFIRMED = Seconds(5.0)
"""For so long a probe need not be repeated where traffic confirms it. No longer: what is deployed is meant for the link
as it is now, and traffic of half a minute ago does not know that it has become another one since."""


# --- finding a way --------------------------------------------------------------------------------


def probe(state: State, now: Seconds) -> list[Command] | None:
    """Have the next probe made; None when the link is known. Raises Unavailable when there is no way."""
    run = telling.running(state)
    todo = None if _is_known(state, run, now) else _next(state, run)
    if todo is None:
        return None
    run.phase, run.trying = "probing", todo
    peer = _peer(state, todo.peer)
    if todo.via:
        peer = dataclasses.replace(peer, via=(_relay(state, todo.via),))
    ends = {run.board, run.cloud} == {todo.device, todo.peer}
    command = telling.owe(state, run, "probe", todo.device, Seconds(now + PROBE_LIMIT))
    message = ProbeCommand(command, peer, PROBE_SIZES, PROBE_BUDGET if ends else SHORT_BUDGET)
    through = f" through {todo.via}" if todo.via else ""
    told = telling.tell(run, "probing", f"the link from {todo.device} to {todo.peer}{through}")
    return [told, *telling.say(state, run, todo.device, message)]


def _is_known(state: State, run: Deployment, now: Seconds) -> bool:
    if run.tried or run.request.refresh or run.board is None or run.cloud is None:
        return False
    return confirmed(state, run.board, run.cloud, now)


def note(state: State, run: Deployment, found: LinkProfile | WireError, now: Seconds) -> list[Command]:
    """Remember what the last probe found."""
    tried = run.trying
    if tried is None:
        return []
    run.tried[tried], run.trying = found, None
    if isinstance(found, WireError):
        return []
    pair, link = (tried.device, tried.peer), found
    if pair == (run.cloud, run.board):
        pair, link = (pair[1], pair[0]), _turned(found)
        state.dialled_by_cloud.add(
            pair
        )  # for good: a later probe by the board may use the link that the cloud made
    state.links[pair], state.probed_at[pair] = link, now
    return [KeepLink(run.cause, *pair, link)]


def _next(state: State, run: Deployment) -> Try | None:
    if run.board is None or run.cloud is None:
        return None
    knows = state.devices[run.cloud].hello.protocol_minor >= RELAYING  # an older one would not keep the link
    direct = (Try(run.board, run.cloud), *([Try(run.cloud, run.board)] if knows else []))
    for one in direct:
        if one not in run.tried:
            return one
        if isinstance(run.tried[one], LinkProfile):
            return None
    return _next_relay(state, run, run.board, run.cloud)


def _next_relay(state: State, run: Deployment, board: DeviceId, cloud: DeviceId) -> Try | None:
    candidates = relays(state, board, cloud)[:RELAYS_TRIED]
    for relay in candidates:
        for one in (Try(board, relay.name), Try(cloud, relay.name)):
            if one not in run.tried:
                return one
            if isinstance(run.tried[one], WireError):
                break
    for relay in relays(state, board, cloud):  # now in the order of what was measured
        legs = (run.tried.get(Try(end, relay.name)) for end in (board, cloud))
        if not all(isinstance(leg, LinkProfile) for leg in legs):
            continue
        whole = Try(board, cloud, relay.name)
        if whole not in run.tried:
            return whole
        if isinstance(run.tried[whole], LinkProfile):
            return None
    raise _no_way(run, board, cloud, candidates)


def _no_way(run: Deployment, board: DeviceId, cloud: DeviceId, candidates: list[Device]) -> Unavailable:
    there, back = (_why(run, Try(board, cloud)), _why(run, Try(cloud, board)))
    tried = ", ".join(device.name for device in candidates)
    relayed = (
        f"; no relay leads from one to the other (tried: {tried})" if tried else "; no relay is connected"
    )
    return Unavailable(
        f"{board} cannot reach {cloud} ({there}), nor can {cloud} reach {board} ({back}){relayed}",
        "start one of the two with an address that the other can dial (--advertise HOST:PORT), "
        "or an agent that both can dial (agent start --role cloud, or --relay)",
    )


def _why(run: Deployment, one: Try) -> str:
    found = run.tried.get(one)
    return found.message if isinstance(found, WireError) else "not tried"


def _turned(link: LinkProfile) -> LinkProfile:
    """Return a link as its other end sees it."""
    return dataclasses.replace(
        link, up=link.down, down=link.up, delay_up=link.delay_down, delay_down=link.delay_up
    )


# --- relays ---------------------------------------------------------------------------------------


def relays(state: State, one: DeviceId, other: DeviceId, chosen: str = "") -> list[Device]:
    """Return the agents that may forward between two, best first; `chosen` before all."""
    ends = [state.devices[name] for name in (one, other) if name in state.devices]
    if any(end.hello.protocol_minor < RELAYING for end in ends):
        return []
    there = [device for device in state.connected() if device.name not in state.drains]
    able = [device for device in there if _may_relay(device) and device not in ends]
    return sorted(able, key=lambda device: (device.name != chosen, _detour(state, one, other, device.name)))


def _may_relay(device: Device) -> bool:
    return device.hello.relay and device.hello.protocol_minor >= RELAYING


def _detour(state: State, one: DeviceId, other: DeviceId, relay: DeviceId) -> tuple[float, str]:
    """Return the seconds of a typical request through `relay`, by what was measured of its two legs."""
    first, second = state.links.get((one, relay)), state.links.get((other, relay))
    if first is None or second is None:
        return float("inf"), relay
    return _typical(first) + _typical(_turned(second)), relay


def _typical(link: LinkProfile) -> float:
    up, down = transfer_time(TYPICAL_UP, link.up), transfer_time(TYPICAL_DOWN, link.down)
    return up + down + link.delay_up + link.delay_down


def peers_of(state: State, device: DeviceId, others: list[DeviceId]) -> tuple[Peer, ...]:
    """Return where the devices are that `device` shares an epoch with, and who dials first."""
    return tuple(_met(state, device, other) for other in others if other in state.devices)


def _met(state: State, device: DeviceId, other: DeviceId) -> Peer:
    board, cloud = sorted((device, other), key=lambda name: (state.devices[name].hello.role != "board", name))
    first = cloud if (board, cloud) in state.dialled_by_cloud else board
    link = state.links.get((board, cloud))
    found = relays(state, board, cloud, link.via)[:RELAYS_GIVEN] if link is not None and link.via else []
    via = tuple(_relay(state, relay.name) for relay in found)
    after = Seconds(0.0) if device == first else DIAL_AFTER
    return dataclasses.replace(_peer(state, other), via=via, dial_after=after)


def is_relayed(state: State, devices: list[DeviceId]) -> bool:
    """Return whether two of these meet at a relay."""
    return any(
        link.via and device in devices and peer in devices for (device, peer), link in state.links.items()
    )


def _relay(state: State, name: DeviceId) -> Relay:
    return Relay(name, state.devices[name].hello.data_addresses)


def _peer(state: State, name: DeviceId) -> Peer:
    return Peer(name, state.devices[name].hello.data_addresses)


# --- what traffic shows ---------------------------------------------------------------------------


def report(state: State, device: DeviceId, peer: DeviceId) -> LinkReport | None:
    """Return what `device` last told of its link to `peer`, while it is attached."""
    known = state.devices.get(device)
    if known is None or known.stream is None or known.telemetry is None:
        return None
    return next((one for one in known.telemetry.links if one.peer == peer), None)


def seen(state: State, board: DeviceId, cloud: DeviceId) -> LinkProfile | None:
    """Return the link as its own traffic shows it now; None where there was too little, or none since the probe."""
    probed, told = state.links.get((board, cloud)), report(state, board, cloud)
    if probed is None or told is None or not told.connected or told.via != probed.via:
        return None
    if told.samples < ENOUGH or told.age > FRESH or told.round_trip <= 0 or told.up <= 0:
        return None
    if state.devices[board].heard - told.age < state.probed_at.get((board, cloud), 0.0):
        return None
    down = BytesPerSecond(told.down * HEADER_OVERHEAD) if told.down > 0 else probed.down
    half = Seconds(told.round_trip / 2)
    return dataclasses.replace(
        probed, up=BytesPerSecond(told.up * HEADER_OVERHEAD), down=down, delay_up=half, delay_down=half
    )


def current(state: State, board: DeviceId, cloud: DeviceId) -> LinkProfile | None:
    """Return the best that is known of a link: the last probe, unless traffic since shows another link.

    A probe is the better measurement; traffic shows when the link is no longer as it was probed.
    """
    probed, shown = state.links.get((board, cloud)), seen(state, board, cloud)
    return probed if shown is None or (probed is not None and alike(probed, shown)) else shown


def lately(state: State, board: DeviceId, cloud: DeviceId, planned: LinkProfile | None) -> LinkProfile | None:
    """Return a link as requests find it, or as it was `planned` with while they show no other; else as it was probed.

    An old probe never counts against a newer plan.
    """
    shown = seen(state, board, cloud)
    if shown is None or (planned is not None and alike(planned, shown)):
        return planned or state.links.get((board, cloud))
    return shown


def confirmed(state: State, board: DeviceId, cloud: DeviceId, now: Seconds) -> bool:
    """Return whether a link was probed a moment ago and its traffic shows that it is as it was then."""
    probed, at = state.links.get((board, cloud)), state.probed_at.get((board, cloud))
    shown = seen(state, board, cloud)
    if probed is None or probed.via or shown is None or at is None:
        return False
    return now - at <= CONFIRMED and alike(probed, shown)


def alike(one: LinkProfile, other: LinkProfile) -> bool:
    """Return whether two measurements are of one link: rates within a factor, round trips too, or both short."""
    rates = ((one.up, other.up), (one.down, other.down))
    trips = (one.delay_up + one.delay_down, other.delay_up + other.delay_down)
    near = max(trips) < SHORT_TRIP or max(trips) <= NOISE * min(trips)
    return near and all(min(pair) >= FAST or max(pair) <= NOISE * min(pair) for pair in rates)

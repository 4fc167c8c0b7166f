"""Who commands: a coordinator that was started twice, by mistake or from a copy of its state, finds out and stops.

Law: pure. The token is `Leader` (identity of the state, term, incarnation): agents keep the highest that they obeyed,
tell it when they attach, and obey nothing older. A coordinator that hears of a higher term of its own identity stops
commanding for good and stays readable; it never fights. Started again, it begins a term above every one that it heard
of: to take over is a person's act. An agent that serves another coordinator's epochs is left to that one, unless a
person says otherwise (`agent start --adopt`).
"""

from __future__ import annotations

from lepton_edge.coordinator import changes
from lepton_edge.coordinator.commands import Abandon, Command, Fail, Hang, KeepTerm, Say
from lepton_edge.coordinator.records import wire_error
from lepton_edge.coordinator.state import Moment, State
from lepton_edge.core.errors import NotLeader
from lepton_edge.core.messages import Hello, Leader, Rejected

GONE = ("retired", "failed")  # what an agent says of an epoch that it no longer holds
FOREIGN = "foreign"  # what a device holds of another coordinator's: the number means nothing here


def leader(state: State) -> Leader:
    """Return what agents of this coordinator remember it by."""
    settings = state.settings
    return Leader(settings.identity, settings.term, settings.incarnation)


def refusal(state: State, hello: Hello) -> NotLeader | None:
    """Return why this coordinator may not command the agent that says `hello`, or None."""
    if state.superseded:
        return superseded(state)
    other = hello.leader
    if other is None or not other.identity:
        return None
    if other.identity != state.settings.identity:
        return _of_another(hello, other)
    if _is_above(state, other):
        return NotLeader(
            f"term {state.settings.term} of this coordinator is over: {hello.device!r} obeys one of term {other.term}",
            "two coordinators run on copies of one state: stop one of them",
        )
    return None


def _is_above(state: State, other: Leader) -> bool:
    mine = leader(state)
    return other.term > mine.term or (other.term == mine.term and other.incarnation != mine.incarnation)


def _of_another(hello: Hello, other: Leader) -> NotLeader | None:
    if hello.adopt or all(status.state in GONE for status in hello.epochs):
        return None
    return NotLeader(
        f"{hello.device!r} serves models for another coordinator ({other.identity[:8]})",
        "give the agent that one's address, or start it with --adopt to let this coordinator have it",
    )


def superseded(state: State) -> NotLeader:
    """Return the error that everything ends with which would change something."""
    return NotLeader(
        f"term {state.settings.term} of this coordinator is over: another one on a copy of its state has term "
        f"{state.superseded}",
        "ask that one; to let this one take over again, stop that one and restart this one",
    )


def heard_of(state: State, hello: Hello, at: Moment) -> list[Command]:
    """Note a higher term that a refused agent told of: stop commanding, and write it down for the next start."""
    other = hello.leader
    if other is None or other.identity != state.settings.identity or not _is_above(state, other):
        return []
    kept: list[Command] = [KeepTerm(at.cause, other.term)]
    if other.term == state.settings.term or state.superseded >= other.term:
        return kept  # of two with one term nobody is the older; each keeps the agents that it has
    already, state.superseded = state.superseded > 0, other.term
    if already:
        return kept
    told = changes.note(
        state, "coordinator", f"{hello.device} obeys one of term {other.term} on a copy of this state", at,
        before=f"in command, term {state.settings.term}", after="read-only",
    )  # fmt: skip
    return [*kept, told, *_step_down(state, at)]


def _step_down(state: State, at: Moment) -> list[Command]:
    """Let go of every agent and end every call: nothing more is commanded."""
    said: list[Command] = []
    state.pending.clear()
    for device in state.connected():
        assert device.stream is not None
        said += [
            Say(at.cause, device.stream, Rejected(wire_error(superseded(state)))),
            Hang(at.cause, device.stream),
        ]
        device.stream = None
    runs = [*([state.running] if state.running else []), *state.waiting]
    said += [Abandon(run.cause, run.job) for run in runs if run.job is not None]
    state.running = None
    state.aside.clear()
    state.waiting.clear()
    return said + [Fail(run.cause, run.call, wire_error(superseded(state))) for run in runs]


def state_of(state: State, leader: str, held: str) -> str:
    """Return what the state `held` of an epoch that `leader` had prepared is to this coordinator."""
    return held if leader in ("", state.settings.identity) else FOREIGN

"""The agent as a pure state machine: `step(state, event, now) -> list[Command]`.

Law: no await, clock, randomness, protobuf, engine or socket in this room. Every accepted request ends in
exactly one `Reply` or `Fail`, whatever the order of events; timers are events too. The driver executes
commands and tells each outcome as an event.
"""

from device_agents.machine.decider import step
from device_agents.machine.state import State

__all__ = ["State", "step"]

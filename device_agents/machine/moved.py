"""Models that were taken from this device and that others serve now: where its own clients may turn.

Law: pure. Only a coordinator says that a model moved, and where; what this device merely does not have (yet, after a
start, say) it knows nothing about, so that nobody is sent away for a moment's sake. What is active here did not move.
"""

from __future__ import annotations

from device_agents.machine.state import State
from lepton_edge.core.errors import Unavailable
from lepton_edge.core.messages import Drain
from partitioner.units import ModelName

MAX_MOVED = 256  # models
MAX_ADDRESSES = 8


def note(state: State, said: Drain) -> None:
    """Remember where the coordinator says that a model is, or nowhere else; of too many, forget the first."""
    state.moved.pop(said.model, None)
    if said.elsewhere:
        state.moved[said.model] = said.elsewhere[:MAX_ADDRESSES]
    while len(state.moved) > MAX_MOVED:
        del state.moved[next(iter(state.moved))]


def refuse(state: State, model: ModelName) -> None:
    """Return where a model did not move. Raises Unavailable, which says where to go, where it did."""
    others = state.moved.get(model)
    if not others:
        return
    moved = Unavailable(f"{model} moved: {state.device} was told to leave it to others", f"ask {others[0]}")
    moved.elsewhere = others
    raise moved

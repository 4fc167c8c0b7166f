"""Whom an agent obeys: of coordinators on one state the newest term, and of two states the one whose epochs it serves.

Law: pure. The rule is the coordinator's too (`coordinator/leading.py`): whichever of the two ends knows better says no.
A coordinator of an older release tells no token and is obeyed as before.
"""

from __future__ import annotations

from lepton_edge.core.errors import NotLeader
from lepton_edge.core.messages import Leader


def refusal(
    known: Leader | None, said: Leader | None, *, serves: bool, adopt: bool = False
) -> NotLeader | None:
    """Return why the coordinator that says it is `said` is not obeyed by an agent that obeyed `known`, or None.

    `serves`: the agent holds epochs. `adopt`: a person wants it to change over.
    """
    if known is None or said is None or known == said:
        return None
    if known.identity != said.identity:
        if adopt or not serves:
            return None
        return NotLeader(
            f"models are served here for another coordinator ({known.identity[:8]}, not {said.identity[:8]})",
            "give this agent that one's address, or start it with --adopt",
        )
    if said.term > known.term:
        return None
    return NotLeader(
        f"a coordinator of term {said.term} may not command: one of term {known.term} does",
        "two coordinators run on copies of one state: stop one of them",
    )

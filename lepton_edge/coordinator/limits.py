"""How many of each thing a coordinator holds, and why these numbers fit together.

Law: numbers only. What is told by or kept for a device follows from `MAX_DEVICES`, so that none of a full register is
left out: a board that serves one model has one active epoch, with a part of it here and one in a cloud. The bounds are
for twice that and what is over but not yet forgotten; the bytes are for a full register.
"""

from __future__ import annotations

MAX_DEVICES = 8192

MAX_LOADS = 4 * MAX_DEVICES
"""Epochs on devices whose load is followed: two models a board, two devices each; 17 MB."""
MAX_WATCHES = 8 * MAX_DEVICES
"""Stages whose times are followed: of each of these two of its pages; 44 MB."""
MAX_TURNS = 2 * MAX_DEVICES
"""Turns of entries whose end was not told yet: one of each model of a board; 15 MB."""

MAX_LOADS_TOLD = MAX_DEVICES
"""Of one telemetry: all boards may share one cloud."""
MAX_STAGES_TOLD = 64
"""Of one telemetry: as many as an agent follows."""

MAX_WAITING = 16
"""Deployments of people that wait for the one that runs; a replan does not wait, it is looked at again."""
MAX_ENDED_EPOCHS = 20
"""Ended epochs remembered per model."""
MAX_DOCUMENTS = 8
"""Of these, how many keep the explanation of their plan."""

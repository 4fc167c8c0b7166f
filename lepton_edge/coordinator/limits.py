"""How many of each thing a coordinator holds, and why these numbers fit together.

Law: numbers only. What is told by or kept for a device follows from `MAX_DEVICES`, so that none of a full register is
left out: a board that serves one model has one active epoch, with a part of it here and one in a cloud. The bounds are
for twice that and what is over but not yet forgotten; what they cost is said beside them, for a full register.
"""

from __future__ import annotations

MAX_DEVICES = 8192

MAX_LOADS = (
    4 * MAX_DEVICES
)  # epochs on devices whose load is followed: two models a board, two devices each; 17 MB
MAX_WATCHES = 8 * MAX_DEVICES  # stages whose times are followed: of each of these two of its pages; 44 MB
MAX_TURNS = (
    2 * MAX_DEVICES
)  # turns of entries whose end was not told yet: one of each model of a board; 15 MB

MAX_LOADS_TOLD = MAX_DEVICES  # of one telemetry: all boards may share one cloud
MAX_STAGES_TOLD = 64  # of one telemetry: as many as an agent follows

MAX_WAITING = (
    16  # deployments of people that wait for the one that runs; a replan does not wait, it is looked at again
)
MAX_ENDED_EPOCHS = 20  # ended epochs remembered per model
MAX_DOCUMENTS = 8  # of these, how many keep the explanation of their plan

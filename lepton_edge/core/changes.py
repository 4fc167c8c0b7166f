"""What changed by itself or by a person's word, and why: the story that `lepton-edge events` tells.

Law: a frozen noun without I/O, with a message of the same name and fields in `protos/lepton_edge/wire/v1/admin.proto`.
"""

from __future__ import annotations

from dataclasses import dataclass

from partitioner.units import DeviceId, Epoch, ModelName, Seconds

KINDS = (
    "turn",  # an entry took another page
    "drift",  # requests no longer take what a profile says
    "replan",  # a new epoch, since costs drifted, a device came or went, or a model changed
    "rollback",  # an epoch that did not pay, or could not be prepared
    "device",  # joined, lost, quarantined, drained, removed
    "deploy",  # a person deployed, pinned, moved, or let a share try a new version
    "coordinator",  # started, or lost its right to command
)
PENDING, KEPT, ROLLED_BACK, REFUSED = "pending", "kept", "rolled back", "refused"
VERDICTS = ("", PENDING, KEPT, ROLLED_BACK, REFUSED)


@dataclass(frozen=True)
class Change:
    """One change.

    Attributes:
        serial: counts the changes that a coordinator wrote down, from 1; never given twice.
        at: seconds since 1970, by the coordinator's clock.
        kind: one of `KINDS`. cause: what set it off, in words. message: what was done, in words.
        device, model, epoch: what it is about; "" and 0 where it is about none.
        before, after: pages, epochs, states or places, in words.
        predicted_before, predicted_after: seconds of a request; 0 where nothing was predicted.
        measured_before, measured_after: what requests took, seconds; 0 where nothing was measured.
        verdict: whether it was kept, one of `VERDICTS`.
    """

    serial: int
    at: float
    kind: str
    cause: str
    message: str = ""
    device: DeviceId = DeviceId("")
    model: ModelName = ModelName("")
    epoch: Epoch = Epoch(0)
    before: str = ""
    after: str = ""
    predicted_before: Seconds = Seconds(0.0)
    predicted_after: Seconds = Seconds(0.0)
    measured_before: Seconds = Seconds(0.0)
    measured_after: Seconds = Seconds(0.0)
    verdict: str = ""

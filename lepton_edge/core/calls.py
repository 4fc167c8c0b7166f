"""What clients ask of a coordinator, and what they may wish of a plan or suppose for one.

Law: frozen nouns without I/O, each with a message of the same name and field names in
`protos/lepton_edge/wire/v1/admin.proto`. What a wish means for a plan is said in `partitioner/solve/problem.py`.
"""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass

from lepton_edge.core.keys import KeyCall
from partitioner.units import Bytes, DeviceId, Epoch, ModelName, TensorName

NO_LIMIT = -1.0


@dataclass(frozen=True)
class Wishes:
    """What a plan shall be good at, and what it may not do; the defaults wish for the least latency, no more.

    Attributes:
        latency, throughput, energy, egress: prices per second of latency, per second of the busiest device or
            link, per joule, per byte sent; what is minimised is their sum. All 0: latency alone.
        min_throughput: requests a second; 0 for any. max_latency (seconds), max_energy (joules), max_egress
            (bytes), max_loss (relative, of all codecs together): below 0 for no limit.
        keep_output: the outputs are made on the board. stay: tensors that do not leave it. first_layers: so
            many layers of the chain stay there.
        own_cut: the person's own split, behind this layer or tensor; empty for none.
        measure: False takes estimates where nothing was measured.
        board_memory, cloud_memory: bytes for this model; 0 for what the device told.
        board_watts, cloud_watts, radio_watts: declared power while busy, and of the board's radio; 0 for what the
            device told.
        board_lacks, cloud_lacks: operators that the device cannot run.
        board_variant, cloud_variant: which variant of the model the device runs, by the name that it was pushed
            under (the model's own for the model itself); "" for what is best.
    """

    latency: float = 0.0
    throughput: float = 0.0
    energy: float = 0.0
    egress: float = 0.0
    min_throughput: float = 0.0
    max_latency: float = NO_LIMIT
    max_energy: float = NO_LIMIT
    max_egress: float = NO_LIMIT
    max_loss: float = NO_LIMIT
    keep_output: bool = False
    stay: tuple[TensorName, ...] = ()
    first_layers: int = 0
    own_cut: str = ""
    measure: bool = True
    board_memory: Bytes = Bytes(0)
    cloud_memory: Bytes = Bytes(0)
    board_watts: float = 0.0
    cloud_watts: float = 0.0
    radio_watts: float = 0.0
    board_lacks: tuple[str, ...] = ()
    cloud_lacks: tuple[str, ...] = ()
    board_variant: str = ""
    cloud_variant: str = ""

    @property
    def weighted(self) -> bool:
        """Whether any price was given."""
        return any((self.latency, self.throughput, self.energy, self.egress))

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything that a person wrote as a name."""
        names = (self.own_cut, self.board_variant, self.cloud_variant)
        return (*names, *self.stay, *self.board_lacks, *self.cloud_lacks)

    def over(self, base: Wishes) -> Wishes:
        """Return `base` with what is wished here in its place; prices replace prices as a whole."""
        if self.weighted:
            base = dataclasses.replace(base, latency=0.0, throughput=0.0, energy=0.0, egress=0.0)
        said = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }
        return dataclasses.replace(base, **said)


@dataclass(frozen=True)
class LinkChange:
    """Another link to suppose: bytes per second, and seconds one way; a delay below 0 leaves it as it is."""

    up: float
    down: float
    delay: float = NO_LIMIT


@dataclass(frozen=True)
class DeviceSpeed:
    """A device to suppose `times` as fast as it is: "board", "cloud", or its name."""

    device: DeviceId
    times: float


@dataclass(frozen=True)
class ListDevices:
    """Ask for the devices."""


@dataclass(frozen=True)
class ListModels:
    """Ask for the models."""


@dataclass(frozen=True)
class ShowModel:
    """Ask for one model."""

    name: ModelName


@dataclass(frozen=True)
class RemoveModel:
    """Retire a model everywhere and delete its files; or only say what that would end."""

    name: ModelName
    dry_run: bool = False


@dataclass(frozen=True)
class DrainDevice:
    """Place nothing new on a device and move what runs there elsewhere; or, with `undo`, let it take part again.

    `force` ends even what nobody else can run.
    """

    device: DeviceId
    undo: bool = False
    force: bool = False


@dataclass(frozen=True)
class RemoveDevice:
    """Forget a device, its measurements and links; first drain it, unless `force`."""

    device: DeviceId
    force: bool = False


@dataclass(frozen=True)
class RollBack:
    """Let the version of a model before the active one, or before the one that is tried, run again (on `board`)."""

    name: ModelName
    board: DeviceId = DeviceId("")


@dataclass(frozen=True)
class ShapeBinding:
    """A size for a symbolic dimension: of the input `tensor`, its whole shape."""

    tensor: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class PushModel:
    """Begin an upload; `Upload` chunks of "model", "manifest", "samples" and "labels" follow on the same call."""

    name: ModelName
    shapes: tuple[ShapeBinding, ...] = ()


@dataclass(frozen=True)
class Upload:
    """A piece of an upload, in order (`last` ends a part).

    `part` is "model", "manifest", "labels:FILE", "sample:FILE" or "coder:FOLDER/FILE".
    """

    part: str
    data: bytes
    last: bool = False


@dataclass(frozen=True)
class ShowProfile:
    """Ask for a model's profile on every device; measure what is missing or stale first, with `refresh` all.

    With `devices` only these are measured (protocol 1.1; a coordinator of 1.0 measures on all).
    """

    name: ModelName
    measure: bool = True
    refresh: bool = False
    devices: tuple[DeviceId, ...] = ()


@dataclass(frozen=True)
class Deploy:
    """Measure what is missing, plan, prepare, activate."""

    name: ModelName
    keep_input_on_board: bool = False
    dry_run: bool = False
    board: DeviceId = DeviceId("")
    cloud: DeviceId = DeviceId("")
    page: str = ""  # pin this page instead of the best
    wishes: Wishes = Wishes()
    refresh: bool = False  # measure again what is measured
    queue: str = ""  # how requests wait: "block", "newest", "oldest"; empty: as the model's manifest says
    replicas: tuple[DeviceId, ...] = ()  # clouds that hold what the first holds; "*": every other one
    canary: float = 0.0  # above 0: this share of requests tries the new version before all take it
    canary_requests: int = 0  # that it must answer before it is judged; 0: as the coordinator has it
    fixed: bool = False  # the plan stays as it is until a person says otherwise


@dataclass(frozen=True)
class PinPlan:
    """Deploy as before, but with this split (behind a layer or tensor) or this page; with neither, the best again."""

    name: ModelName
    behind: str = ""
    page: str = ""
    dry_run: bool = False
    board: DeviceId = DeviceId("")  # of several boards that the model is active on


@dataclass(frozen=True)
class MoveModel:
    """Run on `target` what `source` runs of a model, a board or a cloud; what runs there goes on until it does.

    `board`: of several boards that use the cloud `source`, this one.
    """

    name: ModelName
    source: DeviceId
    target: DeviceId
    board: DeviceId = DeviceId("")


@dataclass(frozen=True)
class WhatIf:
    """Ask what the plan would be if this were so; nothing changes and nothing is measured.

    `wishes` go over those of the active plan; so does `keep_input_on_board`, of which None is as the active plan does.
    """

    name: ModelName
    link: LinkChange | None = None
    speeds: tuple[DeviceSpeed, ...] = ()
    wishes: Wishes = Wishes()
    keep_input_on_board: bool | None = None
    board: DeviceId = DeviceId("")


@dataclass(frozen=True)
class ExplainPlan:
    """Ask why a plan is what it is: the active one, or that of a remembered epoch.

    `privacy`: beside it, how well inputs are reconstructed from what leaves the board, which takes seconds.
    """

    name: ModelName
    epoch: Epoch = Epoch(0)
    board: DeviceId = DeviceId("")
    privacy: bool = False


@dataclass(frozen=True)
class ShowStatus:
    """Ask for everything on one screen."""


@dataclass(frozen=True)
class ShowEvents:
    """Ask for what changed, oldest first; with `follow` also for what changes from now on, a document each.

    Attributes:
        since: the serial of a change: only later ones. age: at most so many seconds old; 0 for any.
        follow: go on telling until the caller hangs up.
        model, device, kind: only what is about these; "" for all.
    """

    since: int = 0
    age: float = 0.0
    follow: bool = False
    model: ModelName = ModelName("")
    device: DeviceId = DeviceId("")
    kind: str = ""


@dataclass(frozen=True)
class CheckDoors:
    """Ask whether the data ports of a device, "" for each attached one, answer where the coordinator is."""

    device: DeviceId = DeviceId("")


AdminCall = (
    ListDevices
    | ListModels
    | ShowModel
    | RemoveModel
    | PushModel
    | Upload
    | ShowProfile
    | Deploy
    | ExplainPlan
    | ShowStatus
    | PinPlan
    | WhatIf
    | ShowEvents
    | DrainDevice
    | RemoveDevice
    | RollBack
    | MoveModel
    | CheckDoors
    | KeyCall
)

_CALLS_OF_MINOR_1 = (
    *(PinPlan, WhatIf, ShowEvents, DrainDevice, RemoveDevice, RollBack, MoveModel, CheckDoors),
    *typing.get_args(KeyCall),
)
_SINCE_MINOR_1: dict[type, tuple[str, ...]] = {
    RemoveModel: ("dry_run",),
    ShowProfile: ("refresh",),
    Deploy: ("wishes", "refresh", "queue", "replicas", "canary", "fixed"),
    ExplainPlan: ("epoch", "board", "privacy"),
}


def least_minor(call: AdminCall) -> int:
    """Return the least minor version of the protocol that has all of `call`: an older coordinator overlooks the rest.

    What is overlooked may be that nothing shall happen (`dry_run`), or that a tensor shall stay on the board.
    """
    if isinstance(call, _CALLS_OF_MINOR_1):
        return 1
    plain = {field.name: field.default for field in dataclasses.fields(call)}
    return int(any(getattr(call, name) != plain[name] for name in _SINCE_MINOR_1.get(type(call), ())))

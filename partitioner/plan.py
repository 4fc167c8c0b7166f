"""The nouns of cutting and planning: tensors, blocks, stages, pages, the plan book.

Law: frozen data, no verbs that compute a plan, no I/O. It imports only `units` and `errors`. These nouns are spoken
by every storey above and travel on the wire (each has a message of the same name and fields in
`protos/lepton_edge/wire/v1/plan.proto`), so a field is added at the end, with a default, and never renamed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from partitioner.units import (
    BlockIndex,
    Bytes,
    CodecName,
    DeviceId,
    ModelName,
    ModelVersion,
    PageName,
    Seconds,
    Sha256,
    TensorName,
)

Dim = int | str  # a known size, or the name of a symbolic dimension ("" when it has none)

LOCAL_PAGE = PageName("local")
QUEUE_POLICIES = ("block", "newest", "oldest")


@dataclass(frozen=True)
class TensorSpec:
    """What a tensor must look like.

    Attributes:
        name: its name in the composed graph.
        dtype: numpy's name of its element type ("float32", "uint8", "int64", "bool", ...).
        shape: one entry a dimension; a string is a symbolic (dynamic) dimension.
        size: its bytes in the model's declared shape bucket (an estimate where a dimension is dynamic).
    """

    name: TensorName
    dtype: str
    shape: tuple[Dim, ...]
    size: Bytes = Bytes(0)


@dataclass(frozen=True)
class WeightRef:
    """Where one initializer lies in the weights blob of its model variant.

    `name` is the initializer's name in the graph, `offset` and `length` are bytes in the blob, `sha256` is of exactly
    those bytes.
    """

    name: TensorName
    offset: Bytes
    length: Bytes
    sha256: Sha256


@dataclass(frozen=True)
class Block:
    """The nodes between two neighbouring frontiers of a book.

    Attributes:
        index: position in the book.
        kind: "onnx" (a graph-only ONNX file over the weights blob) or "decode_picture" (a pseudo-node run by Pillow:
            its one input is uint8 [bytes], an encoded picture; its one output uint8 [height, width, 3], RGB).
        inputs: tensors it reads (all of them in the frontier before it).
        outputs: tensors it makes that somebody outside needs (later blocks, or the caller).
        artifact: sha256 of the block file; empty for pseudo-nodes.
        weights: the initializers it reads from the blob.
        name: what it is, for people ("preprocess", "features/0..5").
    """

    index: BlockIndex
    kind: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    artifact: Sha256 = Sha256("")
    weights: tuple[WeightRef, ...] = ()
    name: str = ""

    @property
    def has_rows(self) -> bool:
        """Whether all that it reads and makes may begin with one dynamic dimension, so that requests may share a run.

        A tensor that lost the dimension's name on its way may still have it; a device proves it before it relies on it.
        """
        return have_rows(*([spec.shape for spec in side] for side in (self.inputs, self.outputs)))


def have_rows(entering: Sequence[tuple[int | str, ...]], leaving: Sequence[tuple[int | str, ...]]) -> bool:
    """Return whether shapes that enter and leave a block may all begin with one dynamic dimension."""
    leading = {shape[0] if shape else 0 for shape in (*entering, *leaving)}
    return bool(entering) and all(isinstance(dim, str) for dim in leading) and len(leading - {""}) == 1


@dataclass(frozen=True)
class Frontier:
    """The tensors that are live at a boundary of a book: made (or given) before it, needed by a block after it."""

    tensors: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class CodecChoice:
    """The codec by which one tensor crosses a boundary."""

    tensor: TensorName
    codec: CodecName


@dataclass(frozen=True)
class Stage:
    """Consecutive blocks [first, last) on one device; `codecs` are for the tensors that leave it forward."""

    device: DeviceId
    first: BlockIndex
    last: BlockIndex
    codecs: tuple[CodecChoice, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """What a page is predicted to cost for one request: seconds by place, bytes by direction.

    `latency` is the sum; `spread` its one-sigma uncertainty. `board` and `cloud` are compute including codec work.
    `bottleneck` is the largest busy time of a device or of a link's direction: pipelined, 1 / bottleneck requests
    are answered a second. `energy` is in joules, from declared watts (0: none declared). `wait` is the part of `cloud`
    for which requests of other boards are waited for.
    """

    latency: Seconds
    board: Seconds
    cloud: Seconds
    uplink: Seconds
    downlink: Seconds
    bytes_up: Bytes
    bytes_down: Bytes
    spread: Seconds = Seconds(0.0)
    bottleneck: Seconds = Seconds(0.0)
    energy: float = 0.0
    wait: Seconds = Seconds(0.0)


@dataclass(frozen=True)
class Page:
    """A plan in a book: an ordered chain of stages, what it is predicted to cost, and why it is there.

    Attributes:
        name: unique in the book ("local", "cloud-raw", "cloud-jpeg", "cut-3", ...).
        stages: in order; a stage may be empty (first == last) when its device only admits and forwards.
        prediction: for the link and the profiles at plan time.
        lower_bound: proven lower bound on the latency of any plan of the space of D1 (same cost model).
        method: what proved it ("min-cut", "enumeration"), empty for a standing candidate.
        reason: one sentence for people.
    """

    name: PageName
    stages: tuple[Stage, ...]
    prediction: Prediction
    lower_bound: Seconds = Seconds(0.0)
    method: str = ""
    reason: str = ""


@dataclass(frozen=True)
class OutputSpec:
    """What the caller gets of one model output.

    `tensor` is the output's name in the pushed model. When the manifest asks for `top_k`, `scores` and `indices` name
    the tensors of the composed graph that hold them (float32 and int64 [batch, k]) and `labels` names an artifact (a
    UTF-8 file, one label a line) or is empty. `keep` says whether the raw tensor itself is returned as well.
    """

    tensor: TensorName
    scores: TensorName = TensorName("")
    indices: TensorName = TensorName("")
    labels: Sha256 = Sha256("")
    keep: bool = True


@dataclass(frozen=True)
class InputSpec:
    """What the caller may give for one model input.

    `tensor` is the pushed model's own input. For a picture, `picture` names the composed graph's uint8
    [height, width, 3] tensor and `encoded` its uint8 [bytes] tensor; both are empty for an array input.
    """

    tensor: TensorSpec
    picture: TensorName = TensorName("")
    encoded: TensorName = TensorName("")


@dataclass(frozen=True)
class Fused:
    """Blocks [first, last) as one block on one device: it computes what they compute one after another.

    A stage that stays pays no inner boundaries by it, and keeps the engine's fusions across them. `block.index` is
    behind those of the book's blocks.
    """

    device: DeviceId
    first: BlockIndex
    last: BlockIndex
    block: Block


@dataclass(frozen=True)
class QueueRule:
    """How requests for a model wait at the agent that admits them; each rule speaks of one caller's requests.

    Attributes:
        policy: "block" (they wait in order), "newest" (a newer one replaces those that still wait: cameras) or
            "oldest" (while one waits, newer ones are refused). What runs is never replaced.
        limit: how many may wait; 0: one with "newest" and "oldest", as many as the agent holds with "block".
        in_flight: how many run at a time, on all stages together; 0: with "newest" and "oldest" as many as keep the
            slowest stage busy, with "block" no bound of its own.
        max_batch: how many requests, of any callers, are computed together at most; 0: the engine chooses, 1: never.
        batch_wait_ms: how many milliseconds one may wait for others to be computed with.
    """

    policy: str = "block"
    limit: int = 0
    in_flight: int = 0
    max_batch: int = 0
    batch_wait_ms: float = 0.0


@dataclass(frozen=True)
class TurnRule:
    """Which pages an entry may take by itself, request by request, and by what it compares them.

    Attributes:
        pages: their names; with fewer than two, requests take the active page and no other (a person's pin).
        latency, bottleneck, energy, egress: prices of what is minimised, as in `solve.problem.Objective`.
        max_latency, max_energy, max_egress: what a page may cost at most (seconds, joules, bytes); below 0: no limit.
    """

    pages: tuple[PageName, ...] = ()
    latency: float = 1.0
    bottleneck: float = 0.0
    energy: float = 0.0
    egress: float = 0.0
    max_latency: float = -1.0
    max_energy: float = -1.0
    max_egress: float = -1.0


@dataclass(frozen=True)
class Replica:
    """A warm one: `device` holds the blocks that `of` holds, and takes its stages when that one fails."""

    device: DeviceId
    of: DeviceId


@dataclass(frozen=True)
class HeldVariant:
    """What one device runs in place of a book's blocks: those of a variant of the model, between the same frontiers.

    Attributes:
        device: who runs it.
        variant, version: which model it is, pushed as a variant of the book's; "" for the book's model itself.
        blocks: one for each block of the book.
        golden, blob, blob_size, tolerance: as in `PlanBook`, of the variant.
        fused, spare: as in `PlanBook`, those of this device.
    """

    device: DeviceId
    variant: str
    blocks: tuple[Block, ...]
    golden: Sha256 = Sha256("")
    blob: Sha256 = Sha256("")
    blob_size: Bytes = Bytes(0)
    tolerance: float = 1e-3
    fused: tuple[Fused, ...] = ()
    spare: tuple[Fused, ...] = ()
    version: ModelVersion = ModelVersion("")


@dataclass(frozen=True)
class Coder:
    """A trained codec: two small graphs for one tensor, run where it leaves a device and where it arrives.

    Attributes:
        codec: its name, which begins with `codecs.TRAINED` and is of these two graphs alone.
        tensor: what it codes, float32.
        code: what travels, uint8; its first dimension may be dynamic, and is then as long as the tensor's.
        encoder, decoder: artifacts: ONNX models of one input and one output, weights included.
    """

    codec: CodecName
    tensor: TensorSpec
    code: TensorSpec
    encoder: Sha256
    decoder: Sha256


@dataclass(frozen=True)
class PlanBook:
    """Pages that share blocks.

    Attributes:
        model, version: which variant of which model.
        blocks: in order; `frontiers[i]` lies before block i and `frontiers[len(blocks)]` is empty.
        inputs, outputs: the doors for callers.
        pages: every page; `active` is the one that requests take, `fallback` the one for when the far side is gone.
        golden: artifact of an .npz with every frontier's tensors and the outputs for one sample input
            (array names are tensor names), or empty.
        blob: sha256 that names the weights blob of the variant.
        blob_size: bytes of the blob.
        tolerance: largest accepted |difference| / max(|golden|) of the golden check.
        fused: stages of the active page as one block each, where memory allows; never needed, only faster.
        queue: how requests wait, and whether they are computed together.
        turning: which pages an entry takes by itself.
        spare: stages of its other pages as one block each; opened in the background where such a page stays.
        replicas: devices that stand in for others, best first.
        smaller: a declared smaller model, whose answers are marked degraded; "" for none.
        variants: devices that run a variant of the model. None is told of them: each is told the book as it holds it.
        coders: the trained codecs that its pages use.
    """

    model: ModelName
    version: ModelVersion
    blocks: tuple[Block, ...]
    frontiers: tuple[Frontier, ...]
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    pages: tuple[Page, ...]
    active: PageName
    fallback: PageName = LOCAL_PAGE
    golden: Sha256 = Sha256("")
    blob: Sha256 = Sha256("")
    blob_size: Bytes = Bytes(0)
    tolerance: float = 1e-3
    fused: tuple[Fused, ...] = ()
    queue: QueueRule = QueueRule()
    turning: TurnRule = TurnRule()
    spare: tuple[Fused, ...] = ()
    replicas: tuple[Replica, ...] = ()
    smaller: ModelName = ModelName("")
    variants: tuple[HeldVariant, ...] = ()
    coders: tuple[Coder, ...] = ()

    def held_by(self, device: DeviceId) -> PlanBook:
        """Return the book as `device` holds it, or as the one does that it stands in for: with its own variant."""
        of = next((one.of for one in self.replicas if one.device == device), device)
        held = next((one for one in self.variants if one.device in (device, of)), None)
        if held is None:
            return replace(self, variants=()) if self.variants else self
        return replace(
            self,
            blocks=held.blocks,
            golden=held.golden,
            blob=held.blob,
            blob_size=held.blob_size,
            tolerance=held.tolerance,
            fused=held.fused,
            spare=held.spare,
            variants=(),
        )

    def page(self, name: PageName) -> Page:
        """Return the page called `name`; raise KeyError when the book has none."""
        for page in self.pages:
            if page.name == name:
                return page
        raise KeyError(name)

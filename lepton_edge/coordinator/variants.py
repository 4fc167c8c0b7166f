"""Which variant of a model each device may run, and the files of a book whose devices run different ones.

Law: runs in the worker process. Each way to give variants to the devices is one problem, which the planner solves
exactly (`partitioner.book.joint`); here they are listed, and what was chosen is cut.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.extrapolation import whole
from lepton_edge.coordinator.options import book_options
from lepton_edge.coordinator.records import PlanOrder, VariantOrder
from lepton_edge.coordinator.trials import keep_golden
from partitioner.book import BookOptions, Draft, Piece
from partitioner.book.bridging import with_bridges
from partitioner.book.joint import bridges, joint_model, over_joint, sizes_of
from partitioner.book.meeting import Meeting, meeting
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile
from partitioner.errors import InvalidProblem
from partitioner.graph import CostGraph, CostTensor, frontiers
from partitioner.onnx_io import CutBlock, Cutter, load_compiled
from partitioner.onnx_io.bridge import Bridges, bridged
from partitioner.plan import Fused, HeldVariant, PlanBook
from partitioner.profile import golden
from partitioner.profile.chained import chained
from partitioner.profile.variant_loss import variant_loss
from partitioner.units import DeviceId, ModelVersion, Sha256, TensorName


@dataclass(frozen=True)
class Variant:
    """A compiled variant and where it lies; `name` is "" for the model itself.

    `version` is the variant's own, whatever the model says that it stands in for.
    """

    name: str
    directory: Path
    compiled: CompiledModel

    @property
    def version(self) -> ModelVersion:
        """The version of the variant; "" for the model itself, whose version is the book's."""
        return self.compiled.version if self.name else ModelVersion("")


@dataclass(frozen=True)
class Cast:
    """Who runs which variant, as one problem for the planner.

    `planned` is the model as the planner sees it, `order` has the profiles over its layers. `met` says where the
    variants meet, where they differ; the model itself is its first.
    """

    board: Variant
    cloud: Variant
    planned: CompiledModel
    order: PlanOrder
    met: Meeting | None = None

    @property
    def of(self) -> tuple[Variant, Variant]:
        """The variants in the order in which they meet: the model itself first."""
        return (self.cloud, self.board) if self.board.name else (self.board, self.cloud)

    @property
    def label(self) -> str:
        """Return what runs where, for people ("int8 on the board, the model itself in the cloud")."""
        near, far = (one.name or "the model itself" for one in (self.board, self.cloud))
        if self.met is not None:
            return f"{near} on the board, {far} in the cloud"
        return f"{near} on both" if self.order.board and self.order.cloud else near


def casts(base: Variant, order: PlanOrder) -> Iterator[Cast]:
    """Yield the ways to give the devices variants of the model that were measured on them; the model alone first."""
    yield Cast(base, base, base.compiled, order)
    for one in order.variants:
        yield from _of_variant(base, one, order)


def options_of(cast: Cast) -> BookOptions:
    """Return what is asked of the book of a cast; each device counts the weights of the variant that it runs.

    Raises InvalidProblem for a wish that cannot be meant.
    """
    options = book_options(cast.order)
    if cast.met is None:
        return options
    near, far = (sizes_of(one.compiled) for one in (cast.board, cast.cloud))
    return dataclasses.replace(options, board_weights=near, cloud_weights=far)


def precisions(cast: Cast) -> dict[str, str]:
    """Return in which precision each device computes, by role, for people."""
    roles = {"board": (cast.order.board, cast.board), "cloud": (cast.order.cloud, cast.cloud)}
    return {role: _precision(one.compiled) for role, (there, one) in roles.items() if there is not None}


def _precision(compiled: CompiledModel) -> str:
    names = {name.rpartition("/")[2] for name in compiled.operators}
    if compiled.integers or "QuantizeLinear" in names:
        return "int8"
    if not names.isdisjoint({"DynamicQuantizeLinear", "MatMulIntegerToFloat", "MatMulInteger"}):
        return "int8 weights"
    if "MatMulNBits" in names:
        return "weights of few bits"
    return "float16" if any(one.dtype == "float16" for one in compiled.graph.tensors) else "float32"


def strangers(base: Variant, order: PlanOrder) -> list[str]:
    """Return what is said to be a variant and is none, or not of this version, as sentences that say why."""
    old = [
        f"{name} is a variant of another version of {base.compiled.name}: make it anew of this one, and push it"
        for name in order.outdated
    ]
    return old + _apart(base, order)


def _apart(base: Variant, order: PlanOrder) -> list[str]:
    whys = {
        one.model: _why_apart(base.compiled, _loaded(base, one, order).compiled) for one in order.variants
    }
    return [
        f"{name} is called a variant of {base.compiled.name}, but {why}" for name, why in whys.items() if why
    ]


def _why_apart(base: CompiledModel, other: CompiledModel) -> str:
    try:
        meeting(base, other)
    except InvalidProblem as error:
        return error.message
    return ""


def chosen_by(cast: Cast, base: Variant, order: PlanOrder) -> bool:
    """Return whether the devices run what a person chose for them, if anything."""
    own = str(base.compiled.name)
    near = order.wishes.board_variant if order.board or order.board_estimate else ""
    far = order.wishes.cloud_variant if order.cloud or order.cloud_estimate else ""
    return all(wish in ("", one.name or own) for one, wish in ((cast.board, near), (cast.cloud, far)))


def _of_variant(base: Variant, one: VariantOrder, order: PlanOrder) -> Iterator[Cast]:
    variant = _loaded(base, one, order)
    one = _whole(one, variant.compiled.graph)
    within = _within_loss(base, variant, order)
    if within is None or _why_apart(base.compiled, variant.compiled):
        return
    if (one.board is None) == (order.board is None) and (one.cloud is None) == (order.cloud is None):
        both = dataclasses.replace(within, board=one.board, cloud=one.cloud)
        yield _cast(variant, variant, _named(variant.compiled, base.compiled), both)
    if order.board is not None and order.cloud is not None:
        yield from _mixed(base, variant, within, one)


def _whole(one: VariantOrder, graph: CostGraph) -> VariantOrder:
    """Return the variant with profiles of all its layers: a device with little memory measures the first ones only."""
    board, cloud = whole(one.board, one.cloud, graph), whole(one.cloud, one.board, graph)
    return dataclasses.replace(one, board=board, cloud=cloud)


def _loaded(base: Variant, one: VariantOrder, order: PlanOrder) -> Variant:
    folder = base.directory.parent.parent / one.model / one.version
    return Variant(str(one.model), folder, load_compiled(folder).as_known_by(order.minor))


def _cast(
    board: Variant, cloud: Variant, planned: CompiledModel, order: PlanOrder, met: Meeting | None = None
) -> Cast:
    """Return the cast; of the operators that a device lacks only those count that its own variant has."""
    wishes = order.wishes
    operators = [_operators(one.compiled) for one in (board, cloud)]
    lacks = [
        tuple(one for one in lacked if one in own or one not in operators[0] | operators[1])
        for own, lacked in zip(operators, (wishes.board_lacks, wishes.cloud_lacks), strict=True)
    ]
    wishes = dataclasses.replace(wishes, board_lacks=lacks[0], cloud_lacks=lacks[1])
    return Cast(board, cloud, planned, dataclasses.replace(order, wishes=wishes), met)


def _operators(compiled: CompiledModel) -> set[str]:
    return {one for layer in compiled.graph.layers for one in layer.operators}


def _within_loss(base: Variant, variant: Variant, order: PlanOrder) -> PlanOrder | None:
    """Return the order with what a limit on loss leaves for codecs beside the variant; None where it leaves nothing.

    The variant's own loss is measured on all of it, and counts whole wherever it runs.
    """
    most = order.wishes.max_loss
    if most < 0:
        return order
    loss = variant_loss((base.directory, base.compiled), (variant.directory, variant.compiled))
    if loss is None or loss > most:
        return None
    return dataclasses.replace(order, wishes=dataclasses.replace(order.wishes, max_loss=most - loss))


def _mixed(base: Variant, variant: Variant, order: PlanOrder, one: VariantOrder) -> Iterator[Cast]:
    """Yield the variant on one of two devices, where it was measured, and the model itself on the other."""
    met = meeting(base.compiled, variant.compiled)
    planned = joint_model(base.compiled, variant.compiled, met)

    def told(profile: DeviceProfile, which: int, other: DeviceProfile | None) -> DeviceProfile:
        mine, theirs = ((base, variant), (variant, base))[which]
        crossing = bridges(which, mine.compiled, theirs.compiled, met)
        bridged = with_bridges(profile, mine.compiled.graph, crossing, other)
        return over_joint(bridged, which, met, planned.graph)

    if one.board is not None and order.cloud is not None:
        near, far = told(one.board, 1, order.board), told(order.cloud, 0, one.cloud)
        yield _cast(variant, base, planned, dataclasses.replace(order, board=near, cloud=far), met)
    if one.cloud is not None and order.board is not None:
        near, far = told(order.board, 0, one.board), told(one.cloud, 1, order.cloud)
        yield _cast(base, variant, planned, dataclasses.replace(order, board=near, cloud=far), met)


def _named(compiled: CompiledModel, base: CompiledModel) -> CompiledModel:
    """Return a variant as it stands in for the model: under its name."""
    return dataclasses.replace(
        compiled, name=base.name, version=base.version, queue=base.queue, smaller=base.smaller
    )


def held(cast: Cast, draft: Draft, tolerance: float, artifacts: Artifacts) -> tuple[HeldVariant, HeldVariant]:
    """Cut what each device runs of a book whose devices run different variants, and keep the files.

    The first is what the model itself runs, the second what the variant does.
    """
    whose = (draft.cloud, draft.board) if cast.board.name else (draft.board, draft.cloud)
    first, second = (_Cutting(cast, draft, which) for which in (0, 1))
    return (
        first.held(whose[0], tolerance, artifacts),
        second.held(whose[1], tolerance, artifacts),
    )


def shared(variant: Variant, book: PlanBook, devices: Sequence[DeviceId]) -> tuple[HeldVariant, ...]:
    """Return what `devices` hold of a book whose blocks are all of one variant: the blocks, and their own pieces."""
    return tuple(
        HeldVariant(
            device, variant.name, book.blocks, book.golden, book.blob, book.blob_size, book.tolerance,
            tuple(one for one in book.fused if one.device == device),
            tuple(one for one in book.spare if one.device == device),
            variant.version,
        )
        for device in devices
        if device
    )  # fmt: skip


class _Cutting:
    """One variant of a cast, cut at a draft's boundaries."""

    def __init__(self, cast: Cast, draft: Draft, which: int) -> None:
        if cast.met is None:
            raise AssertionError("devices of one variant share their blocks")
        self._variant, self._draft, self._planned = cast.of[which], draft, cast.planned
        self._cutter = Cutter(self._variant.directory, self._variant.compiled)
        self._sets = [cast.met.down_set(which, one) for one in draft.boundaries]
        other = cast.of[1 - which].compiled
        self._bridges: Bridges = bridges(which, self._variant.compiled, other, cast.met)

    def held(self, device: DeviceId, tolerance: float, artifacts: Artifacts) -> HeldVariant:
        """Return what `device` runs, its files kept."""
        count = len(self._sets) - 1
        cuts = [self._block(index, index, index + 1) for index in range(count)]
        fused = self._pieces(device, self._draft.chosen.pieces, count)
        spare = self._pieces(device, self._draft.spare, count + len(self._draft.chosen.pieces))
        for one in [*cuts, *(cut for _, cut in (*fused, *spare))]:
            if one.file:
                artifacts.put(one.file)
        compiled = self._variant.compiled
        return HeldVariant(
            device,
            self._variant.name,
            tuple(one.block for one in cuts),
            self._golden(cuts, artifacts),
            compiled.blob,
            compiled.blob_size,
            tolerance,
            tuple(piece for piece, _ in fused),
            tuple(piece for piece, _ in spare),
            self._variant.version,
        )

    def _block(self, number: int, first: int, last: int) -> CutBlock:
        return bridged(self._cutter.block(number, self._sets[first], self._sets[last]), self._bridges)

    def _pieces(self, device: DeviceId, pieces: Sequence[Piece], number: int) -> list[tuple[Fused, CutBlock]]:
        found = []
        for index, piece in enumerate(pieces, number):
            if piece.device == device:
                cut = self._block(index, piece.first, piece.last)
                found.append((Fused(device, piece.first, piece.last, cut.block), cut))
        return found

    def _golden(self, cuts: Sequence[CutBlock], artifacts: Artifacts) -> Sha256:
        """Keep what the blocks make one after another, of the first sample."""
        names = self._crossing()
        if not self._bridges:
            return keep_golden(self._variant.directory, self._variant.compiled, names, artifacts)
        own = {one.name for one in self._variant.compiled.graph.tensors}
        doors = golden(
            self._variant.directory, self._variant.compiled, sorted(names & own & self._before(cuts))
        )
        made = chained(self._variant.directory, cuts, doors)
        buffer = io.BytesIO()
        np.savez(buffer, **{name: made[name] for name in sorted(names)})  # type: ignore[arg-type]
        return artifacts.put(buffer.getvalue())

    def _before(self, cuts: Sequence[CutBlock]) -> set[TensorName]:
        """Return what is there before the first block that an engine runs: given, or made by Pillow."""
        made = {spec.name for one in cuts if one.file for spec in one.block.outputs}
        return {spec.name for one in cuts for spec in (*one.block.inputs, *one.block.outputs)} - made

    def _crossing(self) -> set[TensorName]:
        graph = self._planned.graph
        borders: Sequence[Sequence[CostTensor]] = frontiers(graph, self._draft.boundaries)
        outputs = {tensor.name for tensor in graph.tensors if tensor.is_output}
        return outputs | {tensor.name for border in borders for tensor in border}

"""From measurements to a plan book: draft, cut at its boundaries, keep the files, explain.

Law: runs in the worker process; only the order of the steps. The arithmetic is `partitioner.book`'s.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.extrapolation import completed, is_partial
from lepton_edge.coordinator.fusing import fuse
from lepton_edge.coordinator.jobs import PlanJob
from lepton_edge.coordinator.options import as_loaded, as_supposed, guessed, with_wait
from lepton_edge.coordinator.records import PlanOrder, VariantOrder
from lepton_edge.coordinator.trials import keep_golden, kept_coders
from lepton_edge.coordinator.variants import (
    Cast,
    Variant,
    casts,
    chosen_by,
    held,
    options_of,
    precisions,
    shared,
    strangers,
)
from lepton_edge.core.errors import InvalidInput
from partitioner.book import Draft, make_book
from partitioner.book.choice import value
from partitioner.compiled import CompiledModel
from partitioner.errors import LeptonError, NoFeasiblePlan
from partitioner.graph import CostTensor, frontiers
from partitioner.nouns_json import to_json
from partitioner.onnx_io import cut, load_compiled
from partitioner.plan import QUEUE_POLICIES, Frontier, HeldVariant, PlanBook, QueueRule, TensorSpec, TurnRule
from partitioner.report import explain
from partitioner.units import TensorName

Tell = Callable[[str, int, int, str], None]

FRONT_SECONDS = 3.0  # a plan is not kept waiting for a longer Pareto front
TOLERANCE = 1e-3
QUANTIZED_TOLERANCE = 5e-2
"""Of quantized models: fusing Quantize and Dequantize flips roundings, a step is seen at the output."""


def say_nothing(stage: str, done: int, total: int, message: str) -> None:
    """Hear of progress, and tell nobody."""


def make_plan(
    job: PlanJob, artifacts: Artifacts, tell: Tell = say_nothing
) -> tuple[PlanBook | None, dict[str, Any]]:
    """Return the book, its files kept as artifacts, and the document that explains it.

    Without a book where only the explanation is asked for. `tell` hears what a person should know of how it will run.
    Raises NoFeasiblePlan, InvalidProblem or ProfileError.
    """
    base = _base(job)
    cast, draft, ways = _chosen(base, job.order)
    order, options = cast.order, options_of(cast)
    document = explain(cast.planned, draft, order.board, order.cloud, order.link, options=options)
    for told in draft.chosen.blockwise:
        tell("planning", 0, 0, told)
    document["estimated"] = [*dict.fromkeys([*guessed(order), *_partial(base, job.order)])]
    document["queue"] = to_json(_queue(base.compiled.queue, order.queue))
    document["load"] = to_json(order.load)
    document["variants"] = ways
    document["notes"] += strangers(base, job.order)
    if order.explain_only:
        return None, document
    return _book(cast, draft, artifacts), document


Considered = tuple[Cast, Draft]


def _chosen(base: Variant, order: PlanOrder) -> tuple[Cast, Draft, dict[str, Any]]:
    """Return the best way to give the devices variants, its draft, and what to tell of the others."""
    chosen = order.wishes.board_variant or order.wishes.cloud_variant
    if not (order.variants or chosen):
        cast = Cast(base, base, base.compiled, _ready(order, base.compiled))
        return cast, _with_front(cast) if order.front else _drafted(cast), {}
    considered = _considered(base, order)
    cast, draft = min(considered, key=lambda one: value(one[1].objective, one[1].chosen.page.prediction))
    return cast, _with_front(cast) if order.front else draft, told_variants(cast, considered)


def _base(job: PlanJob) -> Variant:
    directory = Path(job.directory)
    return Variant("", directory, load_compiled(directory).as_known_by(job.order.minor))


def _ready(order: PlanOrder, compiled: CompiledModel) -> PlanOrder:
    """Return the order with whole profiles, as supposed and as loaded, those of variants too."""
    ready = as_loaded(_completed(as_supposed(order), compiled)[0])
    return dataclasses.replace(ready, variants=tuple(_as_ready(order, one) for one in order.variants))


def _as_ready(order: PlanOrder, one: VariantOrder) -> VariantOrder:
    own = dataclasses.replace(order, board=one.board or order.board, cloud=one.cloud or order.cloud)
    own = as_loaded(as_supposed(own))
    return dataclasses.replace(
        one, board=own.board if one.board else None, cloud=own.cloud if one.cloud else None
    )


def _partial(base: Variant, order: PlanOrder) -> list[str]:
    return _completed(as_supposed(order), base.compiled)[1]


def _considered(base: Variant, order: PlanOrder) -> list[Considered]:
    """Return a draft for each way to give the devices variants; raises why the model itself cannot run if none can."""
    wanted = [cast for cast in casts(base, _ready(order, base.compiled)) if chosen_by(cast, base, order)]
    if not wanted:
        raise NoFeasiblePlan(
            "the variants that were chosen were not all measured on these devices, or do not meet",
            "measure them: lepton-edge deploy VARIANT --dry-run; or choose less with --variant",
        )
    drafts = [(cast, _draft(cast)) for cast in wanted]
    found = [(cast, draft) for cast, draft in drafts if isinstance(draft, Draft)]
    if not found:
        raise next(draft for _, draft in drafts if isinstance(draft, LeptonError))
    return found


def _draft(cast: Cast) -> Draft | LeptonError:
    """Return the draft, or why there is none: a wish that this way cannot keep, or that cannot be meant of it."""
    try:
        return _drafted(cast)
    except LeptonError as error:
        return error


def _with_front(cast: Cast) -> Draft:
    enough = time.monotonic() + FRONT_SECONDS
    return _drafted(cast, stop=lambda: time.monotonic() > enough)


def _drafted(cast: Cast, stop: Callable[[], bool] | None = None) -> Draft:
    order = cast.order
    return make_book(cast.planned, order.board, order.cloud, order.link, options_of(cast), stop=stop)


def told_variants(cast: Cast, considered: Sequence[Considered]) -> dict[str, Any]:
    """Return who runs which variant, and what every way to give them would take (seconds)."""
    ways = [(one, draft.chosen.page) for one, draft in considered]
    return {
        "board": cast.board.name,
        "cloud": cast.cloud.name,
        "label": cast.label,
        "precisions": precisions(cast),
        "ways": [
            {
                "label": one.label,
                "page": page.name,
                "seconds": page.prediction.latency,
                "board": one.board.name,
                "cloud": one.cloud.name,
            }
            for one, page in ways
        ],
    }


def _book(cast: Cast, draft: Draft, artifacts: Artifacts) -> PlanBook:
    """Cut the model at the draft's boundaries, and keep the files."""
    kept_coders(cast.of[0].directory, cast.planned.coders, artifacts)
    if cast.met is None:
        return _shared(cast, draft, artifacts)
    own, variant = held(cast, draft, QUANTIZED_TOLERANCE, artifacts)
    return dataclasses.replace(_outline(cast, draft, own), variants=(variant,))


def _shared(cast: Cast, draft: Draft, artifacts: Artifacts) -> PlanBook:
    directory, compiled = cast.board.directory, cast.planned
    cuts = cut(directory, compiled, draft.inner)
    for one in cuts:
        if one.file:
            artifacts.put(one.file)
    fused, spare = fuse(directory, compiled, draft)
    for _, one in (*fused, *spare):
        artifacts.put(one.file)
    borders = frontiers(compiled.graph, draft.boundaries)
    golden = keep_golden(directory, compiled, _golden_names(compiled, borders), artifacts)
    pieces, others = tuple(one for one, _ in fused), tuple(one for one, _ in spare)
    blocks = tuple(one.block for one in cuts)
    tolerance = _tolerance(compiled)
    alike = HeldVariant(
        draft.board, "", blocks, golden, compiled.blob, compiled.blob_size, tolerance, pieces, others
    )
    book = _outline(cast, draft, alike)
    if not cast.board.name:
        return book
    return dataclasses.replace(book, variants=shared(cast.board, book, (draft.board, draft.cloud)))


def _outline(cast: Cast, draft: Draft, held: HeldVariant) -> PlanBook:
    """Return the book of a draft over the blocks that are `held`."""
    compiled, order = cast.planned, cast.order
    borders = frontiers(compiled.graph, draft.boundaries)
    used = {choice.codec for page in draft.pages for stage in page.stages for choice in stage.codecs}
    return PlanBook(
        compiled.name,
        compiled.version,
        held.blocks,
        tuple(_frontier(border) for border in borders),
        compiled.inputs,
        compiled.outputs,
        tuple(with_wait(page, order.load) for page in draft.pages),
        draft.active,
        draft.fallback,
        held.golden,
        held.blob,
        held.blob_size,
        held.tolerance,
        held.fused,
        _queue(compiled.queue, order.queue),
        turning(draft, order),
        held.spare,
        smaller=compiled.smaller,
        coders=tuple(one for one in compiled.coders if one.codec in used),
    )


def turning(draft: Draft, order: PlanOrder) -> TurnRule:
    """Return which pages the entry may take by itself: none but the active one where a person has chosen that."""
    if order.wishes.own_cut or draft.active == order.page:
        return TurnRule()
    names = tuple(one.page.name for one in draft.candidates if one.in_book and one.eligible)
    prices, limits = draft.objective, draft.limits
    most = (limits.latency, limits.energy, limits.egress)
    return TurnRule(
        names,
        prices.latency,
        prices.bottleneck,
        prices.energy,
        prices.egress,
        *(limit if math.isfinite(limit) else -1.0 for limit in most),
    )


def _queue(rule: QueueRule, policy: str) -> QueueRule:
    """Return the manifest's rule, or the plain one of another policy that was asked for at deployment."""
    if policy in ("", rule.policy):
        return rule
    if policy not in QUEUE_POLICIES:
        raise InvalidInput(f"there is no queue policy {policy!r}", f"known are {', '.join(QUEUE_POLICIES)}")
    return dataclasses.replace(rule, policy=policy, limit=0, in_flight=0)


def _completed(order: PlanOrder, compiled: CompiledModel) -> tuple[PlanOrder, list[str]]:
    """Return the order with whole profiles, and the devices whose profile is partly an estimate."""
    board, cloud, graph = order.board, order.cloud, compiled.graph
    if board is None or cloud is None:
        return order, []
    if is_partial(board, cloud, graph):
        return dataclasses.replace(order, board=completed(board, cloud, graph)), [str(board.device)]
    if is_partial(cloud, board, graph):
        return dataclasses.replace(order, cloud=completed(cloud, board, graph)), [str(cloud.device)]
    return order, []


def _golden_names(compiled: CompiledModel, borders: Sequence[Sequence[CostTensor]]) -> set[TensorName]:
    outputs = {tensor.name for tensor in compiled.graph.tensors if tensor.is_output}
    return outputs | {tensor.name for border in borders for tensor in border}


def _frontier(border: Sequence[CostTensor]) -> Frontier:
    return Frontier(tuple(TensorSpec(one.name, one.dtype, one.shape, one.size) for one in border))


def _tolerance(compiled: CompiledModel) -> float:
    quantized = any("Quantize" in name or "QLinear" in name for name in compiled.operators)
    return QUANTIZED_TOLERANCE if quantized else TOLERANCE

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
from lepton_edge.coordinator.options import as_loaded, as_supposed, book_options, guessed, with_wait
from lepton_edge.coordinator.records import PlanOrder
from lepton_edge.coordinator.trials import keep_golden
from lepton_edge.core.errors import InvalidInput
from partitioner.book import Draft, make_book
from partitioner.compiled import CompiledModel
from partitioner.graph import CostTensor, frontiers
from partitioner.nouns_json import to_json
from partitioner.onnx_io import cut, load_compiled
from partitioner.plan import QUEUE_POLICIES, Frontier, PlanBook, QueueRule, TensorSpec, TurnRule
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
    directory = Path(job.directory)
    compiled = load_compiled(directory).as_known_by(job.order.minor)
    order, partial = _completed(as_supposed(job.order), compiled)
    order = as_loaded(order)
    options, enough = book_options(order), time.monotonic() + FRONT_SECONDS
    draft = make_book(
        compiled, order.board, order.cloud, order.link, options, stop=lambda: time.monotonic() > enough
    )
    document = explain(compiled, draft, order.board, order.cloud, order.link, options=options)
    for told in draft.chosen.blockwise:
        tell("planning", 0, 0, told)
    document["estimated"] = [*dict.fromkeys([*guessed(order), *partial])]
    document["queue"] = to_json(_queue(compiled.queue, order.queue))
    document["load"] = to_json(order.load)
    if order.explain_only:
        return None, document
    return _book(directory, compiled, draft, order, artifacts), document


def _book(
    directory: Path, compiled: CompiledModel, draft: Draft, order: PlanOrder, artifacts: Artifacts
) -> PlanBook:
    """Cut the model at the draft's boundaries, and keep the files."""
    cuts = cut(directory, compiled, draft.inner)
    for one in cuts:
        if one.file:
            artifacts.put(one.file)
    fused, spare = fuse(directory, compiled, draft)
    for _, one in (*fused, *spare):
        artifacts.put(one.file)
    borders = frontiers(compiled.graph, draft.boundaries)
    golden = keep_golden(directory, compiled, _golden_names(compiled, borders), artifacts)
    return PlanBook(
        compiled.name,
        compiled.version,
        tuple(one.block for one in cuts),
        tuple(_frontier(border) for border in borders),
        compiled.inputs,
        compiled.outputs,
        tuple(with_wait(page, order.load) for page in draft.pages),
        draft.active,
        draft.fallback,
        golden,
        compiled.blob,
        compiled.blob_size,
        _tolerance(compiled),
        tuple(one for one, _ in fused),
        _queue(compiled.queue, order.queue),
        turning(draft, order),
        tuple(one for one, _ in spare),
        smaller=compiled.smaller,
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

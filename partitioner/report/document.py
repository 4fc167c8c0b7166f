"""A draft book as one JSON-able document, schema "lepton-edge/plan/1".

Law: reads nouns and writes dicts, lists, strings and numbers; decides and predicts nothing. Times are
seconds, sizes bytes, rates bytes per second, whatever a renderer makes of them. A field is added, never
renamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from partitioner.book import Candidate, Draft, Threshold
from partitioner.book.choice import is_cut
from partitioner.book.crossing import codec_options
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.graph import live_tensors
from partitioner.plan import Page
from partitioner.predict import stage_costs
from partitioner.units import CodecName, PageName, Seconds, TensorName

SCHEMA = "lepton-edge/plan/1"

Document = dict[str, Any]
WireBytes = dict[tuple[TensorName, CodecName], int]

_NONE_MEASURED: Mapping[PageName, Seconds] = {}


def explain(
    compiled: CompiledModel,
    draft: Draft,
    board: DeviceProfile | None,
    cloud: DeviceProfile | None,
    link: LinkProfile | None,
    *,
    measured: Mapping[PageName, Seconds] = _NONE_MEASURED,
) -> Document:
    """Return what was decided and why, what was considered, and what would change the decision.

    `measured` gives, where it is known, the seconds of a page as seen in service.
    """
    wire_bytes = _wire_bytes(compiled, board, cloud)
    rows = [_candidate(compiled, draft, one, measured, wire_bytes) for one in draft.candidates]
    chosen = next(row for row in rows if row["chosen"])
    return {
        "schema": SCHEMA,
        "units": {"time": "seconds", "size": "bytes", "rate": "bytes per second"},
        "model": compiled.name,
        "version": compiled.version,
        "keep_input_on_board": draft.keep_input,
        "page": draft.active,
        "label": chosen["label"],
        "split": is_cut(draft.active),
        "reason": draft.reason,
        "fallback": draft.fallback,
        "best_cut": draft.best_cut,
        "predicted": chosen["predicted"],
        "frontier": chosen["frontier"],
        "candidates": rows,
        "bound": _bound(draft),
        "changes": _changes(draft),
        "link": _link(link),
        "devices": _devices(compiled, draft, board, cloud),
        "boundaries": _boundaries(compiled, draft),
    }


def _wire_bytes(
    compiled: CompiledModel, board: DeviceProfile | None, cloud: DeviceProfile | None
) -> WireBytes:
    if board is None or cloud is None:
        return {}
    options = codec_options(compiled, board, cloud)
    return {(name, one.codec): one.wire_bytes for name, several in options.items() for one in several}


def _candidate(
    compiled: CompiledModel,
    draft: Draft,
    candidate: Candidate,
    measured: Mapping[PageName, Seconds],
    wire_bytes: WireBytes,
) -> Document:
    page = candidate.page
    return {
        "page": page.name,
        "label": candidate.label,
        "chosen": page.name == draft.active,
        "best_cut": page.name == draft.best_cut,
        "in_book": candidate.in_book,
        "eligible": candidate.eligible,
        "why_not": candidate.why_not,
        "predicted": _predicted(page),
        "measured": measured.get(page.name),
        "frontier": _frontier(compiled, candidate, wire_bytes),
    }


def _predicted(page: Page) -> Document:
    one = page.prediction
    return {
        "latency": one.latency,
        "spread": one.spread,
        "board": one.board,
        "cloud": one.cloud,
        "uplink": one.uplink,
        "downlink": one.downlink,
        "bytes_up": one.bytes_up,
        "bytes_down": one.bytes_down,
    }


def _frontier(compiled: CompiledModel, candidate: Candidate, wire_bytes: WireBytes) -> list[Document]:
    tensors = {tensor.name: tensor for tensor in live_tensors(compiled.graph, candidate.down_set)}
    choices = candidate.page.stages[0].codecs
    return [
        {
            "tensor": choice.tensor,
            "dtype": tensors[choice.tensor].dtype,
            "shape": list(tensors[choice.tensor].shape),
            "size": tensors[choice.tensor].size,
            "codec": choice.codec,
            "wire_bytes": wire_bytes.get((choice.tensor, choice.codec), tensors[choice.tensor].size),
        }
        for choice in choices
    ]


def _board_side(draft: Draft, page: Page) -> frozenset[int]:
    return draft.boundaries[page.stages[0].last]


def _bound(draft: Draft) -> Document:
    latency = draft.page(draft.active).prediction.latency
    gap = (latency - draft.lower_bound) / latency if latency > 0 else 0.0
    return {
        "lower_bound": draft.lower_bound,
        "method": draft.method,
        "gap": max(gap, 0.0),
    }


def _changes(draft: Draft) -> Document:
    return {
        "slowdown_flip": draft.flip_slowdown,
        "slower_link": _threshold(draft.slower_link),
        "faster_link": _threshold(draft.faster_link),
    }


def _threshold(threshold: Threshold | None) -> Document | None:
    return None if threshold is None else {"rate": threshold.rate, "page": threshold.page}


def _link(link: LinkProfile | None) -> Document | None:
    if link is None:
        return None
    return {
        "up": link.up,
        "down": link.down,
        "delay_up": link.delay_up,
        "delay_down": link.delay_down,
        "overhead": link.overhead,
        "measured": link.measured,
    }


def _devices(
    compiled: CompiledModel, draft: Draft, board: DeviceProfile | None, cloud: DeviceProfile | None
) -> list[Document]:
    held = _held_layers(draft)
    return [
        _device(compiled, profile, role, held[role])
        for role, profile in (("board", board), ("cloud", cloud))
        if profile is not None and profile.device in {draft.board, draft.cloud}
    ]


def _device(compiled: CompiledModel, profile: DeviceProfile, role: str, layers: Iterable[int]) -> Document:
    return {
        "device": profile.device,
        "role": role,
        "simulated_slowdown": profile.simulated_slowdown,
        "simulated": profile.simulated_slowdown != 1.0,
        "threads": profile.threads,
        "engine": profile.engine,
        "whole": profile.whole.median,
        "whole_spread": profile.whole.spread,
        "runs": profile.whole.runs,
        "request_overhead": profile.overhead,
        "predictor_error": stage_costs(profile, compiled.graph).error,
        "weights": _weights(compiled, layers),
    }


def _held_layers(draft: Draft) -> dict[str, frozenset[int]]:
    """Return the layers that each role holds so that every page of the book can run."""
    if len(draft.page(draft.active).stages) == 1:
        everything = draft.boundaries[-1]
        return {"board": everything, "cloud": everything}
    sides = [_board_side(draft, page) for page in draft.pages]
    return {"board": max(sides, key=len), "cloud": draft.boundaries[-1] - min(sides, key=len)}


def _weights(compiled: CompiledModel, layers: Iterable[int]) -> int:
    names = {name for index in layers for name in compiled.graph.layers[index].weight_names}
    return sum(ref.length for ref in compiled.weights if ref.name in names)


def _boundaries(compiled: CompiledModel, draft: Draft) -> list[Document]:
    return [_boundary(compiled, index, down_set) for index, down_set in enumerate(draft.boundaries)]


def _boundary(compiled: CompiledModel, index: int, down_set: frozenset[int]) -> Document:
    tensors: Sequence[Any] = live_tensors(compiled.graph, down_set)
    return {
        "index": index,
        "behind": compiled.graph.layers[max(down_set)].name if down_set else "",
        "layers": len(down_set),
        "tensors": [tensor.name for tensor in tensors],
        "size": sum(tensor.size for tensor in tensors),
    }

"""The graph of a model as a document: layers where the active page runs them, tensors, frontiers.

Law: as `document.py`'s. Layers are in the graph's own topological order; a renderer may sort them by stage,
which is a topological order too. A graph of more than `MOST_LAYERS` is counted, not listed: a document has a
bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from partitioner.book import Draft
from partitioner.codecs import CODECS
from partitioner.compiled import CompiledModel
from partitioner.graph import CostGraph, CostTensor, live_tensors
from partitioner.plan import CodecChoice, Page, Stage
from partitioner.units import Bytes, CodecName, DeviceId, Seconds, TensorName

Document = dict[str, Any]
WireBytes = Mapping[tuple[TensorName, CodecName], Bytes]
LayerSeconds = Mapping[DeviceId, Sequence[Seconds]]

MOST_LAYERS = 4000


def wire_bytes(compiled: CompiledModel) -> dict[tuple[TensorName, CodecName], Bytes]:
    """Return the bytes on the wire of each tensor by each codec: as measured at push, else by nominal ratio."""
    nominal = {
        (tensor.name, codec.name): Bytes(round(tensor.size / codec.nominal_ratio))
        for tensor in compiled.graph.tensors
        for codec in CODECS.values()
    }
    return nominal | {(one.tensor, one.codec): one.wire_bytes for one in compiled.codecs}


def topology(compiled: CompiledModel, draft: Draft, seconds: LayerSeconds, known: WireBytes) -> Document:
    """Return layers (with the device, stage and block of the active page), tensors and frontiers.

    `seconds` gives each device's seconds of each layer.
    """
    graph = compiled.graph
    page = draft.page(draft.active)
    if len(graph.layers) > MOST_LAYERS:
        return {"count": len(graph.layers), "layers": [], "tensors": [], "frontiers": []}
    return {
        "count": len(graph.layers),
        "layers": _layers(graph, draft, page, seconds),
        "tensors": [_tensor(tensor) for tensor in graph.tensors],
        "frontiers": frontiers_of(graph, draft, page, known),
    }


def frontiers_of(graph: CostGraph, draft: Draft, page: Page, known: WireBytes) -> list[Document]:
    """Return what crosses from each stage of `page` to the next, with the bytes and codecs."""
    everything = len(draft.boundaries) - 1
    pairs = zip(page.stages, page.stages[1:], strict=False)
    return [
        _frontier(graph, (first, second), draft.boundaries[first.last], known)
        for first, second in pairs
        if first.last < everything
    ]


def _frontier(
    graph: CostGraph, stages: tuple[Stage, Stage], down_set: frozenset[int], known: WireBytes
) -> Document:
    first, second = stages
    tensors = live_tensors(graph, down_set)
    rows = [crossing(tensor, first.codecs, known) for tensor in tensors]
    return {
        "from": first.device,
        "to": second.device,
        "layers_before": len(down_set),
        "behind": graph.layers[max(down_set)].name if down_set else "",
        "tensors": rows,
        "size": sum(row["size"] for row in rows),
        "wire_bytes": sum(row["wire_bytes"] for row in rows),
    }


def crossing(tensor: CostTensor, choices: Sequence[CodecChoice], known: WireBytes) -> Document:
    """Return one tensor that crosses, its codec among `choices` (raw when none names it), and its bytes."""
    codec = next((one.codec for one in choices if one.tensor == tensor.name), CodecName("raw"))
    return {
        "tensor": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "size": tensor.size,
        "codec": codec,
        "wire_bytes": known.get((tensor.name, codec), tensor.size),
    }


def _layers(graph: CostGraph, draft: Draft, page: Page, seconds: LayerSeconds) -> list[Document]:
    stages = _stage_of_layers(draft, page)
    blocks = _block_of_layers(draft)
    return [
        {
            "index": layer.index,
            "name": layer.name,
            "nodes": len(layer.nodes),
            "weights": layer.weights,
            "stage": stages[layer.index],
            "device": page.stages[stages[layer.index]].device,
            "block": blocks[layer.index],
            "seconds": {device: each[layer.index] for device, each in seconds.items()},
        }
        for layer in graph.layers
    ]


def _stage_of_layers(draft: Draft, page: Page) -> dict[int, int]:
    return {
        layer: index
        for index, stage in enumerate(page.stages)
        for layer in draft.boundaries[stage.last] - draft.boundaries[stage.first]
    }


def _block_of_layers(draft: Draft) -> dict[int, int]:
    return {
        layer: index
        for index, (first, last) in enumerate(zip(draft.boundaries, draft.boundaries[1:], strict=False))
        for layer in last - first
    }


def _tensor(tensor: CostTensor) -> Document:
    return {
        "name": tensor.name,
        "size": tensor.size,
        "producer": tensor.producer,
        "consumers": list(tensor.consumers),
        "output": tensor.is_output,
    }

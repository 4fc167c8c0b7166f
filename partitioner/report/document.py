"""A draft book as one JSON-able document, schema "lepton-edge/plan/1".

Law: reads nouns and writes dicts, lists, strings and numbers; decides and predicts nothing. Times are
seconds, sizes bytes, rates bytes per second, whatever a renderer makes of them. A field is added, never
renamed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from partitioner.book import BookOptions, Candidate, Draft, Threshold
from partitioner.book.choice import is_cut, value
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.graph import CostGraph, frontiers
from partitioner.plan import Page
from partitioner.predict import StageCosts, stage_costs
from partitioner.report.curves import curve
from partitioner.report.memory import held_layers, memory, own_weights, weights_of
from partitioner.report.proof import proof
from partitioner.report.sentences import noise_lines
from partitioner.report.topology import WireBytes, crossing, topology, wire_bytes
from partitioner.report.why import advice, why_not
from partitioner.units import PageName, Seconds

SCHEMA = "lepton-edge/plan/1"

Document = dict[str, Any]
Profiles = Mapping[str, DeviceProfile]
Costs = Mapping[str, StageCosts]

_NONE_MEASURED: Mapping[PageName, Seconds] = {}
_NO_OPTIONS = BookOptions()


def explain(
    compiled: CompiledModel,
    draft: Draft,
    board: DeviceProfile | None,
    cloud: DeviceProfile | None,
    link: LinkProfile | None,
    *,
    measured: Mapping[PageName, Seconds] = _NONE_MEASURED,
    options: BookOptions = _NO_OPTIONS,
) -> Document:
    """Return what was decided and why, what was considered, and what would change the decision.

    `measured` gives, where it is known, the seconds of a page as seen in service; `options` are the wishes that
    the draft was made with (they tell limits of memory and declared watts).
    """
    profiles = _profiles(draft, board, cloud)
    costs = {role: stage_costs(profile, compiled.graph) for role, profile in profiles.items()}
    known = wire_bytes(compiled)
    rows = [_candidate(compiled, draft, one, measured, known) for one in draft.candidates]
    proven = proof(compiled.graph, draft)
    devices = _devices(compiled, draft, profiles, costs, options)
    return {
        **_decision(compiled, draft, rows),
        "advice": advice(rows, proven, draft.preferred),
        "why_not": why_not(rows, proven),
        "wishes": _wishes(draft, options),
        "watts": _watts(options),
        "bound": _bound(draft),
        "changes": _changes(draft),
        "link": _link(link),
        "devices": devices,
        "notes": [*noise_lines({"model": compiled.name, "devices": devices}), *draft.chosen.blockwise],
        "pieces": [dataclasses.asdict(one) for one in draft.chosen.pieces],
        "memory": memory(compiled, draft, profiles, options),
        "boundaries": _boundaries(compiled, draft),
        "curve": curve(draft, link),
        "graph": topology(compiled, draft, _layer_seconds(profiles, costs), known),
        **proven,
    }


def _decision(compiled: CompiledModel, draft: Draft, rows: Sequence[Document]) -> Document:
    chosen = next(row for row in rows if row["chosen"])
    return {
        "schema": SCHEMA,
        "units": {"time": "seconds", "size": "bytes", "rate": "bytes per second", "energy": "joules"},
        "model": compiled.name,
        "version": compiled.version,
        "keep_input_on_board": draft.keep_input,
        "page": draft.active,
        "preferred": draft.preferred,
        "label": chosen["label"],
        "split": chosen["split"],
        "reason": draft.reason,
        "fallback": draft.fallback,
        "best_cut": draft.best_cut,
        "predicted": chosen["predicted"],
        "measured": chosen["measured"],
        "frontier": chosen["frontier"],
        "candidates": rows,
    }


def _profiles(draft: Draft, board: DeviceProfile | None, cloud: DeviceProfile | None) -> Profiles:
    """Return the profile of each role that the draft has a device for."""
    there = {draft.board, draft.cloud}
    both = (("board", board), ("cloud", cloud))
    return {role: profile for role, profile in both if profile is not None and profile.device in there}


def _layer_seconds(profiles: Profiles, costs: Costs) -> dict[Any, Sequence[Seconds]]:
    return {profiles[role].device: each.layers for role, each in costs.items()}


def _candidate(
    compiled: CompiledModel,
    draft: Draft,
    candidate: Candidate,
    measured: Mapping[PageName, Seconds],
    known: WireBytes,
) -> Document:
    page = candidate.page
    return {
        "page": page.name,
        "label": candidate.label,
        "chosen": page.name == draft.active,
        "split": _divides(compiled.graph, candidate),
        "keeps_input": _keeps_input(compiled.graph, candidate),
        "best_cut": page.name == draft.best_cut,
        "stages": [{"device": one.device, "first": one.first, "last": one.last} for one in page.stages],
        "in_book": candidate.in_book,
        "eligible": candidate.eligible,
        "why_not": candidate.why_not,
        "fused": candidate.fused,
        "predicted": _predicted(page),
        "value": value(draft.objective, page.prediction),
        "measured": measured.get(page.name),
        "frontier": _frontier(compiled, candidate, known),
    }


def _divides(graph: CostGraph, candidate: Candidate) -> bool:
    """Return whether the page divides the model itself; the person's own cut may as well not."""
    if is_cut(candidate.page.name):
        return True
    model = frozenset(layer.index for layer in graph.layers if not layer.pseudo and not layer.from_input)
    return bool(candidate.down_set & model) and not model <= candidate.down_set


def _keeps_input(graph: CostGraph, candidate: Candidate) -> bool:
    """Return whether nothing crosses that is an input, or made from one by mere preparation."""
    crossing = {choice.tensor for choice in candidate.page.stages[0].codecs}
    given = (one.name for one in graph.tensors if one.producer < 0 or graph.layers[one.producer].from_input)
    return crossing.isdisjoint(given)


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
        "throughput": 1 / one.bottleneck if one.bottleneck > 0 else None,
        "energy": one.energy,
    }


def _frontier(compiled: CompiledModel, candidate: Candidate, known: WireBytes) -> list[Document]:
    tensors = {tensor.name: tensor for tensor in compiled.graph.tensors}
    choices = candidate.page.stages[0].codecs
    return [crossing(tensors[choice.tensor], choices, known) for choice in choices]


def _wishes(draft: Draft, options: BookOptions) -> Document:
    lacks = {"board_lacks": list(options.board_lacks), "cloud_lacks": list(options.cloud_lacks)}
    return {
        "keep_input": draft.keep_input,
        "keep_output": options.keep_output,
        "stay": list(options.stay),
        "first_layers": options.first_layers,
        "own_cut": options.own_cut,
        **{key: names for key, names in lacks.items() if names},
    }


def _watts(options: BookOptions) -> Document:
    """Return the declared power while busy; None where nobody declared any."""
    declared = {"board": options.board_watts, "cloud": options.cloud_watts, "radio": options.radio_watts}
    return {who: watts or None for who, watts in declared.items()}


def _bound(draft: Draft) -> Document:
    """Return the proof: the bound, of the objective (of latency: in seconds), and how far the page is above it."""
    found = value(draft.objective, draft.page(draft.active).prediction)
    gap = (found - draft.lower_bound) / found if found > 0 else 0.0
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
        "via": link.via,
    }


def _devices(
    compiled: CompiledModel, draft: Draft, profiles: Profiles, costs: Costs, options: BookOptions
) -> list[Document]:
    held = held_layers(draft)
    return [
        _device(profile, costs[role].error)
        | {"role": role, "weights": weights_of(compiled, held[role], own_weights(options, role))}
        for role, profile in profiles.items()
    ]


def _device(profile: DeviceProfile, error: float) -> Document:
    return {
        "device": profile.device,
        "simulated_slowdown": profile.simulated_slowdown,
        "simulated": profile.simulated_slowdown != 1.0,
        "estimated_from": profile.estimated_from,
        "threads": profile.threads,
        "engine": profile.engine,
        "whole": profile.whole.median,
        "whole_spread": profile.whole.spread,
        "runs": profile.whole.runs,
        "request_overhead": profile.overhead,
        "predictor_error": error,
    }


def _boundaries(compiled: CompiledModel, draft: Draft) -> list[Document]:
    live = frontiers(compiled.graph, draft.boundaries)
    return [
        {
            "index": index,
            "behind": compiled.graph.layers[max(down_set)].name if down_set else "",
            "layers": len(down_set),
            "tensors": [tensor.name for tensor in tensors],
            "size": sum(tensor.size for tensor in tensors),
        }
        for index, (down_set, tensors) in enumerate(zip(draft.boundaries, live, strict=True))
    ]

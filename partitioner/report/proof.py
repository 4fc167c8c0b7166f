"""What the solver proved, beside what the book chose: objective, limits, rivals, front, regret, as a document.

Law: as `document.py`'s. Whatever the draft does not know is None or empty. Energy comes from watts that a person
declared, and the document says so. An infinity (no limit, no rival) is null, as JSON has no word for it.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from partitioner.book import Candidate, Draft
from partitioner.graph import CostGraph
from partitioner.nouns_json import finite
from partitioner.plan import CodecChoice
from partitioner.solve.plans import Alternative, Costs, Plan
from partitioner.solve.problem import Layout, Limits, Objective
from partitioner.units import DeviceId

Document = dict[str, Any]
Division = tuple[frozenset[int], frozenset[CodecChoice]]


def proof(graph: CostGraph, draft: Draft) -> Document:
    """Return `objective`, `limits`, `plan`, `alternatives`, `flips`, `pareto`, `regret`, and whose energy it is."""
    plan = draft.plan
    found = {
        "objective": {"name": objective_name(draft.objective), **asdict(draft.objective)},
        "limits": _limits(draft.limits),
        "plan": None if plan is None else _plan(graph, plan),
        "alternatives": [_alternative(graph, one) for one in plan.alternatives] if plan else [],
        "flips": [asdict(one) for one in plan.flips] if plan else [],
        "pareto": _front(graph, draft),
        "regret": asdict(draft.regret) if draft.regret else None,
        "energy_is": "declared",
    }
    return dict(finite(found))


def objective_name(objective: Objective) -> str:
    """Return "latency", "throughput", "energy", "egress", or the weights of a sum."""
    wanted = {name: weight for name, weight in asdict(objective).items() if weight}
    if len(wanted) == 1:
        return next(name for name in wanted).replace("bottleneck", "throughput")
    return " + ".join(f"{weight:g} x {name}" for name, weight in wanted.items())


def _limits(limits: Limits) -> Document:
    floor = 1 / limits.bottleneck if limits.bottleneck > 0 else float("inf")
    return {**asdict(limits), "throughput": floor or None}


def _plan(graph: CostGraph, plan: Plan) -> Document:
    return {
        **_costs(plan.costs),
        "stages": _stages(graph, plan.layout),
        "value": plan.value,
        "lower_bound": plan.lower_bound,
        "method": plan.method,
        "gap": plan.gap,
        "margin": plan.margin,
    }


def _costs(costs: Costs) -> Document:
    return {
        "latency": costs.latency,
        "compute": sum(costs.stages),
        "transfer": sum(costs.forward) + sum(costs.home),
        "bottleneck": costs.bottleneck,
        "throughput": costs.throughput,
        "energy": costs.energy,
        "egress": costs.egress,
        "loss": costs.loss,
        "memory": dict(costs.memory),
    }


def _stages(graph: CostGraph, layout: Layout) -> list[Document]:
    return [
        {
            "device": device,
            "layers": len(layers),
            "first": graph.layers[min(layers)].name if layers else "",
            "last": graph.layers[max(layers)].name if layers else "",
        }
        for device, layers in zip(layout.order, layout.stages, strict=False)
    ]


def _alternative(graph: CostGraph, one: Alternative) -> Document:
    return {
        "label": one.label,
        "value": one.value,
        "margin": one.margin,
        "why_not": one.why_not,
        "split": _divides(graph, one.layout),
        "stages": _stages(graph, one.layout),
        **_costs(one.costs),
    }


def _divides(graph: CostGraph, layout: Layout) -> bool:
    """Return whether two stages run parts of the model itself, preparation of its input apart."""
    model = frozenset(layer.index for layer in graph.layers if not layer.pseudo and not layer.from_input)
    return sum(bool(layers & model) for layers in layout.stages) > 1


def _front(graph: CostGraph, draft: Draft) -> list[Document]:
    """Return the front; of plans with one cut and several choices of codecs, the one that the page takes is chosen.

    Where the book has no page like any of them, it is the solver's own plan.
    """
    divisions = [_division(one, draft.board) for one in draft.front]
    known = [_of_page(one) for one in draft.candidates if one.page.name == draft.active]
    known += [_division(draft.plan, draft.board)] if draft.plan else []
    taken = next((one for one in known if one in divisions), None)
    return [
        _on_front(graph, one, chosen=division == taken)
        for one, division in zip(draft.front, divisions, strict=True)
    ]


def _of_page(candidate: Candidate) -> Division:
    codecs = (choice for stage in candidate.page.stages for choice in stage.codecs)
    return candidate.down_set, frozenset(codecs)


def _division(plan: Plan, board: DeviceId) -> Division:
    """Return the layers on the board, and the codec of each tensor that crosses."""
    held = zip(plan.layout.order, plan.layout.stages, strict=True)
    layers = frozenset(layer for device, stage in held if device == board for layer in stage)
    return layers, frozenset(choice for boundary in plan.costs.codecs for choice in boundary)


def _on_front(graph: CostGraph, plan: Plan, *, chosen: bool) -> Document:
    stages = _stages(graph, plan.layout)
    return {
        "label": label_of(stages),
        "chosen": chosen,
        "stages": stages,
        **_costs(plan.costs),
    }


def label_of(stages: list[Document]) -> str:
    """Return "board alone", "all on cloud", or "board to LAYER, rest cloud": where each device hands over."""
    used = [one for one in stages if one["layers"]]
    if len(used) == 1:
        name = used[0]["device"]
        return f"{name} alone" if used[0] is stages[0] else f"all on {name}"
    parts = [f"{one['device']} to {one['last']}" if one["layers"] else one["device"] for one in stages[:-1]]
    return ", ".join([*parts, f"rest {stages[-1]['device']}"]) if parts else "nothing"

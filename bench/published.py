"""Published partitioning instances, solved: `python -m bench.published FILE.json...`, one JSON line a file.

Law: reads two formats, and nothing of a file's own opinion about its answer: the operator and layer graphs of
msr-fiddle/dnn-partitioning (NeurIPS 2020; `nodes`, `edges`, `maxFPGAs`, `maxCPUs`, `maxSizePerFPGA`) and PipeEdge's
schedules (`layers`, `devices`, `microbatch`). A file that is neither, or contradicts itself, ends with status 2 and
a sentence; the files after it are still solved.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

if __package__ in {None, ""}:  # started as a file: the project is one folder up
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from partitioner.errors import InvalidProblem, LeptonError
from partitioner.solve.linked import Chain, LinkedKind, least_chain_bottleneck
from partitioner.solve.loads import least_bottleneck
from partitioner.solve.workload import Kind, Split, Tensor, Workload

Document = Mapping[str, Any]

USAGE = "usage: python bench/published.py FILE.json... (msr-fiddle or PipeEdge; one JSON line a file)"
BAD_INPUT = 2
SAME_COST = 1e-6  # out-edges of a node carry one tensor: their costs may differ by printing only
MEBI = 1024 * 1024
DEVICES_OF_A_KIND = 4  # where a PipeEdge file does not say, as in its README
GOALS = {  # seconds, of the planner's issue
    "msr_bert24_layers": 0.2,
    "msr_resnet50_layers": 1.0,
    "msr_bert3_operators": 10.0,
}


def main(arguments: Sequence[str]) -> int:
    """Solve each file; return the exit status."""
    if not arguments or any(one.startswith("-") for one in arguments):
        print(USAGE, file=sys.stderr)
        return 0 if set(arguments) & {"-h", "--help"} else BAD_INPUT
    return max([answered(Path(name)) for name in arguments])


def answered(path: Path) -> int:
    """Print the row of one file, or what is wrong with it; return the exit status."""
    try:
        print(json.dumps(solved(path)), flush=True)
    except LeptonError as error:
        print(f"{path}: {error}", file=sys.stderr)
        return BAD_INPUT
    return 0


def solved(path: Path) -> dict[str, Any]:
    """Return the row of one file.

    Raises:
        LeptonError: it cannot be read, is of neither format, or has no solution.
    """
    solve = reader(document(path))
    began = time.perf_counter()
    split = solve()
    seconds = time.perf_counter() - began
    goal = GOALS.get(path.stem)
    return {
        "file": path.name,
        "optimum": split.bottleneck,
        "lower_bound": split.lower_bound,
        "seconds": round(seconds, 4),
        "method": split.method,
        "gap": split.gap,
        "devices": len(split.parts),
        "down_sets": split.down_sets,
        "bench": "published",
        "what": f"{path.stem}, {split.down_sets} down-sets",
        "value": round(seconds, 4),
        "unit": "s",
        "compared_with": f"optimum {split.bottleneck:.10g}",
        "goal": goal,
        "met": None if goal is None else seconds <= goal,
    }


def document(path: Path) -> Document:
    """Return the object that a file holds.

    Raises:
        InvalidProblem: it cannot be read, is no JSON, or is no object.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidProblem(f"cannot be read: {error.strerror}", "give a file that exists") from error
    except ValueError as error:
        raise InvalidProblem(f"is no JSON: {error}", "give an instance in JSON") from error
    if not isinstance(found, dict):
        raise InvalidProblem("holds no JSON object", "give an instance of msr-fiddle or PipeEdge")
    return found


def reader(found: Document) -> Callable[[], Split]:
    """Return what solves the instance; the format is told by its fields.

    Raises:
        InvalidProblem: it is of neither format, or a field is missing or wrong.
    """
    try:
        if "nodes" in found and "edges" in found:
            workload = msr_workload(found)
            return lambda: least_bottleneck(workload)
        if "layers" in found and "devices" in found:
            chain = pipeedge_chain(found)
            return lambda: least_chain_bottleneck(chain)
    except KeyError as error:
        raise InvalidProblem(f"lacks {error}", "complete the file") from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidProblem(f"a field is of the wrong kind: {error}", "correct the file") from error
    raise InvalidProblem(
        "is of no known format", "msr-fiddle has 'nodes' and 'edges', PipeEdge 'layers' and 'devices'"
    )


def msr_workload(found: Document) -> Workload:
    """Return an instance of msr-fiddle as a workload of two kinds, accelerators and CPUs; times as in the file."""
    nodes = found["nodes"]
    position = {node["id"]: index for index, node in enumerate(nodes)}
    if len(position) < len(nodes):
        raise InvalidProblem("two nodes have the same id", "ids must be unique")
    lacks = frozenset(index for index, node in enumerate(nodes) if not node["supportedOnFpga"])
    accelerator = Kind(
        "accelerator",
        int(found["maxFPGAs"]),
        tuple(float(node["fpgaLatency"]) for node in nodes),
        lacks,
        capacity=float(found["maxSizePerFPGA"]),
    )
    cpu = Kind("cpu", int(found["maxCPUs"]), tuple(float(node["cpuLatency"]) for node in nodes), pays=False)
    return Workload(
        tuple(float(node.get("size", 0.0)) for node in nodes),
        tuple(tensors(found["edges"], position)),
        (accelerator, cpu),
        tuple(colours(nodes)),
        frozenset(index for index, node in enumerate(nodes) if node.get("isBackwardNode")),
    )


def tensors(edges: Iterable[Document], position: Mapping[Any, int]) -> list[Tensor]:
    """Return what each node makes, for all consumers at once.

    Raises:
        InvalidProblem: an end is unknown, or a node's out-edges carry different costs.
    """
    costs: dict[int, float] = {}
    consumers: dict[int, set[int]] = {}
    for edge in edges:
        for end in ("sourceId", "destId"):
            if edge[end] not in position:
                raise InvalidProblem(
                    f"an edge names node {edge[end]}, which is not there", "correct the edge"
                )
        source, cost = position[edge["sourceId"]], float(edge["cost"])
        if abs(costs.setdefault(source, cost) - cost) > SAME_COST:
            raise InvalidProblem(
                f"the edges out of node {edge['sourceId']} cost {costs[source]:g} and {cost:g}",
                "they carry one tensor: give them one cost",
            )
        consumers.setdefault(source, set()).add(position[edge["destId"]])
    return [Tensor(source, tuple(sorted(found)), costs[source]) for source, found in consumers.items()]


def colours(nodes: Sequence[Document]) -> list[int]:
    """Return a number for each node, equal for equal colour classes; a node without one is alone."""
    numbers: dict[object, int] = {}
    return [
        numbers.setdefault(("class", node["colorClass"]) if "colorClass" in node else ("alone", index), index)
        for index, node in enumerate(nodes)
    ]


def pipeedge_chain(found: Document) -> Chain:
    """Return an instance of PipeEdge as a chain: seconds, bytes."""
    value_bytes = float(found["bytes_per_value"]) * float(found["microbatch"])
    layers = found["layers"]
    counts = device_counts(found)
    kinds = tuple(
        LinkedKind(
            name,
            counts.get(name, DEVICES_OF_A_KIND),
            tuple(float(one) for one in device["layer_seconds"]),
            float(device["memory_MB"]) * MEBI,
            float(device["bandwidth_Mbps"]) * MEBI / 8,
        )
        for name, device in found["devices"].items()
    )
    values = [float(found["input_values"]), *(float(layer["output_values"]) for layer in layers)]
    return Chain(
        tuple(value * value_bytes for value in values),
        tuple(float(layer["memory_MB"]) * MEBI for layer in layers),
        kinds,
    )


def device_counts(found: Document) -> dict[str, int]:
    """Return how many devices of each kind there are: said by the device, or by the file, or nowhere.

    The published file says it beside the expected answer; nothing else is read there.
    """
    beside = found.get("expect")
    said = found.get("devices_available") or (
        beside.get("devices_available") if isinstance(beside, dict) else None
    )
    counts = {name: int(count) for name, count in (said or {}).items()}
    return counts | {name: int(one["count"]) for name, one in found["devices"].items() if "count" in one}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

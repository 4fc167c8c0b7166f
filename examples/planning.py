"""Ask the planner alone: one model, three devices, several wishes; no network, no agent, no coordinator.

Law: uses only what `partitioner` makes public. The model is real; what the devices take is declared by a rule of
thumb (bytes made and read over a memory's speed), not measured. `make demo` leaves the model where it is looked for.

    python examples/planning.py [FILE.onnx]
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from partitioner.errors import LeptonError, NoFeasiblePlan
from partitioner.graph import CostGraph
from partitioner.onnx_io import compile_model
from partitioner.predict import StageCosts
from partitioner.solve import THROUGHPUT, CodecOption, Device, Hop, Limits, Plan, Problem, pareto, solve
from partitioner.units import Bytes, CodecName, DeviceId, ModelName, Seconds, megabits, milliseconds

BOARD, GATEWAY, CLOUD = DeviceId("board"), DeviceId("gateway"), DeviceId("cloud")
SPEED = {BOARD: 0.4e9, GATEWAY: 0.8e9, CLOUD: 6e9}  # bytes a second; requests enter at the first
LAN, WAN = Hop(megabits(40), milliseconds(1)), Hop(megabits(10), milliseconds(15))  # rate, one-way delay
HOPS = {(BOARD, GATEWAY): LAN, (GATEWAY, BOARD): LAN, (GATEWAY, CLOUD): WAN, (CLOUD, GATEWAY): WAN}
NAME, RAW, HALF = ModelName("mobilenetv2"), CodecName("raw"), CodecName("f16")


def main(model: str = ".demo/ingredients/mobilenetv2.onnx") -> None:
    """Ask for the fastest plan, for the one that answers most often, for what lies between, and for too much."""
    try:
        with tempfile.TemporaryDirectory() as into:
            graph = compile_model(Path(model), NAME, Path(into), manifest=None, shapes={}, labels={}).graph
        options = {one.name: codecs(one.size) for one in graph.tensors}
        problem = Problem(graph, tuple(device(name, graph) for name in SPEED), HOPS, options=options)
        show("least latency", solve(problem))
        show("most answers a second", solve(replace(problem, objective=THROUGHPUT)))
        often = Limits(bottleneck=Seconds(1 / 20))  # nobody may be busy for longer than a twentieth
        show("20 answers a second, each as soon as that allows", solve(replace(problem, limits=often)))
        for plan in pareto(problem, ("latency", "bottleneck")):
            print(f"on the Pareto front: {described(plan)}")
        too_much(replace(problem, limits=Limits(latency=milliseconds(5))))
    except LeptonError as error:
        sys.exit(f"{error.message} / what to do: {error.hint}")


def device(name: DeviceId, graph: CostGraph) -> Device:
    """Declare a device: seconds for each layer, a millisecond a request, another for running a part of the model."""
    made = [sum(one.size for one in graph.tensors if one.producer == layer.index) for layer in graph.layers]
    touched = [size + layer.weights for size, layer in zip(made, graph.layers, strict=True)]
    layers = tuple(Seconds(count / SPEED[name]) for count in touched)
    return Device(name, StageCosts(layers, segment=milliseconds(1), overhead=milliseconds(1)))


def codecs(size: Bytes) -> tuple[CodecOption, ...]:
    """Let a tensor travel as it is, or in half precision: half of the bytes, a little loss, (here) no time."""
    return CodecOption(RAW, size), CodecOption(HALF, Bytes(size // 2), loss=0.0005)


def described(plan: Plan) -> str:
    """Return what a plan costs, and who runs how many layers."""
    stages = zip(plan.layout.order, plan.layout.stages, strict=True)
    path = " > ".join(f"{name} {len(layers)}" for name, layers in stages)
    return f"{plan.costs.latency * 1e3:.1f} ms, {plan.costs.throughput:.1f}/s: {path}"


def show(wish: str, plan: Plan) -> None:
    """Print a plan, what is proven about it, its rivals, and what would change it."""
    print(f"{wish}: {described(plan)}")
    print(f"  costs {plan.value:.6f}, and no plan less than {plan.lower_bound:.6f} ({plan.method})")
    rivals = [f"{one.label} {one.margin:+.4f} {one.why_not}".rstrip() for one in plan.alternatives]
    flips = [f"{one.what} x {one.factor:.2f}: as good as {one.label}" for one in plan.flips]
    print("  " + "\n  ".join([*rivals, *flips]))


def too_much(problem: Problem) -> None:
    """Ask for what nobody can do: the refusal says what is to blame, and by how much."""
    try:
        show("an answer within 5 ms", solve(problem))
    except NoFeasiblePlan as error:
        print(f"an answer within 5 ms: refused: {error.message} / what to do: {error.hint}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What is alive while each layer runs, and its scaling to a measured peak."""

from __future__ import annotations

from partitioner.costs import DeviceProfile, Measurement
from partitioner.graph import CostGraph, CostTensor, Layer
from partitioner.predict import activations
from partitioner.units import Bytes, DeviceId, NodeName, Seconds, TensorName


def tensor(name: str, size: int, producer: int, *consumers: int, output: bool = False) -> CostTensor:
    return CostTensor(TensorName(name), "float32", (1,), Bytes(size), producer, consumers, output)


# x -> 0 -a-> 1 -b-> 2 -y->, and a skip s from 0 to 2, and an output o that 0 makes early
GRAPH = CostGraph(
    tuple(Layer(i, NodeName(f"l{i}"), (), Bytes(0), ()) for i in range(3)),
    (
        tensor("x", 100, -1, 0),
        tensor("a", 10, 0, 1),
        tensor("s", 3, 0, 2),
        tensor("o", 1, 0, output=True),
        tensor("b", 20, 1, 2),
        tensor("y", 5, 2, output=True),
    ),
)


def profile(peak: int) -> DeviceProfile:
    time = Measurement(Seconds(1.0), Seconds(0.0), 1)
    return DeviceProfile(DeviceId("board"), time, (), activation_peak=Bytes(peak))


def test_what_is_read_made_or_passes_by_is_alive() -> None:
    assert activations(profile(0), GRAPH) == (114, 34, 29)


def test_a_larger_measured_peak_scales_every_layer() -> None:
    assert activations(profile(228), GRAPH) == (228, 68, 58)


def test_a_smaller_measured_peak_is_not_believed() -> None:
    assert activations(profile(50), GRAPH) == (114, 34, 29)


def test_a_graph_without_layers_has_none() -> None:
    assert activations(profile(50), CostGraph((), ())) == ()

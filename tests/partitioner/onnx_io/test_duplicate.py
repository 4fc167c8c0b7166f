"""What is computed again in every block, and what travels."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from partitioner.manifest import Manifest
from partitioner.onnx_io import compose, generate, infer, load
from partitioner.onnx_io.duplicate import SLACK, Duplication, decide
from partitioner.onnx_io.vertices import Vertices, vertices
from tests.partitioner.onnx_io import handmade


def decided(
    model: onnx.ModelProto, folder: Path, shapes: dict[str, tuple[int, ...]]
) -> tuple[Vertices, Duplication]:
    load.normalise(model)
    symbols = infer.bind(model.graph, shapes)
    feeds = generate.feeds(model.graph, infer.declared(model.graph, symbols))
    types = infer.infer(model, folder, symbols, feeds)
    all_of = vertices(compose.compose(model, types, Manifest()))
    return all_of, decide(all_of)


def names(all_of: Vertices, found: Duplication) -> set[str]:
    return {all_of.all[index].makes[0] for index in found.duplicated}


def reads(all_of: Vertices, found: Duplication, name: str) -> tuple[str, ...]:
    return found.reads[all_of.maker[name].index]


def test_mask_chains_and_shapes_of_what_is_read_anyway(tmp_path: Path) -> None:
    all_of, found = decided(handmade.dynamic_mask(), tmp_path, handmade.SHAPES["mask"])
    assert {"m1", "m2", "m3", "bias"} <= names(all_of, found)
    assert reads(all_of, found, "b1") == ("s1", "mask")
    assert {"rows0", "rows1"} <= names(all_of, found)
    assert not {"h1", "q1", "r1", "b1"} & names(all_of, found)


def test_a_shape_whose_tensor_is_gone_travels_itself(tmp_path: Path) -> None:
    all_of, found = decided(handmade.dynamic_mask(), tmp_path, handmade.SHAPES["mask"])
    assert "target1" not in names(all_of, found)  # q1's Reshape does not read h1
    assert "target1" in reads(all_of, found, "r1")


def test_a_mask_much_smaller_than_its_input_travels_instead(tmp_path: Path) -> None:
    """One number told by a long input: sending the input to every block would cost more."""
    nodes = [
        handmade.node("ReduceSum", "ids", "count", keepdims=0),
        handmade.node("Cast", "count", "length", to=handmade.FLOAT),
        handmade.node("Gather", "table ids", "e", axis=0),
        handmade.node("ReduceMean", "e first", "p", keepdims=0),
        handmade.node("Div", "p length", "y"),
    ]
    weights = [handmade.weight("table", 50, 32), handmade.constant("first", [0, 1])]

    def found_for(length: int) -> set[str]:
        inputs = [handmade.value("ids", ["b", "s"], handmade.INT64)]
        model = handmade.model(nodes, inputs, [handmade.value("y", [32])], weights)
        return names(*decided(model, tmp_path, {"ids": (1, length)}))

    assert "length" in found_for(SLACK // 8)
    assert "length" not in found_for(SLACK // 4)


def test_dequantize_is_always_done_where_it_is_needed(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("q")
    model = onnx.load(str(handmade.quantized_conv_net(folder)))
    all_of, found = decided(model, folder, {})
    dequantizers = [one for one in all_of.all if one.operator == "DequantizeLinear"]
    outputs = set(all_of.outputs)
    assert len(dequantizers) > 5
    assert all((one.index in found.duplicated) != bool(outputs & set(one.makes)) for one in dequantizers)


def test_an_output_is_never_only_a_copy(tmp_path: Path) -> None:
    nodes = [handmade.node("Cast", "ids", "y", to=handmade.FLOAT), handmade.node("Neg", "y", "z")]
    ends = [handmade.value(name, [1, "s"]) for name in ("y", "z")]
    model = handmade.model(nodes, [handmade.value("ids", [1, "s"], handmade.INT64)], ends)
    assert names(*decided(model, tmp_path, {"ids": (1, 4)})) == set()

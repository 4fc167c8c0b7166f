"""Weights in few bits: packed as the engine reads them, in the largest blocks whose answers hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lepton_edge.compress.errors import CompressionRefused
from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.technique import Materials, Sample, Technique
from lepton_edge.compress.techniques import technique, weight_only
from lepton_edge.compress.techniques.weight_only import Form, packed
from tests.lepton_edge.compress.hard_nets import cosine, operators, reader, run, with_weights
from tests.lepton_edge.compress.small_nets import materials, net, weights_of

WEIGHT_ONLY = technique("weight_only")
OPTIONS: dict[str, Value] = {key: values[0] for key, values in WEIGHT_ONLY.choices.items()}
IDS = np.random.default_rng(0).integers(0, 2048, (1, 20))


class Ids:
    def __iter__(self) -> Iterator[Sample]:
        return iter([Sample({"ids": IDS}, "row 0")])

    def __len__(self) -> int:
        return 1


def kit(folder: Path) -> Materials:
    return replace(materials(reader(), folder), calibration=Ids())


def restored(weight: np.ndarray, form: Form) -> np.ndarray:
    """Return what the engine makes of the packed weight: it is asked for the product with the unit matrix."""
    model = with_weights(reader(), w2=weight)
    made = weight_only._blocked(model, form.bits, form.block, form.symmetric)
    made.graph.output[0].CopyFrom(made.graph.output[0])
    keep = [node for node in made.graph.node if node.name == "down"]
    del made.graph.node[:]
    made.graph.node.extend(keep)
    made.graph.input[0].CopyFrom(_float_input(weight.shape[0]))
    made.graph.output[0].CopyFrom(_float_output(weight.shape[1]))
    return run(made, r=np.eye(weight.shape[0], dtype=np.float32)[None])["down"][0]


def _float_input(rows: int):  # type: ignore[no-untyped-def]
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info("r", TensorProto.FLOAT, [1, rows, rows])


def _float_output(columns: int):  # type: ignore[no-untyped-def]
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info("down", TensorProto.FLOAT, [1, None, columns])


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("block", weight_only.BLOCKS)
@pytest.mark.parametrize(("bits", "near"), [(8, 0.02), (4, 0.2)])
@pytest.mark.parametrize("rows", [256, 200])
def test_the_engine_reads_what_was_packed(
    rows: int, bits: int, near: float, block: int, symmetric: bool
) -> None:
    weight = np.random.default_rng(0).uniform(-1, 1.5, (rows, 64)).astype(np.float32)
    assert np.abs(restored(weight, Form(bits, block, symmetric)) - weight).max() < near


def test_two_weights_of_four_bits_share_a_byte() -> None:
    weight = np.random.default_rng(0).standard_normal((96, 10)).astype(np.float32)
    values, scales, zeros = packed(weight, Form(4, 32))
    assert (values.shape, scales.shape, zeros.shape) == ((10, 3, 16), (10, 3), (10, 2))
    assert values.dtype == zeros.dtype == np.uint8


def test_answers_stay_and_the_model_is_not_changed(tmp_path: Path) -> None:
    model = reader()
    before = model.SerializeToString()
    made = WEIGHT_ONLY.apply(model, kit(tmp_path), OPTIONS)
    assert cosine(run(made, ids=IDS)["y"], run(model, ids=IDS)["y"]) > 0.999
    assert operators(made)["MatMulNBits"] == 1  # the other one has too few rows
    assert made.ByteSize() < 0.5 * model.ByteSize()
    assert model.SerializeToString() == before


def test_the_block_is_the_largest_whose_answers_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def block(holds: float) -> int:
        monkeypatch.setattr(weight_only, "HOLDS", {8: holds})
        made = WEIGHT_ONLY.apply(reader(), kit(tmp_path), {**OPTIONS, "tables": False})
        (node,) = (one for one in made.graph.node if one.op_type == "MatMulNBits")
        return next(one.i for one in node.attribute if one.name == "block_size")

    assert block(0.0) == 128
    assert block(1000.0) == 32


def test_without_samples_the_smallest_block_is_taken(tmp_path: Path) -> None:
    none = replace(kit(tmp_path), calibration=weight_only.First(Ids(), 0))
    made = WEIGHT_ONLY.apply(reader(), none, OPTIONS)
    assert any(name.startswith("w1") or name == "w2/8x32/values" for name in weights_of(made))


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    assert isinstance(WEIGHT_ONLY, Technique)
    assert "no MatMul" in WEIGHT_ONLY.refuse(net(), Target())
    with pytest.raises(CompressionRefused, match="3 bits"):
        WEIGHT_ONLY.apply(reader(), kit(tmp_path), {**OPTIONS, "bits": 3})

"""Quantized operators and the step of their outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import numpy_helper

from partitioner.onnx_io.quantized import integer_sides, is_quantized, output_steps
from tests.partitioner.onnx_io import handmade
from tests.partitioner.onnx_io import quantized_pair as quantized


def test_quantized_operators_are_recognised() -> None:
    assert is_quantized(["ai.onnx/Conv", "ai.onnx/QuantizeLinear"])
    assert is_quantized(["com.microsoft/QLinearAdd"])
    assert is_quantized(["ai.onnx/MatMulInteger"])
    assert not is_quantized(["ai.onnx/Conv", "com.microsoft/Gelu"])


def test_the_step_of_a_dequantized_output_is_its_scale(tmp_path: Path) -> None:
    steps = output_steps(handmade.quantized_linear(), tmp_path)
    assert abs(steps["y"] - 0.05) < 1e-6
    assert output_steps(handmade.mlp(), tmp_path) == {}


def test_integers_are_told_with_what_they_stand_for(tmp_path: Path) -> None:
    model = quantized.net(quantized=True)
    sides = integer_sides(model, tmp_path)
    assert [(one.tensor, one.source, one.zero) for one in sides] == [
        (f"b{i}_q", source, 0) for i in range(3) for source in (f"b{i}", f"b{i}_d")
    ]
    assert all(np.float32(one.scale) == quantized.SCALE for one in sides)
    assert integer_sides(quantized.net(), tmp_path) == ()


def test_a_scale_for_each_channel_is_no_single_one(tmp_path: Path) -> None:
    model = quantized.net(quantized=True)
    for constant in model.graph.initializer:
        if constant.name == "scale":
            constant.CopyFrom(numpy_helper.from_array(np.full(quantized.WIDTH, 0.1, np.float32), "scale"))
    assert integer_sides(model, tmp_path) == ()

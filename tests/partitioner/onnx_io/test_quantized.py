"""Quantized operators and the step of their outputs."""

from __future__ import annotations

from pathlib import Path

from partitioner.onnx_io.quantized import is_quantized, output_steps
from tests.partitioner.onnx_io import handmade


def test_quantized_operators_are_recognised() -> None:
    assert is_quantized(["ai.onnx/Conv", "ai.onnx/QuantizeLinear"])
    assert is_quantized(["com.microsoft/QLinearAdd"])
    assert is_quantized(["ai.onnx/MatMulInteger"])
    assert not is_quantized(["ai.onnx/Conv", "com.microsoft/Gelu"])


def test_the_step_of_a_dequantized_output_is_its_scale(tmp_path: Path) -> None:
    steps = output_steps(handmade.quantized_linear(), tmp_path)
    assert abs(steps["y"] - 0.05) < 1e-6
    assert output_steps(handmade.mlp(), tmp_path) == {}

"""What an engine or a checker refuses, turned into the error that names it."""

from __future__ import annotations

import pytest

from partitioner.errors import InvalidModel, UnsupportedOperator
from partitioner.onnx_io import runtime
from partitioner.onnx_io.runtime import refusal
from tests.partitioner.onnx_io import handmade


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("NOT_IMPLEMENTED : Could not find an implementation for Foo(13) node with name 'f'", "ai.onnx/Foo"),
        ("Fatal error: com.acme:Bar(-1) is not a registered function/op", "com.acme/Bar"),
        ("No Op registered for Baz with domain_version of 18", "ai.onnx/Baz"),
    ],
)
def test_an_operator_is_named_with_its_domain(message: str, named: str) -> None:
    error = refusal(message)
    assert isinstance(error, UnsupportedOperator)
    assert named in str(error)


def test_anything_else_is_an_invalid_model_in_one_short_line() -> None:
    error = refusal("first\n  second " + "x" * 1000)
    assert isinstance(error, InvalidModel)
    assert "first second" in error.message
    assert len(error.message) < 450


@pytest.mark.parametrize("opset", [23 + 60, 17])
def test_a_model_that_is_too_new_for_this_engine_is_told_what_it_reads(opset: int) -> None:
    model = handmade.mlp()
    model.opset_import[0].version, model.ir_version = opset, 11 if opset > 23 else 99
    words = r"too new: (Opset 83|IR version 99), and onnxruntime .* reads \d+ at most"
    with pytest.raises(InvalidModel, match=words) as told:
        runtime.open_session(model, runtime.options(None, runtime.OFF))
    assert told.value.hint == "export it with opset 23"

"""What static_int8 makes meets the model that it was made of, wherever its channels were not rescaled."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from lepton_edge.compress.techniques import technique
from partitioner.book.joint import bridges
from partitioner.book.meeting import meeting
from partitioner.manifest import Manifest
from partitioner.onnx_io import compile_model
from tests.lepton_edge.compress import small_nets


@pytest.mark.parametrize("equalize", [False, True])
def test_the_quantized_model_and_the_float_one_meet_at_integers(tmp_path: Path, equalize: bool) -> None:
    own = small_nets.net()
    static = technique("static_int8")
    options = {name: choices[0] for name, choices in static.choices.items()} | {"equalize": equalize}
    made = static.apply(own, small_nets.materials(own, tmp_path), options)
    compiled = []
    for name, model in (("own", own), ("int8", made)):
        onnx.save(model, str(tmp_path / f"{name}.onnx"))
        compiled.append(
            compile_model(
                tmp_path / f"{name}.onnx", name, tmp_path / name, manifest=Manifest(), shapes={}, labels={}
            )
        )
    found = meeting(*compiled)
    crossing = bridges(0, *compiled, found)
    assert crossing, "they meet inside"
    assert all("equalized" not in name for name in crossing)
    if not equalize:
        assert len(found.groups) >= len(compiled[0].graph.layers) - 1

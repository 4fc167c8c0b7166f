"""Half the bytes, the same answers within float16, and inputs and outputs as before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lepton_edge.compress.recipe import Target
from lepton_edge.compress.technique import Technique
from lepton_edge.compress.techniques import technique
from tests.lepton_edge.compress.hard_nets import cosine, kernels, operators, reader, run, with_weights
from tests.lepton_edge.compress.small_nets import materials, weights_of

HALF = technique("half")
IDS = np.random.default_rng(0).integers(0, 2048, (1, 20))


@pytest.mark.parametrize("compute", ["auto", "float32", "float16"])
def test_half_the_bytes_and_the_same_answers(compute: str, tmp_path: Path) -> None:
    model = reader()
    before = model.SerializeToString()
    made = HALF.apply(model, materials(model, tmp_path), {"compute": compute})
    wanted, found = run(model, ids=IDS)["y"], run(made, ids=IDS)["y"]
    assert made.ByteSize() < 0.52 * model.ByteSize()
    assert found.dtype == np.float32
    assert cosine(found, wanted) > 0.99999
    assert model.SerializeToString() == before


def test_stored_weights_are_expanded_when_the_model_is_opened(tmp_path: Path) -> None:
    made = HALF.apply(reader(), materials(reader(), tmp_path), {"compute": "float32"})
    assert operators(made)["Cast"] == 3
    assert kernels(made, tmp_path)["Cast"] == 0


def test_a_target_with_float16_computes_in_it(tmp_path: Path) -> None:
    kit = replace(materials(reader(), tmp_path), target=Target(half=True))
    made = HALF.apply(reader(), kit, {"compute": "auto"})
    assert {weights_of(made)[name].dtype for name in ("w1", "b1")} == {np.dtype(np.float16)}


def test_a_weight_that_float16_cannot_hold_stays(tmp_path: Path) -> None:
    large = weights_of(reader())["w1"].copy()
    large[0, 0] = 1e6
    model = with_weights(reader(), w1=large)
    made = HALF.apply(model, materials(model, tmp_path), {"compute": "float32"})
    np.testing.assert_array_equal(weights_of(made)["w1"], large)


def test_a_model_without_large_weights_is_refused() -> None:
    assert isinstance(HALF, Technique)
    small = reader(rows=8, width=2)
    for one in list(small.graph.initializer):
        if np.prod(one.dims) >= 1024:
            small.graph.initializer.remove(one)
    assert "no large" in HALF.refuse(small, Target())

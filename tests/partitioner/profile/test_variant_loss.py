"""What a variant changes in the answers of its model, on the model's own samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from partitioner.compiled import CompiledModel
from partitioner.onnx_io import load_compiled
from partitioner.profile.variant_loss import variant_loss
from tests.partitioner.onnx_io import quantized_pair

Place = tuple[Path, CompiledModel]


@pytest.fixture
def places(tmp_path: Path) -> tuple[Place, Place]:
    own, variant = quantized_pair.compiled(tmp_path)
    return (own, load_compiled(own)), (variant, load_compiled(variant))


def test_the_loss_is_the_largest_difference_over_the_largest_answer(places: tuple[Place, Place]) -> None:
    own, variant = places
    inputs = np.random.default_rng(2).standard_normal((3, 1, quantized_pair.WIDTH)).astype(np.float32)
    np.savez(own[0] / "samples.npz", **{f"{index}/x": one for index, one in enumerate(inputs)})
    models = [quantized_pair.net(kind).SerializeToString() for kind in (False, True)]
    sessions = [onnxruntime.InferenceSession(one) for one in models]
    losses = []
    for one in inputs:
        wanted, found = (session.run(None, {"x": one})[0] for session in sessions)
        losses.append(np.abs(wanted - found).max() / np.abs(wanted).max())
    assert variant_loss(own, variant) == pytest.approx(max(losses), rel=0.2)
    assert 0 < max(losses) < 0.1
    assert variant_loss(own, own) == 0.0


def test_without_samples_it_is_not_known(places: tuple[Place, Place]) -> None:
    assert variant_loss(*places) is None

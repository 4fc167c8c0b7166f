"""Activations are what the model computes, and golden ones are always there."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from partitioner.errors import InvalidModel
from partitioner.graph import chain
from partitioner.onnx_io import Cutter, runtime
from partitioner.profile import activations, golden
from partitioner.profile.samples import decode_picture
from tests.partitioner.profile.conftest import PICTURE_MANIFEST, classifier, compiled_at, picture


def names_of(compiled):
    return [tensor.name for tensor in compiled.graph.tensors]


def test_an_arrays_activations_are_the_models_own(of_arrays):
    directory, compiled = of_arrays
    session = onnxruntime.InferenceSession(classifier().SerializeToString())
    found = list(activations(directory, compiled, ["x", "logits"]))
    assert len(found) == 4
    for one in found:
        expected = session.run(["logits"], {"x": one["x"]})[0]
        np.testing.assert_allclose(one["logits"], expected, rtol=1e-4, atol=1e-5)


def test_the_limit_limits(of_arrays):
    assert len(list(activations(*of_arrays, ["x"], limit=2))) == 2


def test_a_picture_gives_every_tensor_of_the_composed_graph(of_pictures):
    directory, compiled = of_pictures
    found = golden(directory, compiled, names_of(compiled))
    assert found["x@encoded"].tobytes() == picture(0).tobytes()
    assert found["x@picture"].shape == (60, 80, 3)
    assert set(found) == set(names_of(compiled))
    for tensor in compiled.graph.tensors:
        assert found[tensor.name].dtype == tensor.dtype


def test_every_block_computes_golden_tensors_from_golden_tensors(of_pictures):
    directory, compiled = of_pictures
    found = golden(directory, compiled, names_of(compiled))
    line = chain(compiled.graph)
    cutter = Cutter(directory, compiled)
    for index in range(1, len(line) - 1):
        cut = cutter.block(index, line[index], line[index + 1])
        session = runtime.open_session(cut.file, runtime.options(directory, runtime.FULL))
        made = runtime.run(session, {spec.name: found[spec.name] for spec in cut.block.inputs})
        for name, array in made.items():
            np.testing.assert_allclose(array, found[name], rtol=1e-3, atol=1e-4)


def test_without_samples_golden_inputs_are_made_up_and_always_the_same(without_samples):
    directory, compiled = without_samples
    assert list(activations(directory, compiled, ["logits"])) == []
    first, second = [golden(directory, compiled, names_of(compiled)) for _ in range(2)]
    assert set(first) == set(names_of(compiled))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])


def test_an_array_sample_of_a_picture_model_still_gives_golden_pictures(tmp_path):
    sample = np.zeros((1, 3, 32, 32), np.float32)
    from tests.partitioner.profile.conftest import PICTURE_MANIFEST

    directory, compiled = compiled_at(tmp_path, PICTURE_MANIFEST, [sample])
    assert golden(directory, compiled, ["x@encoded", "logits@scores"])["x@encoded"].ndim == 1
    np.testing.assert_array_equal(golden(directory, compiled, ["x"])["x"], sample)


def test_a_broken_sample_picture_is_a_typed_error(of_pictures):
    directory, compiled = of_pictures
    np.savez(directory / "samples.npz", **{"0/x": picture(0)[:200]})
    with pytest.raises(InvalidModel, match="decoded"):
        golden(directory, compiled, ["x@picture"])


def test_the_golden_sample_of_decoded_pictures_has_them_encoded_as_well(tmp_path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (20, 24, 3), np.uint8)
    folder, compiled = compiled_at(tmp_path, PICTURE_MANIFEST, [pixels])
    made = golden(folder, compiled, ["x@encoded", "x@picture", "x"])
    np.testing.assert_array_equal(made["x@picture"], pixels)
    np.testing.assert_array_equal(decode_picture(made["x@encoded"]), pixels)
    assert made["x"].shape == (1, 3, 32, 32)

"""Codec loss is measured at the outputs, allowed by the rule, and ends with its budget."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest

from partitioner.codecs import CODECS
from partitioner.manifest import Accuracy
from partitioner.onnx_io import compile_model
from partitioner.onnx_io.coders import add_coders, file_digest
from partitioner.profile import activations, lossy, measure, measure_codecs
from partitioner.profile.lossy import journey
from partitioner.profile.measure import _loss, _top1_kept, plausible
from tests.partitioner.onnx_io import coded_net
from tests.partitioner.profile.conftest import classifier, picture


def measured(model, rule=None, budget=20.0, progress=lambda *_: None):
    rule = rule or Accuracy()
    found = measure_codecs(*model, budget=budget, rule=rule, progress=progress)
    return {(one.tensor, one.codec): one for one in found.codecs}


def test_every_tensor_that_may_cross_is_measured_by_every_codec_that_holds_it(of_pictures):
    _, compiled = of_pictures
    found = measured(of_pictures)
    assert {("x@resized", "jpeg"), ("x", "f16"), ("x", "u8+zstd"), ("x@encoded", "raw")} <= set(found)
    wanted = {
        (trial.tensor.name, codec.name)
        for trial in plausible(compiled.graph)
        for group in trial.codecs
        for codec in group
        if not codec.behind
    }
    assert set(found) == wanted | {("x@encoded", "raw")}
    assert all(one.samples == 4 for one in found.values())


def test_f16_is_nearly_free_and_u8_costs_more(of_pictures):
    found = measured(of_pictures)
    for (tensor, codec), one in found.items():
        if codec == "f16":
            assert one.loss < 0.005
            assert one.allowed
            assert one.loss <= found[tensor, "u8+zstd"].loss + 1e-6
            assert one.wire_bytes > found[tensor, "u8+zstd"].wire_bytes


def test_codecs_of_one_arithmetic_lose_the_same_and_lossless_ones_nothing(of_pictures):
    found = measured(of_pictures)
    for (tensor, codec), one in found.items():
        if codec in ("u8", "u8+lz4"):
            assert one.loss == found[tensor, "u8+zstd"].loss
        if codec == "f16+sparse":
            assert one.loss == found[tensor, "f16"].loss
        if codec in ("zstd", "sparse", "raw"):
            assert one.loss == 0.0
            assert one.allowed
    assert {codec for _, codec in found} == set(CODECS) - {"bf16"}


def test_bf16_stands_in_where_f16_cannot_hold_a_tensor(of_pictures, monkeypatch):
    monkeypatch.setitem(lossy._ARITHMETIC, "cast_f16", lambda array: None)
    found = measured(of_pictures)
    sizes = {tensor: one.wire_bytes for (tensor, codec), one in found.items() if codec == "f16"}
    assert sizes
    assert all(found[tensor, "bf16"].wire_bytes == size / 2 for tensor, size in sizes.items())


def test_the_encoded_pictures_size_is_the_mean_of_what_was_pushed(of_pictures):
    mean = round(np.mean([picture(seed).nbytes for seed in range(4)]))
    assert measured(of_pictures)["x@encoded", "raw"].wire_bytes == mean


def test_a_strict_rule_allows_only_what_loses_nothing(of_arrays):
    found = measured(of_arrays, Accuracy(max_relative_error=0.0))
    assert found
    assert not any(one.allowed for one in found.values() if one.loss > 0)
    never = measured(of_arrays, Accuracy(1e9, min_top1_kept=1.01))
    assert not any(one.allowed for one in never.values() if not CODECS[one.codec].lossless)
    lenient = measured(of_arrays, Accuracy(max_relative_error=1.0, min_top1_kept=0.0))
    assert all(one.allowed for one in lenient.values())


def test_without_samples_nothing_lossy_is_allowed(without_samples):
    assert measured(without_samples) == {}


def test_no_time_measures_nothing_and_says_so(of_arrays):
    said = []
    found = measured(of_arrays, budget=-1.0, progress=lambda *step: said.append(step))
    assert found == {}
    assert said[-1][0] < said[-1][1]


def test_what_there_was_no_time_for_is_named_in_order(of_arrays, monkeypatch):
    names = [trial.tensor.name for trial in plausible(of_arrays[1].graph)]
    assert len(names) > 2
    assert measure_codecs(*of_arrays, budget=20.0, rule=Accuracy()).unmeasured == ()
    assert measure_codecs(*of_arrays, budget=-1.0, rule=Accuracy()).unmeasured == tuple(names)
    clock = iter([0.0] * 5 + [100.0] * 100)  # two tensors into the work, the time is over
    monkeypatch.setattr(measure, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    found = measure_codecs(*of_arrays, budget=20.0, rule=Accuracy())
    left = len(found.unmeasured)
    assert 0 < left < len(names)
    assert found.unmeasured == tuple(names[-left:])
    assert {one.tensor for one in found.codecs} <= set(names[:-left])


def test_progress_tells_the_number_of_samples_that_are_truly_used(of_pictures):
    said = []
    found = measured(of_pictures, progress=lambda *step: said.append(step))
    used = {one.samples for (_, codec), one in found.items() if codec != "raw"}
    assert {step[2] for step in said} == used == {4}
    assert said[0][0] == 0


def test_the_loss_of_one_codec_is_what_running_the_rest_by_hand_shows(of_arrays):
    directory, compiled = of_arrays
    session = onnxruntime.InferenceSession(classifier().SerializeToString())
    losses = []
    for sample in activations(directory, compiled, ["x"]):
        arrived, _ = journey(CODECS["u8+zstd"], sample["x"])
        wanted, found = (session.run(None, {"x": one})[0] for one in (sample["x"], arrived))
        losses.append(np.abs(wanted - found).max() / np.abs(wanted).max())
    assert measured(of_arrays)["x", "u8+zstd"].loss == pytest.approx(max(losses), rel=1e-2)


def test_pictures_come_first_then_ever_smaller_frontiers(of_pictures):
    order = plausible(of_pictures[1].graph)
    pictures = [trial.tensor.picture for trial in order]
    assert pictures == sorted(pictures, reverse=True)


def test_loss_is_relative_and_never_nan():
    one = np.array([[1.0, -4.0]], np.float32)
    assert _loss(one, one) == 0.0
    assert _loss(one, one + 0.4) == pytest.approx(0.1)
    assert _loss(one, one * np.nan) == float("inf")
    assert _loss(one, one[:, :1]) == float("inf")


def test_top1_counts_rows_of_classes_only():
    one = np.array([[1, 2, 3], [9, 1, 1]], np.float32)
    other = np.array([[1, 2, 3], [1, 9, 1]], np.float32)
    assert _top1_kept(one, other) == 0.5
    assert _top1_kept(one[None], other[None]) == 1.0


def test_a_trained_codec_is_measured_first_and_by_the_same_rule(tmp_path):
    source, into = tmp_path / "net.onnx", tmp_path / "made"
    onnx.save(coded_net.net(), source)
    plain = compile_model(source, "net", into, manifest=None, shapes={}, labels={})
    files = {"two": coded_net.files(source.read_bytes())}
    coded = add_coders(plain, into, files, file_digest(source))
    np.savez(into / "samples.npz", **{f"{index}/x": one for index, one in enumerate(coded_net.samples(4))})
    (coder,) = coded.coders
    loose, strict = (measured((into, coded), Accuracy(most, 0.0))["r1", coder.codec] for most in (0.05, 1e-5))
    assert loose.allowed
    assert not strict.allowed
    assert 1e-5 < loose.loss < 0.05
    assert loose.wire_bytes <= coded_net.CODE_BYTES + 16
    assert plausible(coded.graph, coded.coders)[0].tensor.name == "r1"

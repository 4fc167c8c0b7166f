"""Training wins back what compression lost, and keeps what compression did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from lepton_edge.compress import bottlenecks
from lepton_edge.compress.errors import CompressionFailed, CompressionRefused, TooLittleData, UnusableData
from lepton_edge.compress.recipe import Target
from lepton_edge.compress.technique import Materials, Sample
from lepton_edge.compress.techniques import technique
from partitioner.onnx_io import runtime

torch = pytest.importorskip("torch", reason="torch is not installed: run `make test-torch`")

from lepton_edge.compress.torch.batches import batches  # noqa: E402
from lepton_edge.compress.torch.losses import Weighing, answers, of_labels, of_teacher  # noqa: E402
from lepton_edge.compress.torch.module import OnnxModule  # noqa: E402
from lepton_edge.compress.torch.training import Schedule, rate_at, train  # noqa: E402

pytestmark = pytest.mark.torch
SHORT = {"epochs": 12, "batch": 16, "rate": 1e-2}


def _net(wide: int = 8, seed: int = 0) -> ModelProto:
    """x float32 [n, 3, 8, 8] -> y float32 [n, 4]: two convolutions, the mean of the pixels, a product."""
    random = np.random.default_rng(seed)
    weights = {"w1": (wide, 3, 3, 3), "b1": (wide,), "w2": (wide, wide, 3, 3), "b2": (wide,), "w3": (4, wide)}
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], "/a/Conv", pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"], "/b/Relu"),
        helper.make_node("Conv", ["b", "w2", "b2"], ["c"], "/c/Conv", pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["d"], "/d/Relu"),
        helper.make_node("GlobalAveragePool", ["d"], ["e"], "/e/Pool"),
        helper.make_node("Flatten", ["e"], ["f"], "/f/Flatten"),
        helper.make_node("Gemm", ["f", "w3"], ["y"], "/y/Gemm", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        [
            numpy_helper.from_array(
                random.normal(0, 1 / np.sqrt(np.prod(shape[1:]) or 1), shape).astype(np.float32), name
            )
            for name, shape in weights.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _samples(count: int = 48, labelled: bool = False, seed: int = 1) -> list[Sample]:
    random = np.random.default_rng(seed)
    found = []
    for index in range(count):
        picture = random.normal(size=(1, 3, 8, 8)).astype(np.float32) + index % 4
        label = np.asarray(index % 4, np.int64) if labelled else None
        found.append(Sample({"x": picture}, f"[{index}]", label))
    return found


def _materials(original: ModelProto, scratch: Path, **more: object) -> Materials:
    return replace(Materials(original, _samples(), Target(), scratch), **more)  # type: ignore[arg-type]


def _options(name: str, **chosen: object) -> dict[str, object]:
    return {**{key: values[0] for key, values in technique(name).choices.items()}, **chosen}


def _distance(model: ModelProto, original: ModelProto, samples: Sequence[Sample] = ()) -> float:
    """Return the mean square of the difference of the answers to samples that nobody trained with."""
    both = [runtime.open_session(one, runtime.options(None, runtime.OFF)) for one in (model, original)]
    found = []
    for sample in samples or _samples(seed=2):
        one, other = (runtime.run(session, sample.feeds)["y"] for session in both)
        found.append(float(np.square(one - other).mean()))
    return float(np.mean(found))


def _weights(model: ModelProto) -> dict[str, NDArray]:
    return {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}


def _changed(model: ModelProto, name: str, value: NDArray) -> ModelProto:
    made = ModelProto()
    made.CopyFrom(model)
    next(one for one in made.graph.initializer if one.name == name).CopyFrom(
        numpy_helper.from_array(value, name)
    )
    return made


def test_fine_tuning_wins_back_what_pruning_lost_and_keeps_its_zeros(tmp_path: Path) -> None:
    original = _net()
    weight = _weights(original)["w2"].copy()
    weight[np.abs(weight) < np.quantile(np.abs(weight), 0.6)] = 0
    poor = _changed(original, "w2", weight)
    made = technique("finetune").apply(poor, _materials(original, tmp_path), _options("finetune", **SHORT))
    assert _distance(made, original) < 0.5 * _distance(poor, original)
    np.testing.assert_array_equal(_weights(made)["w2"][weight == 0], 0)
    np.testing.assert_array_equal(_weights(poor)["w2"], weight)  # the model that came in is as it was


def test_fine_tuning_keeps_what_is_shared(tmp_path: Path) -> None:
    original = _net()
    weight = np.round(_weights(original)["w2"] * 4) / 4
    poor = _changed(original, "w2", weight.astype(np.float32))
    made = technique("finetune").apply(poor, _materials(original, tmp_path), _options("finetune", **SHORT))
    assert _distance(made, original) < 0.7 * _distance(poor, original)
    assert np.unique(_weights(made)["w2"]).size <= np.unique(weight).size


def test_labels_are_learned(tmp_path: Path) -> None:
    original = _net(seed=3)
    given = _materials(original, tmp_path, training=_samples(64, labelled=True))
    made = technique("finetune").apply(original, given, _options("finetune", **{**SHORT, "labels": 1.0}))
    session = runtime.open_session(made, runtime.options(None, runtime.OFF))
    judged = _samples(40, labelled=True, seed=4)
    right = [runtime.run(session, one.feeds)["y"].argmax() == one.label for one in judged]
    assert np.mean(right) > 0.9


@pytest.mark.parametrize("more", [{}, {"focal": 2.0}, {"features": 1.0}, {"temperature": 1.0}])
def test_a_student_learns_to_answer_as_its_teacher(tmp_path: Path, more: dict[str, float]) -> None:
    teacher, student = _net(), _net(wide=4, seed=5)
    made = technique("distill").apply(
        student, _materials(teacher, tmp_path), _options("distill", **SHORT, **more)
    )
    assert _weights(made)["w1"].shape == (4, 3, 3, 3)
    both = [torch.tensor([[0.0, 1.0, 2.0, 3.0]])] * 2
    assert float(of_teacher(*both, Weighing())) == pytest.approx(0, abs=1e-6)
    assert _classes(made, teacher) > _classes(student, teacher)


def _classes(model: ModelProto, teacher: ModelProto) -> float:
    """Return the mean cosine of the centred answers."""
    both = [runtime.open_session(one, runtime.options(None, runtime.OFF)) for one in (model, teacher)]
    found = []
    for sample in _samples(seed=6):
        one, other = (runtime.run(session, sample.feeds)["y"][0] for session in both)
        one, other = one - one.mean(), other - other.mean()
        found.append(float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other) + 1e-9)))
    return float(np.mean(found))


def test_training_on_the_grid_wins_back_what_rounding_lost(tmp_path: Path) -> None:
    original, given = _net(), _materials(_net(), tmp_path)
    rough = technique("static_int8").apply(original, given, _options("static_int8", correct_bias=False))
    quantized = [name for name, value in _weights(rough).items() if value.dtype == np.int8]
    poor = _changed(rough, quantized[0], _weights(rough)[quantized[0]] // 32 * 32)
    made = technique("qat").apply(poor, given, _options("qat", **{**SHORT, "rate": 3e-3}))
    assert _distance(made, original) < 0.5 * _distance(poor, original)
    for name, value in _weights(made).items():
        assert value.dtype == _weights(poor)[name].dtype


def _two_headed(seed: int = 0) -> ModelProto:
    """The same net with a second answer `z` float32 [n, 3], and the best class of the first, int64 [n]."""
    made = _net(seed=seed)
    second = np.random.default_rng(seed + 1).normal(size=(8, 3)).astype(np.float32)
    made.graph.initializer.append(numpy_helper.from_array(second, "w4"))
    made.graph.node.append(helper.make_node("MatMul", ["f", "w4"], ["z"], "/z/MatMul"))
    made.graph.node.append(helper.make_node("ArgMax", ["y"], ["best"], "/best/ArgMax", axis=1, keepdims=0))
    made.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 3]))
    made.graph.output.append(helper.make_tensor_value_info("best", TensorProto.INT64, ["n"]))
    return made


def _second(model: ModelProto, sample: Sample) -> NDArray[np.float32]:
    session = runtime.open_session(model, runtime.options(None, runtime.OFF))
    return np.asarray(runtime.run(session, sample.feeds, ["z"])["z"])


def test_every_output_learns_to_answer_as_before(tmp_path: Path) -> None:
    original, given = _two_headed(), _materials(_two_headed(), tmp_path)
    assert answers(original) == {"y": "y", "z": "z"}
    rough = _changed(original, "w4", _weights(original)["w4"] * 0.2)  # only the second output is wrong
    made = technique("finetune").apply(rough, given, _options("finetune", **SHORT))
    (sample,) = _samples(1, seed=9)
    wanted = _second(original, sample)
    lost = [float(np.abs(_second(one, sample) - wanted).mean()) for one in (rough, made)]
    assert lost[1] < 0.5 * lost[0]


def test_training_on_the_grid_comes_after_quantization() -> None:
    assert "static_int8" in technique("qat").refuse(_net(), Target())


def test_a_bottleneck_answers_nearly_as_before_through_far_fewer_bytes(tmp_path: Path) -> None:
    original, given = _net(wide=16), _materials(_net(wide=16), tmp_path)
    rough = technique("bottleneck").apply(original, given, _options("bottleneck", at="b", narrow=4, epochs=0))
    made = technique("bottleneck").apply(original, given, _options("bottleneck", at="b", narrow=4, **SHORT))
    assert _distance(made, original) < _distance(rough, original)
    for name, value in _weights(original).items():
        np.testing.assert_array_equal(_weights(made)[name], value)  # a device holds them once for both
    feed = np.random.default_rng(0).normal(size=(1, 16, 4, 4)).astype(np.float32)
    encode = runtime.open_session(bottlenecks.encoder(made), runtime.options(None, runtime.OFF))
    code = next(iter(runtime.run(encode, {"b": feed}).values()))
    assert (code.dtype, code.shape) == (np.uint8, (1, 4, 4, 4))
    decode = runtime.open_session(bottlenecks.decoder(made), runtime.options(None, runtime.OFF))
    assert next(iter(runtime.run(decode, {bottlenecks.CODE: code}).values())).shape == feed.shape


def test_a_bottleneck_where_the_graph_is_not_narrow_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CompressionRefused, match="cannot be narrowed at 'nowhere'"):
        technique("bottleneck").apply(
            _net(), _materials(_net(), tmp_path), _options("bottleneck", at="nowhere")
        )


def test_too_little_data_is_said(tmp_path: Path) -> None:
    given = _materials(_net(), tmp_path, calibration=_samples(1))
    with pytest.raises(TooLittleData, match="1 samples"):
        technique("finetune").apply(_net(), given, _options("finetune"))


def test_samples_of_two_shapes_name_the_one_that_differs() -> None:
    odd = Sample({"x": np.zeros((1, 3, 4, 4), np.float32)}, "odd.png")
    with pytest.raises(UnusableData, match=r"odd\.png"):
        list(batches([*_samples(7), odd], 8, 0))


def test_a_loss_that_is_no_number_ends_it() -> None:
    module = OnnxModule(_net())
    with pytest.raises(CompressionFailed, match="diverged"):
        train(
            module,
            lambda epoch: batches(_samples(8), 8, 0),
            lambda batch: module(batch.feeds)["y"].mean() * torch.nan,
            Schedule(1, 8, 1e-3),
            count=8,
        )


def test_twice_gives_the_same_weights(tmp_path: Path) -> None:
    made = [
        technique("finetune").apply(_net(), _materials(_net(seed=1), tmp_path), _options("finetune", **SHORT))
        for _ in range(2)
    ]
    assert made[0].SerializeToString() == made[1].SerializeToString()


def test_every_sample_is_in_one_batch_and_the_order_depends_on_the_epoch() -> None:
    samples = [Sample({"x": np.full((1, 1), index, np.float32)}, f"[{index}]") for index in range(50)]
    seen = [
        [int(one) for batch in batches(samples, 8, 0, epoch) for one in batch.feeds["x"][:, 0]]
        for epoch in (0, 0, 1)
    ]
    assert seen[0] == seen[1] != seen[2]
    assert sorted(seen[2]) == list(range(50))


def test_what_is_held_at_once_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from lepton_edge.compress.torch import batches as room

    monkeypatch.setattr(room, "BUFFER", 10)
    drawn: list[int] = []

    class Stream:
        def __len__(self) -> int:
            return 50

        def __iter__(self) -> Iterator[Sample]:
            for index in range(50):
                drawn.append(index)
                yield Sample({"x": np.full((1, 1), index, np.float32)}, f"[{index}]")

    found = batches(Stream(), 4, 0)
    first = next(found)
    assert len(drawn) == 10
    seen = [int(one) for batch in (first, *found) for one in batch.feeds["x"][:, 0]]
    assert sorted(seen) == list(range(50))
    assert seen != sorted(seen)


def test_the_rate_rises_and_falls_to_zero() -> None:
    rates = [rate_at(step, 100) for step in range(100)]
    assert max(rates) == 1.0
    assert rates[0] < 0.2
    assert rates[-1] < 0.01


def test_what_is_answered_well_weighs_less_with_a_focal_loss() -> None:
    logits, labels = torch.tensor([[4.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0])
    plain, focal = of_labels(logits, labels), of_labels(logits, labels, focal=2.0)
    assert float(focal) < float(plain)

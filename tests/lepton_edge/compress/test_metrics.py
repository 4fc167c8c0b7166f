"""Metrics: what each says of answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from lepton_edge.compress import metrics
from lepton_edge.compress.errors import CompressionRefused, UnusableData
from partitioner.manifest import Manifest, OutputRule
from tests.lepton_edge.compress import small


def scores(*rows: list[float]) -> dict[str, Any]:
    return {"y": np.array(rows, np.float32)}


def test_top1_is_the_share_of_rows_that_are_right() -> None:
    answers = scores([0, 1, 0], [1, 0, 0])
    assert metrics.top1(answers, {}, np.array([1, 2])) == 0.5
    assert metrics.top1(scores([0, 0, 3]), {}, np.array(2)) == 1.0


@pytest.mark.parametrize("label", [np.array([1, 2]), np.array([0.5])])
def test_a_label_that_is_no_class_is_refused(label: Any) -> None:
    with pytest.raises(UnusableData, match="a label is"):
        metrics.top1(scores([0, 1, 0]), {}, label)


@pytest.mark.parametrize(
    ("label", "words"), [(3, "the label 3 is none of 3 classes"), (-1, "-1 .* from 0 to 2")]
)
def test_a_label_that_the_model_has_no_class_for_is_refused(label: int, words: str) -> None:
    assert metrics.top1(scores([0, 1, 0]), {}, np.array(2)) == 0.0
    with pytest.raises(UnusableData, match=words):
        metrics.top1(scores([0, 1, 0]), {}, np.array(label))


def test_an_empty_answer_has_no_best() -> None:
    with pytest.raises(UnusableData, match="the answer is empty"):
        metrics.agreement({"y": np.zeros((0, 4))}, {"y": np.zeros((0, 4))}, None)


def test_agreement_is_with_the_original() -> None:
    assert metrics.agreement(scores([0, 1], [1, 0]), scores([0, 5], [0, 5]), None) == 0.5


def test_the_cosine_is_that_of_the_worst_output() -> None:
    one = {"a": np.array([[1.0, 0.0]]), "b": np.array([[1.0, 1.0]]), "ids": np.array([3])}
    other = {"a": np.array([[2.0, 0.0]]), "b": np.array([[1.0, 0.0]]), "ids": np.array([4])}
    assert metrics.cosine(one, other, None) == pytest.approx(np.sqrt(0.5))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [([[0.0, 0.0]], [[0.0, 0.0]], 1.0), ([[0.0, 0.0]], [[1.0, 0.0]], 0.0), ([[1.0]], [[1.0, 0.0]], 0.0)],
)
def test_the_cosine_of_nothing_and_of_other_shapes(one: Any, other: Any, expected: float) -> None:
    assert metrics.cosine({"a": np.array(one)}, {"a": np.array(other)}, None) == expected


def test_no_float_has_no_cosine() -> None:
    with pytest.raises(CompressionRefused, match="no output"):
        metrics.cosine({"a": np.array([1])}, {"a": np.array([1])}, None)


def test_a_function_is_a_metric_by_its_name() -> None:
    def mine(answers: Any, reference: Any, label: Any) -> float:
        return 0.25

    found = metrics.metric(mine)
    assert (found.name, found.judge({}, {}, None), found.own_score) == ("mine", 0.25, None)
    assert metrics.metric(found) is found


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(CompressionRefused, match="top1, agreement, cosine"):
        metrics.metric("f1")


def test_the_usual_metric() -> None:
    model = small.classifier()
    assert metrics.usual(model, None, labelled=True).name == "top1"
    assert metrics.usual(model, None, labelled=False).name == "cosine"
    assert (
        metrics.usual(model, Manifest(outputs=(OutputRule("y", top_k=3),)), labelled=False).name
        == "agreement"
    )
    model.graph.node.append(helper.make_node("Softmax", ["y"], ["p"]))
    model.graph.output[0].name = "p"
    assert metrics.usual(model, None, labelled=False).name == "agreement"

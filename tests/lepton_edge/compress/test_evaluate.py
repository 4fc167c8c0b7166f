"""Scores, one sample at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_edge.compress import evaluate as ev
from lepton_edge.compress.errors import CompressionFailed, TooLittleData, UnusableData
from lepton_edge.compress.evaluate import Reference, evaluate
from lepton_edge.compress.metrics import METRICS, metric
from lepton_edge.compress.platforms import TARGETS
from lepton_edge.compress.samples import open_samples
from lepton_edge.compress.technique import Materials, Sample
from lepton_edge.core.errors import InvalidInput
from tests.lepton_edge.compress import small

MODEL = small.classifier()
SAMPLES = open_samples(small.data(MODEL, 20), MODEL)


def changed(step: small.Does) -> Any:
    return step.apply(MODEL, Materials(MODEL, SAMPLES, TARGETS["x86"], Path()), {})


def test_the_original_is_right_everywhere() -> None:
    for name, one in METRICS.items():
        found = evaluate(MODEL, SAMPLES, one, MODEL)
        assert (found.metric, found.count) == (name, 20)
        assert found.mean == pytest.approx(1.0)


def test_a_ruined_model_is_not() -> None:
    found = evaluate(changed(small.ruins()), SAMPLES, METRICS["top1"], MODEL)
    assert found.mean < 0.7
    assert found.worst == 0.0


def test_nan_answers_name_the_sample() -> None:
    with pytest.raises(CompressionFailed, match="sample 0: it answers NaN in output 'y'"):
        evaluate(changed(small.turns_nan()), SAMPLES, METRICS["cosine"], MODEL)


def test_an_original_that_answers_nan_is_the_datas_or_models_fault() -> None:
    broken = changed(small.turns_nan())
    with pytest.raises(UnusableData, match="sample 0: the original itself answers NaN"):
        evaluate(broken, SAMPLES, METRICS["cosine"], broken)


def test_a_missing_label_names_the_sample() -> None:
    bare = open_samples([Sample({"x": np.zeros((1, 16), np.float32)}, "photo 9")], MODEL)
    with pytest.raises(UnusableData, match="photo 9 has no label"):
        evaluate(MODEL, bare, METRICS["top1"], MODEL)


def test_a_metric_that_says_nan_is_refused() -> None:
    with pytest.raises(InvalidInput, match="says nan of sample 0"):
        evaluate(MODEL, SAMPLES, metric(lambda answers, reference, label: float("nan")), MODEL)


def test_no_sample_is_too_little() -> None:
    with pytest.raises(TooLittleData):
        evaluate(MODEL, SAMPLES.take(0), METRICS["cosine"], MODEL)


def test_the_originals_answers_are_computed_once_while_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    run = ev.Runner.run
    monkeypatch.setattr(ev.Runner, "run", lambda self, feeds: runs.append(1) or run(self, feeds))
    reference = Reference(MODEL)
    first = next(iter(SAMPLES))
    assert reference.answers(first) is reference.answers(first)
    assert len(runs) == 1
    forgetful = Reference(MODEL, held=0)
    forgetful.answers(first)
    forgetful.answers(first)
    assert len(runs) == 3


def test_crops_of_one_picture_have_answers_of_their_own() -> None:
    crops = [Sample({"x": np.full((1, 16), value, np.float32)}, "one picture") for value in (1, -1)]
    reference = Reference(MODEL)
    answers = [reference.answers(one)["y"] for one in (*crops, crops[0])]
    assert not np.array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    evaluate(MODEL, SAMPLES, METRICS["cosine"], MODEL, lambda *step: told.append(step))
    assert told[-1] == ("score (cosine)", 20, 20)


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        (lambda answers, reference, label: {}["x"], "KeyError"),
        (lambda answers, reference, label: 1 / 0, "ZeroDivisionError"),
        (lambda answers: 1.0, "TypeError"),
        (lambda answers, reference, label: None, "TypeError"),
        (lambda answers, reference, label: "good", "TypeError"),
        (lambda answers, reference, label: [1.0, 2.0], "ValueError"),
        (lambda answers, reference, label: reference["y"].fill(0), "read-only"),
    ],
)
def test_a_metric_that_fails_is_named_with_the_sample(judge: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=f"fails on sample 0: .*{words}"):
        evaluate(MODEL, SAMPLES, metric(judge), MODEL)

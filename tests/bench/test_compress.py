"""What the compression bench rests on: views of a scene stay on one side, a loud channel changes no answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.compressing import fashion, photographs, quantized, resnet, students
from lepton_edge.compress.technique import Materials
from partitioner.onnx_io import runtime


def _picture(folder: Path, name: str) -> Path:
    path = folder / name
    Image.fromarray(np.zeros((240, 240, 3), np.uint8)).save(path)
    return path


def test_views_of_one_scene_are_on_one_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [
        "Elephants.jpg",
        "Elephants_3840x2160.jpg",
        "eye_left.png",
        "eye_right.png",
        "coffee.png",
        "dune.jpg",
    ]
    found = [_picture(tmp_path, name) for name in names]
    monkeypatch.setattr(photographs, "_of_scikit", lambda: found)
    monkeypatch.setattr(photographs, "_wallpapers", lambda package: [])
    calibration, judged = photographs.split()
    sides = [{one.source.split("[")[0] for one in side} for side in (calibration, judged)]
    assert sorted(len(side) for side in sides) == [2, 2]
    assert {"Elephants_3840x2160.jpg", "eye_right.png"}.isdisjoint(sides[0] | sides[1])
    assert sides[0].isdisjoint(sides[1])
    assert len(calibration) == 2 * len(photographs.VIEWS)


def test_pictures_vary_from_pass_to_pass_and_are_the_same_again() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (4, 28, 28)).astype(np.uint8)
    plain = fashion.Pictures(pixels, np.arange(4, dtype=np.uint8), "some")

    def seen(pictures: fashion.Pictures) -> np.ndarray:
        return np.concatenate([one.feeds["picture"] for one in pictures])

    np.testing.assert_array_equal(seen(plain), seen(plain))
    varied, again = plain.again(1), plain.again(1)
    first, second = seen(varied), seen(varied)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, seen(again))
    assert [int(one.label) for one in varied if one.label is not None] == [0, 1, 2, 3]


def test_a_loud_channel_changes_no_answer() -> None:
    model = resnet.build()
    loud = quantized._with_a_loud_channel(model)
    picture = np.random.default_rng(0).normal(size=(1, 1, 28, 28)).astype(np.float32)
    answers = [
        runtime.run(runtime.open_session(one, runtime.options(None, runtime.OFF)), {"picture": picture})[
            "logits"
        ]
        for one in (model, loud)
    ]
    np.testing.assert_allclose(*answers, rtol=1e-3, atol=1e-5)
    assert loud.SerializeToString() != model.SerializeToString()


def test_a_mean_of_pairs_has_the_interval_of_the_textbook() -> None:
    mean, half = students.interval([0.14, 0.31, 0.23, 0.09, 0.34])
    assert mean == pytest.approx(0.222)
    assert half == pytest.approx(2.776 * 0.10710 / 5**0.5, rel=1e-3)


def test_a_pair_differs_in_nothing_but_its_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, list[np.ndarray], str]] = []
    pixels = np.random.default_rng(0).integers(0, 255, (4, 28, 28)).astype(np.uint8)
    pictures = fashion.Pictures(pixels, np.arange(4, dtype=np.uint8), "some")

    def applied(model: object, given: Materials, steps: Sequence[tuple[str, Mapping[str, object]]]) -> object:
        assert given.training is not None
        seen.append((given.seed, [one.feeds["picture"] for one in given.training], steps[0][0]))
        return model

    monkeypatch.setattr(fashion, "training", lambda: pictures)
    monkeypatch.setattr(fashion, "judging", lambda: pictures)
    monkeypatch.setattr(students.judge, "applied", applied)
    monkeypatch.setattr(students.judge, "accuracy", lambda model, judging: 0.5)
    monkeypatch.setattr(students.trained, "kept", lambda name, make: make())
    net = resnet.build()
    students.pair(net, net, students.Lesson(4, 1), 3, tmp_path)
    (one, first, taught), (other, second, alone) = seen
    assert (one, other) == (3, 3)
    assert (taught, alone) == ("distill", "finetune")
    np.testing.assert_array_equal(first, second)

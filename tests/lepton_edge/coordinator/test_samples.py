"""Samples as pushed, checked where they come in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_edge.coordinator.samples import MAX_SAMPLES, read_samples, write_samples
from lepton_edge.core.errors import InvalidInput
from partitioner.plan import InputSpec, TensorSpec

ARRAY = InputSpec(TensorSpec("x", "float32", ("batch", 4)))  # type: ignore[arg-type]
OTHER = InputSpec(TensorSpec("ids", "int64", (1, "length")))  # type: ignore[arg-type]
PICTURE = InputSpec(TensorSpec("image", "float32", (1, 3, 8, 8)), "image@picture", "image@encoded")  # type: ignore[arg-type]


def _npz(folder: Path, **arrays: Any) -> tuple[str, Path]:
    np.savez(folder / "s.npz", **arrays)
    return "s.npz", folder / "s.npz"


def test_arrays_have_a_leading_sample_axis(tmp_path: Path) -> None:
    file = _npz(tmp_path, x=np.ones((3, 2, 4), np.float32), ids=np.zeros((3, 1, 7), np.int64))
    samples = read_samples([file], [ARRAY, OTHER])
    assert [{name: array.shape for name, array in one.items()} for one in samples] == [
        {"x": (2, 4), "ids": (1, 7)}
    ] * 3


def test_a_missing_batch_axis_is_added(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((3, 4), np.float32))
    samples = read_samples([("x.npy", tmp_path / "x.npy")], [ARRAY])
    assert [one["x"].shape for one in samples] == [(1, 4)] * 3


def test_pictures_stay_encoded(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(b"\xff\xd8jpeg")
    (sample,) = read_samples([("photo.JPG", tmp_path / "p")], [PICTURE])
    assert sample["image"].tobytes() == b"\xff\xd8jpeg"
    write_samples([sample], tmp_path)
    with np.load(tmp_path / "samples.npz") as kept:
        assert kept.files == ["0/image"]


def test_decoded_pictures_will_do(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 20, 30, 3), np.uint8))
    samples = read_samples([("x.npy", tmp_path / "x.npy")], [PICTURE])
    assert [one["image"].shape for one in samples] == [(20, 30, 3)] * 2


def test_there_are_at_most_32(tmp_path: Path) -> None:
    file = _npz(tmp_path, x=np.ones((100, 1, 4), np.float32))
    assert len(read_samples([file, file], [ARRAY])) == MAX_SAMPLES


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"y": np.ones((3, 1, 4), np.float32)}, "lacks the input 'x'"),
        ({"x": np.ones((3, 1, 4), np.float64)}, "float64, not float32"),
        ({"x": np.ones((3, 1, 5), np.float32)}, "shape"),
        ({"x": np.ones((4,), np.float32)}, "shape"),
        ({"x": np.array([{"a": 1}], dtype=object)}, "cannot be read"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, arrays: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read_samples([_npz(tmp_path, **arrays)], [ARRAY])


def test_arrays_of_different_counts_are_refused(tmp_path: Path) -> None:
    file = _npz(tmp_path, x=np.ones((3, 1, 4), np.float32), ids=np.zeros((2, 1, 7), np.int64))
    with pytest.raises(InvalidInput, match="different numbers"):
        read_samples([file], [ARRAY, OTHER])


def test_a_picture_for_an_array_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(b"png")
    with pytest.raises(InvalidInput, match="does not take one picture"):
        read_samples([("p.png", tmp_path / "p.png")], [ARRAY])


def test_a_broken_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_samples([("s.npz", tmp_path / "s.npz")], [ARRAY])

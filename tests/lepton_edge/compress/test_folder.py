"""Folders of arrays and pictures."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper
from PIL import Image

from lepton_edge.compress.errors import UnusableData
from lepton_edge.compress.samples import open_samples, split
from partitioner.manifest import Manifest, PictureInput, Resize
from tests.lepton_edge.compress import small


def pictures_model() -> ModelProto:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3, 8, 8)) for name in ("image", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["image"], ["y"])], "g", ends[:1], ends[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


MANIFEST = Manifest(inputs=(PictureInput("image", Resize(size=(8, 8)), scale=1 / 255),))


def draw(path: Path, colour: tuple[int, int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 30), colour).save(path)


def test_pictures_are_prepared_as_the_manifest_says(tmp_path: Path) -> None:
    draw(tmp_path / "red.png", (255, 0, 0))
    (found,) = open_samples(tmp_path, pictures_model(), MANIFEST)
    assert found.source == "red.png"
    np.testing.assert_allclose(found.feeds["image"][0, :, 4, 4], [1, 0, 0], atol=1e-6)


def test_folders_are_classes(tmp_path: Path) -> None:
    draw(tmp_path / "dog" / "a.png", (1, 2, 3))
    draw(tmp_path / "cat" / "b.png", (1, 2, 3))
    found = open_samples(tmp_path, pictures_model(), MANIFEST)
    assert found.labelled
    assert {one.source: int(one.label) for one in found if one.label is not None} == {
        "cat/b.png": 0,
        "dog/a.png": 1,
    }
    named = open_samples(tmp_path, pictures_model(), MANIFEST, labels=["dog", "bird", "cat"])
    assert {one.source: int(one.label) for one in named if one.label is not None} == {
        "cat/b.png": 2,
        "dog/a.png": 0,
    }
    with pytest.raises(UnusableData, match="'cat' is none of the 1 labels"):
        open_samples(tmp_path, pictures_model(), MANIFEST, labels=["dog"])


def test_folders_called_by_numbers_are_those_classes(tmp_path: Path) -> None:
    for name in ("7", "10"):
        draw(tmp_path / name / "a.png", (1, 2, 3))
    found = open_samples(tmp_path, pictures_model(), MANIFEST)
    assert sorted(int(one.label) for one in found if one.label is not None) == [7, 10]


def test_pictures_without_a_manifest_are_refused(tmp_path: Path) -> None:
    draw(tmp_path / "red.png", (255, 0, 0))
    with pytest.raises(UnusableData, match="no manifest says"):
        open_samples(tmp_path, pictures_model())


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 nothing more")
    with pytest.raises(UnusableData, match=r"broken\.jpg"):
        list(open_samples(tmp_path, pictures_model(), MANIFEST))


@pytest.mark.parametrize("save", [lambda path, x: np.save(path, x), lambda path, x: np.savez(path, x=x)])
def test_arrays_are_one_sample_a_file(tmp_path: Path, save: Any) -> None:
    for number in range(3):
        save(tmp_path / f"{number}", np.full((1, 16), number, np.float32))
    found = list(open_samples(tmp_path, small.classifier()))
    assert [one.feeds["x"][0, 0] for one in found] == [0, 1, 2]


def test_a_file_that_is_no_array_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"nothing")
    with pytest.raises(UnusableData, match="cannot read the sample a.npy"):
        list(open_samples(tmp_path, small.classifier()))


def test_the_digest_knows_names_and_contents(tmp_path: Path) -> None:
    def digest(name: str, value: float) -> str:
        folder = tmp_path / f"{name}{value}"
        folder.mkdir(exist_ok=True)
        np.save(folder / name, np.full((1, 16), value, np.float32))
        return open_samples(folder, small.classifier()).digest()

    assert len({digest("a.npy", 1), digest("b.npy", 1), digest("a.npy", 2)}) == 3
    assert digest("a.npy", 1) == digest("a.npy", 1)


def test_suffixes_are_read_in_any_case_and_names_in_any_bytes(tmp_path: Path) -> None:
    row = np.zeros((1, 16), np.float32)
    for name in (b"A.NPY", b"\xff.npy"):
        np.save(tmp_path / "it.npy", row)
        os.replace(tmp_path / "it.npy", os.fsencode(tmp_path) + b"/" + name)
    samples = open_samples(tmp_path, small.classifier())
    assert len(list(samples)) == 2
    assert len(samples.digest()) == 64


@pytest.mark.parametrize("name", ["z.npy", "z.npz"])
def test_a_sample_that_claims_more_than_it_holds_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 16)}\n"
    claim = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    if name == "z.npy":
        (tmp_path / name).write_bytes(claim)
    else:
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("x.npy", claim)
    with pytest.raises(UnusableData, match=rf"sample {name}: the array .* claims"):
        list(open_samples(tmp_path, small.classifier()))


def test_crops_of_one_picture_are_listed_and_stay_on_one_side(tmp_path: Path) -> None:
    names = [f"{name}_{side}.png" for name in "abcdefghij" for side in ("left", "right")]
    for index, name in enumerate(names):
        draw(tmp_path / name, (index, index, index))
    before = open_samples(tmp_path, pictures_model(), MANIFEST).digest()
    lines = "".join(f"{name} = {name[0]}\n" for name in names if name != "j_right.png")
    (tmp_path / "sources.txt").write_text(f"# whose they are\n\n{lines}")
    samples = open_samples(tmp_path, pictures_model(), MANIFEST)
    assert {one.source for one in samples} == {*"abcdefghij", "j_right.png"}
    for seed in range(5):
        left, right = split(samples, seed)
        assert not set(left.sources) & set(right.sources)
    assert samples.digest() != before


@pytest.mark.parametrize("line", ["a.png", "a.png =", "= a", "b.png = a"])
def test_a_list_that_names_no_sample_is_refused(tmp_path: Path, line: str) -> None:
    draw(tmp_path / "a.png", (1, 2, 3))
    (tmp_path / "sources.txt").write_text(line)
    with pytest.raises(UnusableData, match="line 1 of"):
        open_samples(tmp_path, pictures_model(), MANIFEST)

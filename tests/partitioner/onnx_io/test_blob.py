"""The weights blob: once, aligned, by hash; and bytes outside of the model's folder stay there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from partitioner.errors import InvalidModel
from partitioner.onnx_io import blob


def test_equal_contents_share_a_span_and_large_ones_begin_on_a_page(tmp_path: Path) -> None:
    contents = [bytes([1]) * 5000, bytes([2]) * 70_000, bytes([1]) * 5000, b"x" * 1024]
    with blob.BlobWriter(tmp_path / "b") as writer:
        spans = [writer.add(content) for content in contents]
    file = (tmp_path / "b").read_bytes()
    assert spans[0] == spans[2]
    assert spans[1].offset % blob.PAGE == 0
    assert spans[3].offset % blob.LINE == 0
    for span, content in zip(spans, contents, strict=True):
        assert file[span.offset : span.offset + span.length] == content
        assert span.sha256 == hashlib.sha256(content).hexdigest()
    assert (len(file), hashlib.sha256(file).hexdigest()) == (writer.size, writer.sha256)


@pytest.mark.parametrize(
    "dtype", [np.float32, np.int8, np.int64, np.bool_, np.float16, ml_dtypes.bfloat16, ml_dtypes.int4]
)
@pytest.mark.parametrize("typed", [False, True])
def test_what_is_spilled_reads_back(tmp_path: Path, dtype: type, typed: bool) -> None:
    array = (np.random.default_rng(0).integers(-8, 8, (64, 64))).astype(dtype)
    tensor = numpy_helper.from_array(array, "t")
    if typed:
        data_type = helper.np_dtype_to_tensor_dtype(array.dtype)
        tensor = helper.make_tensor("t", data_type, array.shape, array.ravel())
    with blob.BlobWriter(tmp_path / "w") as writer:
        spans = blob.spill([tensor], tmp_path, writer, "w")
    assert blob.is_external(tensor)
    assert spans["t"].length == blob.content_size(tensor, tmp_path)
    blob.take_in(tensor, tmp_path)
    np.testing.assert_array_equal(numpy_helper.to_array(tensor), array)


def test_small_tensors_and_strings_stay_in_the_graph(tmp_path: Path) -> None:
    small = numpy_helper.from_array(np.arange(4), "small")
    text = helper.make_tensor("text", TensorProto.STRING, [2], ["a" * 2000, "b"])
    with blob.BlobWriter(tmp_path / "w") as writer:
        assert blob.spill([small, text], tmp_path, writer, "w") == {}
    assert writer.size == 0


def outside(location: str, offset: str = "0", length: str = "4") -> TensorProto:
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, "offset": offset, "length": length}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


@pytest.mark.parametrize(
    ("location", "offset", "length"),
    [("../w", "0", "4"), ("/etc/hosts", "0", "4"), ("link", "0", "4"), ("none", "0", "4"), ("w", "-1", "4"),
     ("w", "0", "9"), ("w", "x", "4"), ("w", "0", "-4"), ("", "0", "4")],
)  # fmt: skip
def test_bytes_that_are_not_there_are_refused(
    tmp_path: Path, location: str, offset: str, length: str
) -> None:
    (tmp_path / "w").write_bytes(b"secret")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "w").write_bytes(b"abcdefgh")
    (folder / "link").symlink_to(tmp_path / "w")
    assert bytes(blob.content(outside("w"), folder)) == b"abcd"
    with pytest.raises(InvalidModel, match="`t`"):
        blob.content(outside(location, offset, length), folder)


def test_files_are_listed_once(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"abcdefgh")
    assert blob.external_files([outside("w"), outside("w", "4")], tmp_path) == [tmp_path.resolve() / "w"]

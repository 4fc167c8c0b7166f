"""The safetensors reader maps good files and refuses all others with one typed error."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.demo import safetensors_file
from examples.demo.errors import SafetensorsFileError

SIX = np.arange(6, dtype="<f4")


def whole(header: object, content: bytes = SIX.tobytes()) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def entry(shape: Any = (2, 3), offsets: Any = (0, 24), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_tensors_are_mapped_by_name(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    header = {
        "__metadata__": {"format": "pt"},
        "w": entry(),
        "ids": entry([2], [24, 40], "I64"),
        "none": entry([0, 7], [40, 40], "F16"),
        "one": entry([], [40, 44], "I32"),
    }
    path.write_bytes(whole(header, SIX.tobytes() + struct.pack("<qqi", 7, -8, 5)))

    tensors = safetensors_file.load(path)

    assert list(tensors) == ["w", "ids", "none", "one"]
    np.testing.assert_array_equal(tensors["w"], SIX.reshape(2, 3))
    np.testing.assert_array_equal(tensors["ids"], [7, -8])
    assert (tensors["none"].shape, tensors["none"].dtype) == ((0, 7), np.float16)
    assert tensors["one"] == 5
    assert not tensors["w"].flags.writeable


@pytest.mark.parametrize(
    "header",
    [
        b"no json",
        b"[1]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"w": {"dtype": "F32", "shape": [6], "data_offsets": [0, 24]}, "w": {}}',
        {"w": 3},
        {"w": {"dtype": "F32", "shape": [6]}},
        {"w": entry(offsets=[0, 28])},
        {"w": entry(offsets=[-24, 0])},
        {"w": entry(offsets=[0.0, 24])},
        {"w": entry(offsets=[0])},
        {"w": entry(shape=[2, True])},
        {"w": entry(shape="23")},
        {"w": entry(shape=[1] * 9)},
        {"w": entry(shape=[1 << 62, 1 << 62])},
        {"w": entry(), "v": entry()},
        {"w": entry([5], [4, 24])},
        {"w": entry([5], [0, 20])},
        {},
    ],
    ids=[
        "text",
        "list",
        "encoding",
        "deep",
        "twice",
        "no object",
        "no place",
        "past the end",
        "before the start",
        "fraction",
        "one offset",
        "boolean",
        "string shape",
        "nine dimensions",
        "giant",
        "overlap",
        "hole",
        "left over",
        "nothing",
    ],
)
def test_a_header_that_lies_is_refused(header: object) -> None:
    with pytest.raises(SafetensorsFileError, match="fetch it again"):
        safetensors_file.parse(whole(header))


def test_a_kind_that_numpy_does_not_know_says_what_to_do() -> None:
    with pytest.raises(SafetensorsFileError, match="BF16.*convert it"):
        safetensors_file.parse(whole({"w": entry([12], [0, 24], "BF16")}))


@pytest.mark.parametrize("claimed", [1 << 63, safetensors_file.MAX_HEADER_BYTES + 1, 25])
def test_a_header_length_that_lies_is_refused(claimed: int) -> None:
    with pytest.raises(SafetensorsFileError, match=f"claims {claimed} bytes"):
        safetensors_file.parse(struct.pack("<Q", claimed) + SIX.tobytes())


def test_every_truncation_is_a_typed_error(tmp_path: Path) -> None:
    content, path = whole({"w": entry()}), tmp_path / "cut.safetensors"

    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(SafetensorsFileError):
            safetensors_file.load(path)

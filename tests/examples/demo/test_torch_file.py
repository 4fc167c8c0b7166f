"""The torch reader rebuilds what torch wrote, and nothing that a hostile file asks for."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.demo import torch_file
from examples.demo.errors import TorchFileError
from tests.examples.demo.torch_files import MAGIC, Tensor, pickled, raw_file, storage_bytes
from tests.examples.demo.torch_files import torch_file as written

TWELVE = np.arange(12, dtype=np.float32)


def state(**tensors: Tensor) -> OrderedDict[str, Tensor]:
    return OrderedDict(tensors)


def one(shape: tuple[Any, ...], strides: tuple[int, ...], offset: int = 0, count: int = 12) -> bytes:
    return written(state(w=Tensor("7", count, shape, strides, offset)), {"7": TWELVE})


def test_tensors_come_back_by_name() -> None:
    content = written(
        state(w=Tensor("7", 12, (3, 4), (4, 1)), b=Tensor("8", 2, (2,), (1,))), {"7": TWELVE, "8": TWELVE[:2]}
    )

    tensors = torch_file.parse(content)

    assert list(tensors) == ["w", "b"]
    np.testing.assert_array_equal(tensors["w"], TWELVE.reshape(3, 4))
    np.testing.assert_array_equal(tensors["b"], TWELVE[:2])


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "expected"),
    [
        ((4, 3), (1, 4), 0, TWELVE.reshape(3, 4).T),
        ((2, 2), (4, 1), 5, np.array([[5, 6], [9, 10]])),
        ((), (), 11, np.array(11)),
        ((0, 4), (4, 1), 0, np.empty((0, 4))),
    ],
    ids=["transposed", "offset", "scalar", "empty"],
)
def test_views_of_a_storage_are_rebuilt(
    shape: tuple[int, ...], strides: tuple[int, ...], offset: int, expected: np.ndarray[Any, Any]
) -> None:
    tensor = torch_file.parse(one(shape, strides, offset))["w"]

    assert tensor.shape == expected.shape
    assert tensor.flags.c_contiguous
    np.testing.assert_array_equal(tensor, expected)


def test_metadata_that_torch_hangs_on_the_state_dict_is_ignored() -> None:
    annotated = state(w=Tensor("7", 12, (12,), (1,)))
    annotated._metadata = {"": {"version": 1}}  # type: ignore[attr-defined]

    assert list(torch_file.parse(written(annotated, {"7": TWELVE}))) == ["w"]


class _Command:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch executed",)


def test_a_command_is_never_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(TorchFileError, match="wants to import 'posix system'"):
        torch_file.parse(raw_file(pickle.dumps({"w": _Command()}, 2)))

    assert not (tmp_path / "executed").exists()


def test_a_command_in_the_first_pickle_is_never_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(TorchFileError, match="wants to import"):
        torch_file.parse(pickle.dumps(_Command(), 2))

    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x80\x02cbuiltins\neval\n.",
        b"\x80\x02ctorch\nload\n.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
        b"\x80\x02ccollections\nOrderedDict\n(X\x01\x00\x00\x00atR.",
        b"\x80\x02ctorch\nFloatStorage\n)R.",
        b"\x80\x02ccollections\nOrderedDict\n)\x81.",
        b"\x80\x02]}b.",
        b"\x80\x02}K\x01K\x01\x86K\x02s.",
    ],
    ids=[
        "eval",
        "torch.load",
        "stack global",
        "odd call",
        "storage call",
        "newobj",
        "attributes",
        "tuple key",
    ],
)
def test_anything_but_tensors_is_refused(hostile: bytes) -> None:
    with pytest.raises(TorchFileError, match="do not use this file"):
        torch_file.parse(raw_file(hostile))


def test_a_giant_memo_slot_costs_no_memory() -> None:
    # The C unpickler grows its memo to the slot number: 2**32 entries.
    hostile = b"\x80\x02}r\xff\xff\xff\xff."

    with pytest.raises(TorchFileError, match="not the model|more than tensors|storages"):
        torch_file.parse(raw_file(hostile, ["1"]))


@pytest.mark.parametrize(
    "damaged",
    [
        b"\x80\x02R.",
        b"\x80\x02(.",
        b"\x80\x02h\x05.",
        b"\x80\x02K\x01K\x02.",
        b"\x80\x02t.",
        b"\x80\x02K\x01a.",
    ],
    ids=["underflow", "open mark", "unknown memo", "two values", "no mark", "append to nothing"],
)
def test_damaged_pickles_are_refused(damaged: bytes) -> None:
    with pytest.raises(TorchFileError, match="damaged"):
        torch_file.parse(raw_file(damaged))


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((3, 5), (5, 1), 0),
        ((3, 4), (400, 1), 0),
        ((12,), (1,), 1),
        ((1,), (1,), 1 << 60),
        ((1 << 40,), (0,), 0),
        ((1 << 31, 1 << 31, 1 << 31), (0, 0, 0), 0),
    ],
    ids=["too many", "stride", "offset", "giant offset", "broadcast bomb", "overflowing product"],
)
def test_a_tensor_outside_its_storage_is_refused(
    shape: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> None:
    with pytest.raises(TorchFileError, match="reaches outside its storage"):
        torch_file.parse(one(shape, strides, offset))


@pytest.mark.parametrize(
    ("shape", "strides"),
    [((-3, 4), (4, 1)), ((3, 4), (-4, 1)), ((3,), (4, 1)), (("3", 4), (4, 1)), ((1,) * 9, (1,) * 9)],
    ids=["negative size", "negative stride", "unequal lengths", "not a number", "nine dimensions"],
)
def test_a_shape_that_is_none_is_refused(shape: tuple[Any, ...], strides: tuple[int, ...]) -> None:
    with pytest.raises(TorchFileError):
        torch_file.parse(one(shape, strides))


def test_a_giant_element_count_is_refused() -> None:
    with pytest.raises(TorchFileError, match=f"has 12 elements where {1 << 62} were announced"):
        torch_file.parse(one((1,), (1,), count=1 << 62))
    agreed = raw_file(pickled(state(w=Tensor("7", 1 << 62, (1,), (1,)))), ["7"])
    with pytest.raises(TorchFileError, match="ends inside a storage"):
        torch_file.parse(agreed + storage_bytes(TWELVE, count=1 << 62))


def test_a_negative_element_count_is_refused() -> None:
    content = raw_file(pickled(state(w=Tensor("7", 12, (1,), (1,)))), ["7"])

    with pytest.raises(TorchFileError, match="-1 elements"):
        torch_file.parse(content + storage_bytes(TWELVE, count=-1))


def test_every_truncation_is_a_typed_error() -> None:
    content = one((3, 4), (4, 1))

    for length in range(len(content)):
        with pytest.raises(TorchFileError):
            torch_file.parse(content[:length])


def test_no_single_flipped_byte_escapes_the_typed_error() -> None:
    content = one((3, 4), (4, 1))

    for position in range(len(content)):
        flipped = content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]
        try:
            torch_file.parse(flipped)
        except TorchFileError:
            continue


def test_storages_must_be_those_that_tensors_use() -> None:
    with pytest.raises(TorchFileError, match="not those that tensors use"):
        torch_file.parse(written(state(w=Tensor("7", 12, (12,), (1,))), {"9": TWELVE}))
    twice = state(w=Tensor("7", 12, (12,), (1,)), v=Tensor("7", 6, (6,), (1,)))
    with pytest.raises(TorchFileError, match="described twice"):
        torch_file.parse(written(twice, {"7": TWELVE}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04 and so on", "zip format"),
        (b"", "damaged"),
        (b"\x80\x02K\x01.", "magic number"),
        (pickle.dumps(MAGIC, 2) + pickle.dumps(7, 2), "protocol 7"),
        (
            pickle.dumps(MAGIC, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": False}, 2),
            "endian",
        ),
        (raw_file(pickle.dumps(["no", "dict"], 2)), "no state dict"),
        (raw_file(pickle.dumps({"epoch": 3}, 2)), "more than tensors"),
    ],
    ids=["zip", "empty", "magic", "protocol", "endian", "list", "checkpoint"],
)
def test_other_files_say_what_they_are(content: bytes, message: str) -> None:
    with pytest.raises(TorchFileError, match=message):
        torch_file.parse(content)


def test_a_giant_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "giant.pth"
    with path.open("wb") as sparse:
        sparse.truncate(torch_file.MAX_FILE_BYTES + 1)

    with pytest.raises(TorchFileError, match="are not read"):
        torch_file.load(path)

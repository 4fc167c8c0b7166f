"""A model comes back from its store as it was, byte by byte; a file that lies or is damaged is refused."""

from __future__ import annotations

import errno
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from lepton_edge.compress import store
from lepton_edge.compress.errors import CorruptStore
from lepton_edge.compress.store import layout, writing
from lepton_edge.core.errors import StorageFull
from lepton_edge.wire.packed import pack

DTYPES = ["float32", "float16", "float64", "int8", "uint8", "int64", "bool"]


def model_of(*arrays: np.ndarray, inner: np.ndarray | None = None) -> ModelProto:
    """Return a model that holds `arrays` (and one in a branch) and computes nothing of note."""
    weights = [numpy_helper.from_array(one, f"w{i}") for i, one in enumerate(arrays)]
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    if inner is not None:
        held = [numpy_helper.from_array(inner, "inside")]
        out = helper.make_tensor_value_info("inside", TensorProto.FLOAT, None)
        branch = helper.make_graph([], "branch", [], [out], held)
        nodes.append(helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], weights, doc_string="told")
    return helper.make_model(graph, producer_name="test")


def same(one: ModelProto, other: ModelProto) -> bool:
    return bool(one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 30), max_size=3), st.integers(1, 200)),
        max_size=4,
    )
)
def test_every_model_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, them: list[tuple[str, list[int], int]]
) -> None:
    random = np.random.default_rng(0)
    arrays = [random.integers(0, upto, shape).astype(dtype) for dtype, shape, upto in them]
    model, path = model_of(*arrays), tmp_path_factory.mktemp("store") / "m.lepton"
    told = store.write(model, path)
    assert same(store.read(path), model)
    assert told == store.contents(path)
    assert told.size == path.stat().st_size == store.stored_size(model)


def test_the_model_that_was_given_stays_as_it_was_and_branches_come_along(tmp_path: Path) -> None:
    model = model_of(np.arange(5000, dtype=np.float32), inner=np.arange(900, dtype=np.float32))
    before = model.SerializeToString(deterministic=True)
    told = store.write(model, tmp_path / "m.lepton")
    assert model.SerializeToString(deterministic=True) == before
    assert sorted(one.name for one in told.tensors) == ["inside", "w0"]  # both branches hold one content
    assert same(store.read(tmp_path / "m.lepton"), model)


def test_typed_and_sub_byte_tensors_keep_their_values(tmp_path: Path) -> None:
    model = model_of()
    model.graph.initializer.append(
        helper.make_tensor("f", TensorProto.FLOAT, [30, 40], np.arange(1200.0).tolist())
    )
    model.graph.initializer.append(helper.make_tensor("q", TensorProto.INT4, [5001], [-3] * 5001))
    model.graph.initializer.append(helper.make_tensor("s", TensorProto.STRING, [2], [b"a" * 2000, b"b"]))
    told = store.write(model, tmp_path / "m.lepton")
    back = {
        one.name: numpy_helper.to_array(one) for one in store.read(tmp_path / "m.lepton").graph.initializer
    }
    assert [one.name for one in told.tensors] == ["f", "q"]
    assert np.array_equal(back["f"], np.arange(1200, dtype=np.float32).reshape(30, 40))
    assert back["q"].astype(int).tolist() == [-3] * 5001
    assert list(back["s"]) == [b"a" * 2000, b"b"] or list(back["s"]) == ["a" * 2000, "b"]


def test_tied_weights_are_stored_once(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    once = store.write(model_of(weight), tmp_path / "a.lepton")
    twice = store.write(model_of(weight, weight), tmp_path / "b.lepton")
    assert len(twice.tensors) == 1
    assert twice.size < once.size + 200


def test_a_model_of_zeros_alone_is_not_written_where_nobody_would_read_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layout, "ALWAYS_FINE", 1 << 20)
    with pytest.raises(CorruptStore, match="not believed"):
        store.stored_size(model_of(np.zeros(1 << 20, np.float32)))


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.lepton").write_bytes(b"the one before")

    def full(_number: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(writing.os, "fsync", full)
    with pytest.raises(StorageFull):
        store.write(model_of(np.ones(1000, np.float32)), tmp_path / "m.lepton")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("m.lepton", b"the one before")]


# --- hostile ---------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "m.lepton"
    store.write(model_of(np.random.default_rng(0).standard_normal(3000).astype(np.float32)), path)
    return path


def refused(path: Path) -> str:
    with pytest.raises(CorruptStore) as raised:
        store.read(path)
    assert raised.value.hint
    return raised.value.message


def rewrite(path: Path, change: dict[str, object], graph: ModelProto | None = None) -> None:
    """Write the store anew with its index changed, and sound in all else."""
    told = store.contents(path)
    whole = io.BytesIO(path.read_bytes())
    rows = {"graph": layout._row(told.graph), "tensors": [layout._row(one) for one in told.tensors]}
    if graph is not None:
        text = graph.SerializeToString()
        whole.seek(0, io.SEEK_END)
        rows["graph"] = [
            "graph", whole.tell(), len(pack(text)), len(text), hashlib.sha256(text).hexdigest()
        ]  # fmt: skip
        whole.write(pack(text))
    index = json.dumps({"format": 1, **rows, **change}).encode()
    whole.seek(0, io.SEEK_END)
    at = whole.tell()
    whole.write(pack(index))
    whole.seek(0)
    digest = hashlib.sha256(index).digest()
    whole.write(layout.HEAD.pack(layout.MAGIC, 1, 0, at, len(pack(index)), len(index), digest))
    path.write_bytes(whole.getvalue())


def test_another_file_and_another_version_are_told_apart(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"ONNX")
    assert not store.is_store(other)
    assert store.is_store(path)
    assert "no store" in refused(other)
    content = bytearray(path.read_bytes())
    content[8] = 2
    path.write_bytes(content)
    assert "format 2" in refused(path)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 1 << 20), st.integers(1, 255))
def test_no_damaged_byte_passes(tmp_path_factory: pytest.TempPathFactory, at: int, by: int) -> None:
    path = tmp_path_factory.mktemp("store") / "m.lepton"
    model = model_of(np.arange(700, dtype=np.float32))
    store.write(model, path)
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= by
    path.write_bytes(content)
    try:
        assert same(store.read(path), model)  # a byte that means nothing (the head's spare ones, a zstd flag)
    except CorruptStore:
        return


def test_one_that_is_cut_off_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for length in (0, 20, layout.HEAD.size, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(path)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (["w0", 1 << 40, 100, 12000, "0" * 64], "outside"),
        (["w0", -5, 100, 12000, "0" * 64], "outside"),
        (["w0", 80, -1, 12000, "0" * 64], "outside"),
        (["w0", 80, 100, 1 << 62, "0" * 64], "not believed"),
        (["w0", 80, 100, (1 << 28) + 1, "0" * 64], "not believed"),
        (["w0", 80.5, 100, 12000, "0" * 64], "none"),
        (["w0", True, 100, 12000, "0" * 64], "none"),
        (["w0", 80, 100, 12004, "0" * 64], "cannot have 12004 bytes"),
        (["w0", 80, 100, 12000, "0" * 64], "damaged"),
        (["w0"], "cannot be read"),
    ],
)
def test_an_index_that_lies_is_refused(path: Path, row: list[object], says: str) -> None:
    rewrite(path, {"tensors": [row]})
    assert says in refused(path)


@pytest.mark.parametrize("index", [{"tensors": 5}, {"graph": None}, {"tensors": []}])
def test_an_index_of_another_kind_is_refused(path: Path, index: dict[str, object]) -> None:
    rewrite(path, index)
    refused(path)


def test_an_index_that_announces_too_much_is_refused(path: Path) -> None:
    content = bytearray(path.read_bytes())
    head = list(layout.HEAD.unpack_from(content))
    head[5] = layout.MAX_INDEX + 1
    content[: layout.HEAD.size] = layout.HEAD.pack(*head)
    path.write_bytes(content)
    assert "index" in refused(path)


def pointing(location: str, slot: str, count: int = 1) -> ModelProto:
    model = model_of()
    for place in range(count):
        tensor = model.graph.initializer.add(name=f"w{place}", data_type=TensorProto.FLOAT, dims=[3000])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        tensor.external_data.add(key="slot", value=slot)
    return model


@pytest.mark.parametrize(
    ("location", "slot"),
    [("/etc/passwd", "0"), ("../weights.bin", "0"), ("store", "7"), ("store", "-1"), ("store", "")],
)
def test_an_initializer_that_lies_elsewhere_is_refused(path: Path, location: str, slot: str) -> None:
    rewrite(path, {}, pointing(location, slot))
    assert "no place of this store" in refused(path)


def test_many_that_point_at_one_content_reserve_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "ALWAYS_FINE", 100_000)
    monkeypatch.setattr(layout, "MAX_RATIO", 3)
    rewrite(path, {}, pointing("store", "0", 50))
    assert "not believed" in refused(path)
    rewrite(path, {}, pointing("store", "0", 3))
    assert len(store.read(path).graph.initializer) == 3


def test_an_index_that_expands_as_no_index_does_is_not_expanded(tmp_path: Path) -> None:
    text = b'{"tensors":[' + b"{}," * 1_000_000 + b"{}]}"
    packed = pack(text, 1, 0)
    digest = hashlib.sha256(text).digest()
    head = layout.HEAD.pack(layout.MAGIC, 1, 0, layout.HEAD.size, len(packed), len(text), digest)
    (tmp_path / "m.lepton").write_bytes(head + packed)
    with pytest.raises(CorruptStore, match="the index of m.lepton does not fit"):
        store.read(tmp_path / "m.lepton")


def test_an_index_of_many_small_tensors_is_read(tmp_path: Path) -> None:
    model = model_of(*(np.full(300, i, np.float32) for i in range(3000)))
    told = store.write(model, tmp_path / "m.lepton")
    assert len(store.read(tmp_path / "m.lepton").graph.initializer) == len(told.tensors) == 3000

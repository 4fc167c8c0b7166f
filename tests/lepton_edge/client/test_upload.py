"""A push as messages: every file looked for first, read in pieces, ended clearly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lepton_edge.client import upload as room
from lepton_edge.client.upload import MAX_SAMPLES, Push, parts, upload
from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.messages import PushModel, Upload
from partitioner.errors import InvalidManifest
from partitioner.manifest import read_manifest


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"0123456789")
    return path


async def test_a_file_goes_in_pieces_and_its_last_piece_says_so(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PIECE", 4)
    calls = [call async for call in upload(Push("net", model), parts(Push("net", model)))]
    assert calls[0] == PushModel("net")  # type: ignore[arg-type]
    assert [(call.data, call.last) for call in calls[1:] if isinstance(call, Upload)] == [
        (b"0123", False), (b"4567", False), (b"89", True),
    ]  # fmt: skip


async def test_an_empty_file_and_one_of_exactly_one_piece_end_once(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for content in (b"", b"0123"):
        model.write_bytes(content)
        monkeypatch.setattr(room, "PIECE", 4)
        calls = [call async for call in upload(Push("net", model), parts(Push("net", model)))]
        assert calls[1:] == [Upload("model", content, last=True)]


def test_weights_beside_the_model_go_with_it(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")

    weights = onnx.numpy_helper.from_array(np.arange(4096, dtype=np.float32), "w")
    node = onnx.helper.make_node("Add", ["x", "w"], ["y"])
    values = [onnx.helper.make_tensor_value_info(name, 1, [4096]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "g", values[:1], values[1:], [weights])
    model = tmp_path / "net.onnx"
    onnx.save_model(
        onnx.helper.make_model(graph),
        model,
        save_as_external_data=True,
        location="net.onnx.data",
        size_threshold=0,
    )
    assert [part.name for part in parts(Push("net", model))] == ["model", "data:net.onnx.data"]


def test_a_mark_that_names_no_file_beside_the_model_sends_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not yours")
    folder = tmp_path / "models"
    folder.mkdir()
    model = folder / "net.onnx"
    names = (b"../secret", str(secret).encode(), b"gone", b".", b"net.onnx")
    model.write_bytes(b"".join(b"\x0a\x08location\x12" + bytes([len(name)]) + name for name in names))
    assert [part.name for part in parts(Push("net", model))] == ["model"]


def test_labels_are_taken_from_beside_the_manifest(model: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "net.toml"
    manifest.write_text('[[output]]\nname = "y"\nlabels = "names.txt"\n[[output]]\nname = "z"\n')
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    found = parts(Push("net", model, manifest))
    assert [part.name for part in found] == ["model", "manifest", "labels:names.txt"]
    assert found[2].path == tmp_path / "names.txt"


@pytest.mark.parametrize("text", ["format = ", "\x00"])
def test_a_manifest_that_is_not_toml_is_refused_here(model: Path, tmp_path: Path, text: str) -> None:
    manifest = tmp_path / "net.toml"
    manifest.write_text(text)
    with pytest.raises(InvalidManifest, match="not TOML"):
        parts(Push("net", model, manifest))


def test_a_manifest_of_an_odd_form_is_left_to_the_coordinator(model: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "net.toml"
    for text in ("output = 3", "output = [1]", "[[output]]\nlabels = 3"):
        manifest.write_text(text)
        assert len(parts(Push("net", model, manifest))) == 2


def test_of_many_samples_evenly_spread_ones_are_sent(model: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    samples.mkdir()
    for number in range(100):
        (samples / f"{number:03}.JPG").write_bytes(b"x")
    (samples / "notes.md").write_text("no sample")
    names = [part.path.stem for part in parts(Push("net", model, samples=samples))[1:]]
    assert len(names) == MAX_SAMPLES
    assert names == sorted(set(names))
    assert names[0] == "000"
    assert names[-1] >= "096"


def test_a_single_sample_file_is_sent_as_it_is(model: Path, tmp_path: Path) -> None:
    (tmp_path / "samples.npz").write_bytes(b"x")
    found = parts(Push("net", model, samples=tmp_path / "samples.npz"))
    assert found[1].name == "sample:samples.npz"


def test_what_is_missing_is_named_before_anything_is_sent(model: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    manifest = tmp_path / "net.toml"
    manifest.write_text('[[output]]\nlabels = "gone.txt"\n')
    for push, said in (
        (Push("net", tmp_path / "gone.onnx"), "gone.onnx"),
        (Push("net", model, tmp_path / "gone.toml"), "gone.toml"),
        (Push("net", model, manifest), "gone.txt"),
        (Push("net", model, samples=tmp_path / "gone"), "gone"),
        (Push("net", model, samples=empty), "no sample"),
    ):
        with pytest.raises(InvalidInput, match=said):
            parts(push)


async def sent(push: Push) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    async for call in upload(push, parts(push)):
        if isinstance(call, Upload):
            found[call.part] = found.get(call.part, b"") + call.data
    return found


async def test_whose_variant_it_is_goes_in_the_manifest(model: Path, tmp_path: Path) -> None:
    alone = await sent(Push("net-int8", model, variant_of="net"))
    assert read_manifest(alone["manifest"].decode()).variant_of == "net"
    manifest = tmp_path / "net.toml"
    manifest.write_text('[model]\nname = "small"\n[[output]]\nname = "y"\nlabels = "names.txt"\n')
    (tmp_path / "names.txt").write_text("cat\n")
    told = await sent(Push("net-int8", model, manifest, variant_of="net"))
    read = read_manifest(told["manifest"].decode())
    assert (read.name, read.variant_of) == ("small", "net")
    assert told["labels:names.txt"] == b"cat\n"
    assert "variant_of" not in manifest.read_text(), "what somebody wrote is not touched"


def test_a_folder_of_compress_is_its_model_and_the_manifest_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "net.compressed"
    folder.mkdir()
    for name in ("net.onnx", "net.json", "net.toml", "report.json", "candidate.onnx"):
        (folder / name).write_text("")
    found = parts(Push("net-int8", folder))
    assert [(part.name, part.path.name) for part in found] == [
        ("model", "net.onnx"),
        ("manifest", "net.toml"),
    ]
    (folder / "candidate.json").write_text("")
    with pytest.raises(InvalidInput, match="several models"):
        parts(Push("net-int8", folder))
    with pytest.raises(InvalidInput, match="no model"):
        parts(Push("net-int8", tmp_path))


def test_trained_codecs_go_with_their_model(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "net.bottleneck"
    folder.mkdir()
    with pytest.raises(InvalidInput, match="bottleneck.json"):
        parts(Push("net", model, bottlenecks=(folder,)))
    for name in room.CODER_FILES:
        (folder / name).write_bytes(b"x")
    sent = [one.name for one in parts(Push("net", model, bottlenecks=(folder, folder)))]
    assert sent[1:4] == [f"coder:0-net.bottleneck/{name}" for name in room.CODER_FILES]
    assert sent[4] == "coder:1-net.bottleneck/bottleneck.json"

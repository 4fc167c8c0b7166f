"""A bundle says what was changed, what was seen, what was not; a change that would part the answers is not made."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, helper, numpy_helper
from PIL import Image

from lepton_edge.compress import changes, evaluate, store
from lepton_edge.compress.adaptation import adapt
from lepton_edge.compress.bundle import Bundle, Fact
from lepton_edge.compress.changes import Wanted
from lepton_edge.compress.errors import CompressionRefused, UnusableData
from lepton_edge.compress.recipe import Compared, Timing
from lepton_edge.core.errors import AlreadyExists, StorageFull
from partitioner.errors import InvalidModel
from partitioner.onnx_io import load, runtime
from tests.lepton_edge.compress.small_nets import net
from tests.lepton_edge.compress.test_signs import quantized


@pytest.fixture(autouse=True)
def _this_machine_is_no_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "this_machine", lambda: None)  # so that no test waits for a measurement


def saved(model: ModelProto, folder: Path) -> Path:
    onnx.save(model, str(folder / "m.onnx"))
    return folder / "m.onnx"


def whats(facts: tuple[Fact, ...]) -> str:
    return "; ".join(one.what for one in facts)


def test_a_bundle_holds_the_model_its_store_and_what_is_known(tmp_path: Path) -> None:
    source = saved(net(), tmp_path)
    before = source.read_bytes()
    bundle = adapt(source, "raspberrypi", tmp_path / "out")
    assert source.read_bytes() == before
    assert sorted(one.name for one in bundle.folder.iterdir()) == [
        "bundle.json",
        "model.lepton",
        "model.onnx",
    ]
    told = json.loads((tmp_path / "out" / "bundle.json").read_text())
    assert told["schema"] == "lepton-edge/bundle/1"
    assert told["target"]["activation"] == "int8"
    assert [one["name"] for one in told["files"]] == ["model.lepton", "model.onnx"]
    assert told["parent"] == bundle.parent
    assert store.read(bundle.folder / "model.lepton") == onnx.load(str(bundle.folder / "model.onnx"))
    assert "opens and answers as the original" in whats(bundle.verified)
    assert "runs on raspberrypi" in whats(bundle.unverified)
    assert "real data" in whats(bundle.unverified)


def test_a_store_is_taken_like_the_model_it_holds(tmp_path: Path) -> None:
    store.write(net(), tmp_path / "m.lepton")
    bundle = adapt(tmp_path / "m.lepton", "arm64", tmp_path / "out")
    assert bundle.verified


def test_activations_get_the_sign_that_the_platform_is_fast_with(tmp_path: Path) -> None:
    bundle = adapt(saved(quantized("uint8"), tmp_path), "raspberrypi", tmp_path / "out")
    assert "activations -> int8" in whats(bundle.done)
    stays = adapt(saved(quantized("uint8"), tmp_path), "x86", tmp_path / "out2")
    assert stays.done == ()


def test_kernels_that_round_otherwise_do_not_refuse_an_exact_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Rough(evaluate.Runner):
        def __init__(self, model: ModelProto, level: Any = runtime.FULL) -> None:
            super().__init__(model, level)
            signed = any(one.name.endswith("@int8") for one in model.graph.initializer)
            self.off = float(signed and level == runtime.FULL)

        def run(self, feeds: Any) -> dict[str, Any]:
            return {name: self._rough(one) for name, one in super().run(feeds).items()}

        def _rough(self, one: Any) -> Any:
            return one + self.off * (np.arange(one.size).reshape(one.shape) % 3 == 0)

    monkeypatch.setattr(changes, "Runner", Rough)
    bundle = adapt(saved(quantized("uint8"), tmp_path), "raspberrypi", tmp_path / "out")
    assert "activations -> int8" in whats(bundle.done)


def test_activations_that_cannot_change_are_told(tmp_path: Path) -> None:
    bundle = adapt(saved(quantized("uint8", seen_by="Cast"), tmp_path), "raspberrypi", tmp_path / "out")
    assert "activations -> int8" in whats(bundle.rejected)


def test_the_opset_is_changed_and_checked(tmp_path: Path) -> None:
    bundle = adapt(saved(net(), tmp_path), "x86", tmp_path / "out", Wanted(opset=13))
    assert whats(bundle.done) == "opset 17 -> 13"
    assert load.opset(onnx.load(str(bundle.folder / "model.onnx"))) == 13


def test_a_change_that_parts_the_answers_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def worse(model: ModelProto, _opset: int) -> ModelProto:
        made = ModelProto()
        made.CopyFrom(model)
        for one in made.graph.initializer:
            if one.name == "w0":
                one.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(one), "w0"))
        return made

    monkeypatch.setattr(changes.opsets, "convert", worse)
    bundle = adapt(saved(net(), tmp_path), "x86", tmp_path / "out", Wanted(opset=13))
    assert bundle.done == ()
    assert "the answers part" in bundle.rejected[0].how
    assert (bundle.folder / "model.onnx").is_file()


def test_a_change_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    model = net()
    model.graph.node[7].CopyFrom(helper.make_node("Einsum", ["p"], ["f"], "sum", equation="nchw->nc"))
    bundle = adapt(saved(model, tmp_path), "x86", tmp_path / "out", Wanted(opset=11))
    assert bundle.rejected == (Fact("opset 17 -> 11", "Einsum 'sum' cannot be had in opset 11"),)


def test_android_gets_the_engines_own_format_that_answers_alike(tmp_path: Path) -> None:
    bundle = adapt(saved(net(), tmp_path), "android", tmp_path / "out")
    assert (bundle.folder / "model.ort").is_file()
    assert "model.ort opens" in whats(bundle.verified)
    assert not (
        adapt(saved(net(), tmp_path), "android", tmp_path / "no", Wanted(ort=False)).folder / "model.ort"
    ).exists()


def test_what_a_device_took_is_verified_and_not_left_open(tmp_path: Path) -> None:
    def measure(candidate: Path, original: Path) -> list[Compared]:
        assert candidate.is_file()
        assert original.is_file()
        return [Compared(Timing("pi", 0.005, runs=9), Timing("pi", 0.006))]  # type: ignore[arg-type]

    bundle = adapt(saved(net(), tmp_path), "raspberrypi", tmp_path / "out", Wanted(measure=measure))
    assert Fact("its time on pi", "5.00 ms, the original 6.00 ms, in turns, 9 runs") in bundle.verified
    assert "raspberrypi" not in whats(bundle.unverified)


def test_given_data_is_what_it_is_compared_on(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "d.npz", x=np.random.default_rng(0).standard_normal((5, 3, 12, 12)).astype(np.float32)
    )
    bundle = adapt(saved(net(), tmp_path), "x86", tmp_path / "out", Wanted(data=tmp_path / "d.npz"))
    assert "over 5 given inputs" in bundle.verified[0].how
    assert "real data" not in whats(bundle.unverified)


def test_half_precision_is_tried_where_the_platform_has_it(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    weights = numpy_helper.from_array(random.standard_normal((12, 6000)).astype(np.float32), "big")
    ends = [helper.make_tensor_value_info(name, 1, [1, size]) for name, size in (("x", 12), ("y", 6000))]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "big"], ["y"], "m")], "g", ends[:1], ends[1:], [weights]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    made: Bundle = adapt(saved(model, tmp_path), "jetson", tmp_path / "out")
    assert "float16" in whats(made.done + made.rejected)
    kept = adapt(saved(model, tmp_path), "jetson", tmp_path / "kept", Wanted(precision="keep"))
    assert "float16" not in whats(kept.done + kept.rejected)


@pytest.mark.parametrize("wanted", [Wanted(precision="quarter"), Wanted(opset=3), Wanted(opset=999)])
def test_wishes_that_cannot_be_followed_leave_nothing(tmp_path: Path, wanted: Wanted) -> None:
    source = saved(net(), tmp_path)
    with pytest.raises(CompressionRefused):
        adapt(source, "x86", tmp_path / "out", wanted)
    with pytest.raises(CompressionRefused, match="known"):
        adapt(source, "zx81", tmp_path / "out")
    assert [one.name for one in tmp_path.iterdir()] == ["m.onnx"]


def test_bad_models_and_folders_that_are_somebody_elses(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel):
        adapt(tmp_path / "none.onnx", "x86", tmp_path / "out")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(InvalidModel):
        adapt(tmp_path / "bad.onnx", "x86", tmp_path / "out")
    source = saved(net(), tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(AlreadyExists):
        adapt(source, "x86", tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"


def test_an_earlier_bundle_is_replaced_whole(tmp_path: Path) -> None:
    source = saved(net(), tmp_path)
    adapt(source, "android", tmp_path / "out")
    adapt(source, "x86", tmp_path / "out")
    assert not (tmp_path / "out" / "model.ort").exists()
    assert not list(tmp_path.glob(".out*"))


def test_pictures_become_inputs_by_the_manifest_beside_the_model(tmp_path: Path) -> None:
    source, pictures = saved(net(), tmp_path), tmp_path / "pictures"
    pictures.mkdir()
    for number in range(3):
        Image.new("RGB", (20, 20), (80 * number, 20, 60)).save(pictures / f"{number}.png")
    text = 'format = 1\n[[input]]\nname = "x"\nkind = "picture"\n'
    with pytest.raises(UnusableData, match="no manifest"):
        adapt(source, "raspberrypi", tmp_path / "out", Wanted(data=pictures))
    (tmp_path / "other.toml").write_text(text)
    bundle = adapt(
        source, "raspberrypi", tmp_path / "out", Wanted(data=pictures, description=tmp_path / "other.toml")
    )
    assert "over 3 given inputs" in "; ".join(one.how for one in bundle.verified)
    (tmp_path / "m.toml").write_text(text)
    adapt(source, "raspberrypi", tmp_path / "out", Wanted(data=pictures))


def test_a_full_temporary_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(load, "load", full)
    with pytest.raises(StorageFull, match="no space left to write .*lepton-adapt"):
        adapt(saved(net(), tmp_path), "x86", tmp_path / "out")
    assert [one.name for one in tmp_path.iterdir()] == ["m.onnx"]


def test_what_answers_otherwise_is_not_called_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_cosine", lambda found, wanted: 0.5)
    bundle = adapt(saved(net(), tmp_path), "raspberrypi", tmp_path / "out")
    assert "answers as the original" not in whats(bundle.verified)
    assert "that model.onnx answers as the original" in whats(bundle.unverified)
    assert "it does not: least cosine 0.500000" in "; ".join(one.how for one in bundle.unverified)


def test_a_model_newer_than_the_oldest_engine_is_written_for_it(tmp_path: Path) -> None:
    model = net()
    model.ir_version, model.opset_import[0].version = 12, 24
    bundle = adapt(saved(model, tmp_path), "jetson", tmp_path / "out", Wanted(precision="keep"))
    assert "opset 24 -> 23" in whats(bundle.done)
    assert "file format (IR)" in whats(bundle.done)
    made = onnx.load(str(bundle.folder / "model.onnx"))
    assert (load.opset(made), made.ir_version) == (23, 11)
    kept = adapt(saved(model, tmp_path), "jetson", tmp_path / "out", Wanted(precision="keep", opset=24))
    assert "file format" not in whats(kept.done)


def test_rounding_of_this_processors_kernels_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = iter((0.99, 1.0))  # with the engine's optimisations, then without
    monkeypatch.setattr(changes, "_cosine", lambda found, wanted: next(seen))
    bundle = adapt(saved(net(), tmp_path), "raspberrypi", tmp_path / "out")
    assert "the model in model.onnx answers node by node as the original" in whats(bundle.verified)
    (told,) = (one.how for one in bundle.unverified if "answers as the original" in one.what)
    assert told.startswith("it does not: least cosine 0.990000")
    assert told.endswith("its kernels round otherwise")


def test_inputs_that_would_fill_the_memory_are_not_made_up(tmp_path: Path) -> None:
    ends = [helper.make_tensor_value_info(name, 1, [1, "n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"], "r")], "g", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(CompressionRefused, match=r"'x' of shape \[1, 100000000000\] has 400.0 GB"):
        adapt(saved(model, tmp_path), "x86", tmp_path / "out", Wanted(shapes={"x": (1, 10**11)}))
    assert [one.name for one in tmp_path.iterdir()] == ["m.onnx"]

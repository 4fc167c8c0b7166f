"""Devices that run different precisions of a model: who is offered what, and files that fit together."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.jobs import PlanJob
from lepton_edge.coordinator.planning import make_plan
from lepton_edge.coordinator.records import PlanOrder, VariantOrder
from lepton_edge.core.calls import DeviceSpeed, Wishes
from partitioner.costs import DeviceProfile, LayerShare, LinkProfile, Measurement
from partitioner.errors import NoFeasiblePlan
from partitioner.manifest import Manifest
from partitioner.onnx_io import compile_model, load_compiled, runtime
from partitioner.plan import Block, PlanBook
from tests.partitioner.onnx_io import quantized_pair as quantized

SLOW_LINK = LinkProfile(2e5, 2e5, 0.001, 0.001)
MODEL, INT8 = "net", "net-int8"


class Desk:
    """A model and its int8 variant, compiled, and plans made of them."""

    def __init__(self, state: Path) -> None:
        self.folders = dict(zip((MODEL, INT8), quantized.compiled(state), strict=True))
        self.compiled = {name: load_compiled(folder) for name, folder in self.folders.items()}
        self.artifacts = Artifacts(state)
        self.artifacts.prepare()

    def profile(self, model: str, device: str, *seconds: float) -> DeviceProfile:
        """What each layer of `model` takes on `device`; one number for all of them, or one each."""
        layers = self.compiled[model].graph.layers
        each = seconds * len(layers) if len(seconds) == 1 else seconds
        shares = tuple(
            LayerShare(one.nodes[0], time / sum(each)) for one, time in zip(layers, each, strict=True)
        )
        return DeviceProfile(device, Measurement(sum(each), sum(each) / 50, 9), shares)

    def order(self, board: DeviceProfile | None, cloud: DeviceProfile | None, **more: Any) -> PlanOrder:
        """An order in which the model itself is slow on the board, and int8 is as measured by `board`, `cloud`."""
        own = [self.profile(MODEL, "board", 0.02), self.profile(MODEL, "cloud", 0.001)]
        variant = VariantOrder(INT8, "v1", board, cloud)
        return PlanOrder(MODEL, "v1", *own, SLOW_LINK, variants=(variant,), **more)

    def plan(self, order: PlanOrder) -> tuple[PlanBook, dict[str, Any]]:
        book, document = make_plan(PlanJob(str(self.folders[MODEL]), order), self.artifacts)
        assert book is not None
        return book, document

    def file(self, sha256: str) -> bytes:
        path = self.artifacts.find(sha256)
        assert path is not None
        return path.read_bytes()

    def run(self, block: Block, folder: Path, given: dict[str, Any]) -> dict[str, Any]:
        session = runtime.open_session(self.file(block.artifact), runtime.options(folder, runtime.FULL))
        names = [spec.name for spec in block.outputs]
        return dict(
            zip(names, session.run(names, {s.name: given[s.name] for s in block.inputs}), strict=True)
        )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="module")
def mixed(desk: Desk) -> tuple[PlanBook, dict[str, Any]]:
    """Int8 is quick on the board, but for its last layer, and was never measured in the cloud."""
    return desk.plan(desk.order(desk.profile(INT8, "board", 1e-4, 1e-4, 1e-4, 0.05), None))


def test_the_board_runs_int8_and_the_cloud_the_model_itself_where_that_is_best(
    desk: Desk, mixed: Any
) -> None:
    book, told = mixed
    assert (told["variants"]["board"], told["variants"]["cloud"]) == (INT8, "")
    assert told["variants"]["label"] == "net-int8 on the board, the model itself in the cloud"
    assert told["variants"]["precisions"] == {"board": "int8", "cloud": "float32"}
    page = book.page(book.active)
    assert [stage.device for stage in page.stages] == ["board", "cloud"]
    assert [(one.variant, one.version) for one in book.variants] == [(INT8, desk.compiled[INT8].version)]
    ways = {one["label"]: one["seconds"] for one in told["variants"]["ways"]}
    assert ways[told["variants"]["label"]] == min(ways.values()) < ways["the model itself on both"]


def test_the_cut_travels_as_integers(mixed: Any) -> None:
    book, _ = mixed
    cut = book.page(book.active).stages[0].last
    assert [(spec.name, spec.dtype, spec.size) for spec in book.frontiers[cut].tensors] == [
        ("b2_q", "uint8", 64)
    ]
    assert book.page(book.active).prediction.bytes_up <= 64


def test_every_device_is_told_its_own_blocks_between_the_same_frontiers(mixed: Any) -> None:
    book, _ = mixed
    board, cloud = book.held_by("board"), book.held_by("cloud")
    for one, other, frontier in zip(board.blocks, cloud.blocks, book.frontiers[1:], strict=True):
        assert one.inputs == other.inputs
        assert one.outputs == other.outputs
        assert one.artifact != other.artifact
        assert {spec.name for spec in frontier.tensors} <= {spec.name for spec in one.outputs}
    assert board.blob != cloud.blob == book.blob
    assert board.variants == cloud.variants == ()
    assert {one.device for one in (*board.fused, *board.spare)} <= {"board"}
    assert {one.device for one in (*cloud.fused, *cloud.spare)} <= {"cloud"}


def test_both_stages_together_answer_as_the_model_does(desk: Desk, mixed: Any) -> None:
    book, _ = mixed
    cut = book.page(book.active).stages[0].last
    x = np.random.default_rng(1).standard_normal((1, quantized.WIDTH)).astype(np.float32)
    made = {"x": x}
    for block in book.held_by("board").blocks[:cut]:
        made |= desk.run(block, desk.folders[INT8], made)
    for block in book.held_by("cloud").blocks[cut:]:
        made |= desk.run(block, desk.folders[MODEL], made)
    wanted = onnxruntime.InferenceSession(quantized.net().SerializeToString()).run(None, {"x": x})[0]
    assert np.abs(made["y"] - wanted).max() < 0.05 * np.abs(wanted).max()


@pytest.mark.parametrize("device", ["board", "cloud"])
def test_the_golden_sample_is_what_a_devices_own_blocks_make(desk: Desk, mixed: Any, device: str) -> None:
    book = mixed[0].held_by(device)
    golden = np.load(io.BytesIO(desk.file(book.golden)))
    folder = desk.folders[INT8 if device == "board" else MODEL]
    for block in book.blocks:
        for name, value in desk.run(block, folder, golden).items():
            apart = np.abs(value.astype(float) - golden[name]).max()
            assert apart <= (1 if value.dtype == np.uint8 else book.tolerance * np.abs(golden[name]).max())


def test_int8_on_both_is_a_book_of_its_own_blocks_under_the_models_name(desk: Desk) -> None:
    order = desk.order(desk.profile(INT8, "board", 1e-4), desk.profile(INT8, "cloud", 1e-5))
    book, told = desk.plan(order)
    assert (told["variants"]["board"], told["variants"]["cloud"]) == (INT8, INT8)
    assert (book.model, book.blob) == (MODEL, desk.compiled[INT8].blob)
    assert [(one.device, one.variant) for one in book.variants] == [("board", INT8), ("cloud", INT8)]
    assert book.held_by("board").blocks == book.held_by("cloud").blocks == book.blocks
    assert book.variants[0].version == desk.compiled[INT8].version


def test_a_slower_variant_is_not_taken(desk: Desk) -> None:
    book, told = desk.plan(desk.order(desk.profile(INT8, "board", 0.1), desk.profile(INT8, "cloud", 0.1)))
    assert (told["variants"]["board"], told["variants"]["cloud"]) == ("", "")
    assert book.variants == ()
    assert book.blob == desk.compiled[MODEL].blob


def test_without_samples_no_limit_on_loss_is_known_to_hold(desk: Desk) -> None:
    order = desk.order(desk.profile(INT8, "board", 1e-4), None, wishes=Wishes(max_loss=0.5))
    assert desk.plan(order)[1]["variants"]["board"] == ""


def test_what_is_supposed_of_a_device_is_supposed_of_its_variant_too(desk: Desk) -> None:
    board = desk.profile(INT8, "board", 1e-4, 1e-4, 1e-4, 0.05)
    slower = desk.order(board, None, speeds=(DeviceSpeed("board", 0.5),))
    way = "net-int8 on the board, the model itself in the cloud"
    seconds = [
        next(one["seconds"] for one in desk.plan(order)[1]["variants"]["ways"] if one["label"] == way)
        for order in (desk.order(board, None), slower)
    ]
    assert seconds[1] > seconds[0] + 2e-4


def test_without_variants_nothing_is_told_of_them(desk: Desk) -> None:
    own = [desk.profile(MODEL, "board", 0.02), desk.profile(MODEL, "cloud", 0.001)]
    assert desk.plan(PlanOrder(MODEL, "v1", *own, SLOW_LINK))[1]["variants"] == {}


@pytest.mark.parametrize(
    ("wishes", "board", "cloud"),
    [
        ({"board_variant": INT8, "cloud_variant": MODEL}, INT8, ""),
        ({"board_variant": MODEL, "cloud_variant": INT8}, "", INT8),
        ({"board_variant": MODEL, "cloud_variant": MODEL}, "", ""),
        ({"cloud_variant": INT8}, INT8, INT8),
    ],
)
def test_a_person_chooses_who_runs_what(desk: Desk, wishes: dict[str, str], board: str, cloud: str) -> None:
    order = desk.order(
        desk.profile(INT8, "board", 1e-4), desk.profile(INT8, "cloud", 1e-5), wishes=Wishes(**wishes)
    )
    told = desk.plan(order)[1]["variants"]
    assert (told["board"], told["cloud"]) == (board, cloud)


@pytest.mark.parametrize("variants", [True, False])
def test_a_variant_that_was_not_measured_cannot_be_chosen(desk: Desk, variants: bool) -> None:
    order = desk.order(desk.profile(INT8, "board", 1e-4), None, wishes=Wishes(cloud_variant=INT8))
    with pytest.raises(NoFeasiblePlan, match="not all measured"):
        desk.plan(order if variants else dataclasses.replace(order, variants=()))


def test_an_operator_is_lacked_by_who_runs_a_variant_that_has_it(desk: Desk) -> None:
    board = desk.profile(INT8, "board", 1e-4, 1e-4, 1e-4, 0.05)
    wishes = Wishes(board_variant=INT8, cloud_variant=MODEL, cloud_lacks=("DequantizeLinear",))
    book, _ = desk.plan(desk.order(board, None, wishes=wishes))
    assert [stage.device for stage in book.page(book.active).stages] == ["board", "cloud"]


def test_a_board_alone_runs_what_is_quicker(desk: Desk) -> None:
    order = desk.order(desk.profile(INT8, "board", 1e-4), None)
    book, told = desk.plan(dataclasses.replace(order, cloud=None, link=None))
    assert told["variants"]["board"] == INT8
    assert [(one.device, one.variant) for one in book.variants] == [("board", INT8)]
    assert book.blob == desk.compiled[INT8].blob
    slow = dataclasses.replace(desk.order(desk.profile(INT8, "board", 0.1), None), cloud=None, link=None)
    assert desk.plan(slow)[0].variants == ()


def test_a_variant_of_which_a_device_could_only_measure_the_beginning_is_not_taken_for_quick(
    desk: Desk,
) -> None:
    whole = desk.profile(INT8, "board", 0.1)
    beginning = dataclasses.replace(whole, whole=Measurement(1e-4, 1e-6, 9), layers=whole.layers[:1])
    assert desk.plan(desk.order(beginning, None))[1]["variants"]["board"] == ""
    ways = desk.plan(desk.order(beginning, desk.profile(INT8, "cloud", 1e-3)))[1]["variants"]["ways"]
    assert any("net-int8 on the board" in one["label"] for one in ways), (
        "the cloud tells how long the rest takes"
    )


def test_what_has_other_inputs_is_no_variant_and_that_is_said(desk: Desk, tmp_path: Path) -> None:
    other = quantized.net(quantized=True)
    other.graph.input[0].name = other.graph.node[1].input[0] = "another"
    onnx.save(other, str(tmp_path / "other.onnx"))
    folder = desk.folders[MODEL].parent.parent / "stranger" / "v1"
    rules = Manifest(variant_of=MODEL)
    compile_model(tmp_path / "other.onnx", "stranger", folder, manifest=rules, shapes={}, labels={})
    profiles = desk.profile(INT8, "board", 1e-4), desk.profile(INT8, "cloud", 1e-5)
    order = dataclasses.replace(desk.order(None, None), variants=(VariantOrder("stranger", "v1", *profiles),))
    book, told = desk.plan(order)
    assert [one["label"] for one in told["variants"]["ways"]] == ["the model itself on both"]
    assert any("stranger is called a variant of net, but " in one for one in told["notes"])
    assert book.variants == ()

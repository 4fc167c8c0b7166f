"""From measurements to a book: the page that was asked for, the rest of a profile, the allowed difference."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.jobs import PlanJob
from lepton_edge.coordinator.planning import QUANTIZED_TOLERANCE, TOLERANCE, _queue, _tolerance, make_plan
from lepton_edge.coordinator.records import CloudLoad, Estimate, PlanOrder
from lepton_edge.core.calls import LinkChange, Wishes
from lepton_edge.core.errors import InvalidInput
from partitioner.compiled import CodecSample, CompiledModel
from partitioner.costs import DeviceProfile, LayerShare, LinkProfile, Measurement
from partitioner.errors import LeptonError
from partitioner.onnx_io import compile_model, load_compiled
from partitioner.plan import QueueRule, TurnRule

LINK = LinkProfile(1e7, 1e7, 0.001, 0.001)


def net() -> onnx.ModelProto:
    """Four layers of a matrix and a Relu; x float32 [1, 64] in, y float32 [1, 64] out."""
    random = np.random.default_rng(0).standard_normal
    weights = [numpy_helper.from_array((random((64, 64)) / 8).astype(np.float32), f"w{i}") for i in range(4)]
    nodes, last = [], "x"
    for index in range(4):
        end = "y" if index == 3 else f"b{index}"
        nodes.append(helper.make_node("MatMul", [last, f"w{index}"], [f"a{index}"], f"m{index}"))
        nodes.append(helper.make_node("Relu", [f"a{index}"], [end], f"r{index}"))
        last = end
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 64]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], weights)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


class Desk:
    """A compiled model, and plans made of it."""

    def __init__(self, folder: Path) -> None:
        self.directory = folder / "compiled"
        onnx.save(net(), str(folder / "net.onnx"))
        compile_model(folder / "net.onnx", "net", self.directory, manifest=None, shapes={}, labels={})
        self.compiled = load_compiled(self.directory)
        self.artifacts = Artifacts(folder)
        self.artifacts.prepare()

    def profile(self, device: str, seconds: float, layers: int = 4) -> DeviceProfile:
        """A device that measured the first `layers` of four equal layers in `seconds`."""
        nodes = [layer.nodes[0] for layer in self.compiled.graph.layers[:layers]]
        shares = tuple(LayerShare(name, 1 / len(nodes)) for name in nodes)
        return DeviceProfile(device, Measurement(seconds, seconds / 50, 9), shares)

    def order(self, board: DeviceProfile | None = None, **wishes: Any) -> PlanOrder:
        cloud = self.profile("cloud", 0.01)
        return PlanOrder("net", "v1", board or self.profile("board", 0.2), cloud, LINK, **wishes)

    def plan(self, order: PlanOrder) -> Any:
        return make_plan(PlanJob(str(self.directory), order), self.artifacts)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    made = Desk(tmp_path_factory.mktemp("desk"))
    assert len(made.compiled.graph.layers) == 4
    return made


def test_a_page_that_is_asked_for_is_active_and_the_reason_tells_the_planners(desk: Desk) -> None:
    book, document = desk.plan(desk.order())
    assert book.active != "local"
    pinned, told = desk.plan(desk.order(page="local"))
    assert (pinned.active, told["page"]) == ("local", "local")
    assert told["reason"].startswith(f"page local was asked for; the planner would take {book.active}: ")
    assert told["reason"].endswith(document["reason"])
    assert pinned.page("local").reason == told["reason"], "what a reply says of a pinned deployment"
    same, told = desk.plan(desk.order(page=book.active))
    assert (same.active, told["reason"]) == (book.active, document["reason"])


def test_an_unknown_page_is_left_to_the_decider(desk: Desk) -> None:
    book, _ = desk.plan(desk.order())
    assert desk.plan(desk.order(page="cut-99"))[0].active == book.active


def test_the_book_has_the_queue_rule_of_the_manifest_or_the_policy_that_was_asked_for(desk: Desk) -> None:
    assert desk.plan(desk.order())[0].queue == QueueRule()
    book, told = desk.plan(desk.order(queue="newest"))
    assert book.queue == QueueRule("newest")
    assert told["queue"]["policy"] == "newest"
    declared = QueueRule("newest", limit=3, in_flight=2, max_batch=1)
    assert _queue(declared, "") == _queue(declared, "newest") == declared
    assert _queue(declared, "block") == QueueRule("block", max_batch=1)
    with pytest.raises(InvalidInput, match="no queue policy 'lifo'"):
        _queue(declared, "lifo")


def test_an_entry_may_turn_to_every_page_that_the_wishes_allow(desk: Desk) -> None:
    book, _ = desk.plan(desk.order(wishes=Wishes(latency=1.0, egress=1e-9, max_latency=9.0)))
    assert set(book.turning.pages) == {page.name for page in book.pages}
    assert len(book.turning.pages) > 1
    assert (book.turning.latency, book.turning.egress) == (1.0, 1e-9)
    assert (book.turning.max_latency, book.turning.max_energy) == (9.0, -1.0)


def test_what_may_not_be_chosen_is_not_turned_to(desk: Desk) -> None:
    wishes = Wishes(max_egress=300.0)  # the answer alone: no layer's output goes up raw
    book, told = desk.plan(desk.order(wishes=wishes))
    forbidden = {one["page"] for one in told["candidates"] if not one["eligible"]}
    assert forbidden
    assert not forbidden & set(book.turning.pages)


@pytest.mark.parametrize("wishes", [{"page": "local"}, {"wishes": Wishes(own_cut="m1")}])
def test_a_page_that_a_person_chose_stays(desk: Desk, wishes: Any) -> None:
    assert desk.plan(desk.order(**wishes))[0].turning == TurnRule()


def test_the_pieces_of_the_other_pages_are_cut_too(desk: Desk) -> None:
    book, _ = desk.plan(desk.order())
    assert book.spare
    assert not {(one.device, one.first, one.last) for one in book.spare} & {
        (one.device, one.first, one.last) for one in book.fused
    }
    for one in book.spare:
        assert desk.artifacts.find(one.block.artifact) is not None


def test_a_half_measured_device_is_completed_and_named(desk: Desk) -> None:
    _, whole = desk.plan(desk.order())
    assert whole["estimated"] == []
    _, told = desk.plan(desk.order(desk.profile("board", 0.1, layers=2)))
    assert told["estimated"] == ["board"]
    (board,) = [one for one in told["devices"] if one["role"] == "board"]
    assert board["whole"] == pytest.approx(0.2)
    half = dataclasses.replace(desk.order(), cloud=desk.profile("cloud", 0.005, layers=2))
    assert desk.plan(half)[1]["estimated"] == ["cloud"]


def test_a_plan_of_what_is_not_so_is_explained_and_cuts_nothing(desk: Desk) -> None:
    slow = LinkChange(2e3, 2e3, 0.5)
    book, told = desk.plan(desk.order(explain_only=True, link_change=slow, stale=("cloud",)))
    assert book is None
    assert (told["page"], told["link"]["measured"], told["estimated"]) == ("local", False, ["cloud"])


def test_an_estimated_device_is_named(desk: Desk) -> None:
    estimate = Estimate("new", desk.profile("board", 0.2), 0.01, 0.02)
    order = dataclasses.replace(desk.order(), board=None, board_estimate=estimate)
    _, told = desk.plan(order)
    assert told["estimated"] == ["new"]
    (board,) = [one for one in told["devices"] if one["role"] == "board"]
    assert (board["device"], board["whole"]) == ("new", pytest.approx(0.4))


@pytest.mark.parametrize(
    ("wishes", "code", "says"),
    [
        ({"wishes": Wishes(stay=("nowhere",))}, "invalid_problem", "nowhere"),
        ({"wishes": Wishes(own_cut="m9")}, "invalid_problem", "near: m"),
        ({"wishes": Wishes(max_latency=1e-6)}, "no_feasible_plan", "latency"),
        ({"wishes": Wishes(min_throughput=1e9)}, "no_feasible_plan", "throughput"),
        (
            {"wishes": Wishes(max_egress=0.0, keep_output=True), "board_memory": 5000},
            "no_feasible_plan",
            "memory",
        ),
        ({"board_memory": 5000, "cloud_memory": 5000}, "no_feasible_plan", "needs"),
        ({"wishes": Wishes(energy=1.0)}, "invalid_problem", "watts"),
    ],
)
def test_a_wish_that_cannot_be_met_is_named(desk: Desk, wishes: Any, code: str, says: str) -> None:
    with pytest.raises(LeptonError, match=says) as told:
        desk.plan(desk.order(**wishes))
    assert told.value.code == code


@pytest.mark.parametrize(
    ("wishes", "page"),
    [
        ({"wishes": Wishes(egress=1.0)}, "local"),
        ({"wishes": Wishes(max_egress=0.0)}, "local"),
        ({"wishes": Wishes(first_layers=4)}, "local"),
        ({"wishes": Wishes(own_cut="m1")}, "own"),
        ({"wishes": Wishes(keep_output=True), "keep_input_on_board": True}, "local"),
    ],
)
def test_wishes_move_the_choice(desk: Desk, wishes: Any, page: str) -> None:
    assert desk.plan(desk.order())[0].active != "local", "what is best without a wish"
    book, told = desk.plan(desk.order(**wishes))
    assert (book.active, told["page"]) == (page, page)


def test_what_the_golden_check_needs_is_kept(desk: Desk) -> None:
    book, _ = desk.plan(desk.order())
    kept = desk.artifacts.find(book.golden)
    assert kept is not None
    with np.load(io.BytesIO(kept.read_bytes())) as arrays:
        needed = {spec.name for frontier in book.frontiers for spec in frontier.tensors}
        assert set(arrays.files) == needed | {"y"}
    assert all(desk.artifacts.find(block.artifact) for block in book.blocks)


@pytest.mark.parametrize("operator", ["QuantizeLinear", "QLinearConv", "DynamicQuantizeLinear"])
def test_a_quantized_model_may_differ_by_more(desk: Desk, operator: str) -> None:
    quantized: CompiledModel = dataclasses.replace(
        desk.compiled, operators=("ai.onnx/Relu", f"ai.onnx/{operator}")
    )
    assert (_tolerance(quantized), _tolerance(desk.compiled)) == (QUANTIZED_TOLERANCE, TOLERANCE)


def test_what_a_device_of_an_older_protocol_does_not_know_is_not_planned_with(desk: Desk) -> None:
    sampled = [
        CodecSample("b0", codec, 9, 0.0, 1.0, True, 2) for codec in ("f16", "sparse", "from the future")
    ]  # type: ignore[arg-type]
    compiled = dataclasses.replace(desk.compiled, codecs=tuple(sampled))
    assert [one.codec for one in compiled.as_known_by(0).codecs] == ["f16"]
    assert [one.codec for one in compiled.as_known_by(1).codecs] == ["f16", "sparse"]


def test_what_others_ask_of_the_cloud_is_a_part_of_every_plan_that_uses_it(desk: Desk) -> None:
    free, alone = desk.plan(desk.order())
    busy, told = desk.plan(desk.order(load=CloudLoad("cloud", 0.4, 0.006)))  # type: ignore[arg-type]
    for page in busy.pages:
        before = free.page(page.name).prediction
        waits = any(one.device == "cloud" and one.first < one.last for one in page.stages)
        assert page.prediction.wait == (0.006 if waits else 0.0)
        assert page.prediction.cloud == pytest.approx(before.cloud + page.prediction.wait)
        assert page.prediction.latency == pytest.approx(before.latency + page.prediction.wait)
    assert alone["load"] is None
    assert told["load"]["part"] == 0.4


def test_a_cloud_that_is_busy_enough_is_left_alone(desk: Desk) -> None:
    board = desk.profile("board", 0.05)
    assert desk.plan(desk.order(board))[0].active != "local"
    load = CloudLoad("cloud", 0.95, 0.1)  # type: ignore[arg-type]
    assert desk.plan(desk.order(board, load=load))[0].active == "local"

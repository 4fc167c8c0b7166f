"""Each page of a book: where it crosses, by which codec, at which predicted cost, and whether it may run."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from partitioner.book import BookOptions, Candidate
from partitioner.book.boundaries import best_cuts, boundaries
from partitioner.book.pages import candidates, chosen_codecs, layout_of, stage_time
from partitioner.book.setting import Setting, make_setting
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile, transfer_time
from partitioner.graph import live_tensors
from partitioner.plan import CodecChoice
from partitioner.predict import segment_estimate
from partitioner.solve import THROUGHPUT, evaluate, solve
from partitioner.solve.costing import objective_value, violations
from partitioner.solve.problem import NO_LIMITS
from partitioner.units import TensorName

NOTHING: frozenset[int] = frozenset()


@pytest.fixture
def setting(compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile) -> Setting:
    return make_setting(compiled, board, cloud, lte, BookOptions(further_cuts=1))


def again(setting: Setting, compiled: CompiledModel | None = None, **options: Any) -> Setting:
    """The same devices with another model or other wishes."""
    wish = dataclasses.replace(setting.options, **options)
    return make_setting(compiled or setting.compiled, setting.board, setting.cloud, setting.link, wish)


def pages(setting: Setting, cuts: tuple[frozenset[int], ...] = ()) -> dict[str, Candidate]:
    cuts = cuts or boundaries(setting, best_cuts(setting))
    return {one.page.name: one for one in candidates(setting, cuts)}


def test_a_page_for_each_standing_way_and_each_interior_boundary(setting: Setting) -> None:
    cuts = boundaries(setting, best_cuts(setting))
    found = pages(setting, cuts)
    inner = [f"cut-{index}" for index in range(4, len(cuts) - 1)]
    assert list(found) == ["local", "cloud-raw", "cloud-jpeg", "cloud-encoded", *inner]
    for name, one in found.items():
        near, far = one.page.stages
        assert (near.device, far.device) == ("board", "cloud")
        assert (near.first, near.last, far.last) == (0, far.first, len(cuts) - 1)
        assert one.down_set == cuts[near.last]
        if name in inner:
            assert one.label == f"split behind {setting.graph.layers[max(one.down_set)].name}"


def test_without_samples_of_jpeg_there_is_no_page_with_it(setting: Setting) -> None:
    bare = dataclasses.replace(setting.compiled, codecs=())
    assert "cloud-jpeg" not in pages(again(setting, bare))


def test_a_model_of_arrays_is_sent_raw_from_its_beginning(setting: Setting) -> None:
    inputs = tuple(dataclasses.replace(one, picture=TensorName("")) for one in setting.compiled.inputs)
    of = again(setting, dataclasses.replace(setting.compiled, inputs=inputs))
    found = pages(of)
    assert not {"cloud-jpeg", "cloud-encoded"} & set(found)
    raw = found["cloud-raw"]
    assert (raw.label, raw.down_set) == ("cloud with raw input", NOTHING)
    assert raw.page.stages[0].codecs == (CodecChoice("x@encoded", "raw"),)


def test_the_board_alone_pays_for_no_link(setting: Setting) -> None:
    one = pages(setting)["local"].page.prediction
    assert (one.cloud, one.uplink, one.downlink, one.bytes_up, one.bytes_down) == (0, 0, 0, 0, 0)
    assert one.latency == one.board


def test_a_split_pays_for_each_thing_once(setting: Setting) -> None:
    cuts = boundaries(setting, best_cuts(setting))
    index = 4
    one = pages(setting, cuts)[f"cut-{index}"].page
    (choice,) = one.stages[0].codecs
    option = next(o for o in setting.problem.options[choice.tensor] if o.codec == choice.codec)
    board, cloud, link = setting.near.costs, setting.far.costs, setting.link
    encode = setting.near.codecs[choice.tensor, choice.codec].encode
    decode = setting.far.codecs[choice.tensor, choice.codec].decode
    near = stage_time(setting.graph, board, cuts[: index + 1])
    far = stage_time(setting.graph, cloud, cuts[index:])
    told = one.prediction
    assert told.bytes_up == option.wire_bytes
    assert told.bytes_down == 4000, "the logits go home"
    assert told.board == pytest.approx(near.mean + board.overhead + encode)
    assert told.cloud == pytest.approx(far.mean + cloud.overhead + decode)
    assert told.uplink == pytest.approx(
        transfer_time(option.wire_bytes, link.up, link.overhead) + link.delay_up
    )
    assert told.downlink == pytest.approx(transfer_time(4000, link.down, link.overhead) + link.delay_down)
    assert told.latency == pytest.approx(told.board + told.cloud + told.uplink + told.downlink)
    assert told.spread == pytest.approx(math.hypot(near.spread, far.spread))


def test_every_boundary_that_is_run_through_costs(setting: Setting) -> None:
    everything = frozenset(range(len(setting.graph.layers)))
    board, half = setting.near.costs, frozenset(range(8))
    whole = segment_estimate(board, setting.graph, NOTHING, everything)
    assert stage_time(setting.graph, board, (NOTHING, everything)) == whole
    parts = [segment_estimate(board, setting.graph, *ends) for ends in ((NOTHING, half), (half, everything))]
    divided = stage_time(setting.graph, board, (NOTHING, half, everything))
    assert divided.mean == pytest.approx(sum(part.mean for part in parts))
    assert divided.mean > whole.mean


def test_what_does_not_fit_says_so_in_megabytes(setting: Setting) -> None:
    found = pages(again(setting, board_memory=5 << 20))
    local = found["local"]
    assert (local.in_book, local.eligible) == (False, False)
    assert local.why_not == "the board needs 15.1 MB and has 5.2 MB"
    assert found["cloud-raw"].in_book


def test_what_gives_a_kept_input_away_is_refused_by_name(setting: Setting) -> None:
    found = pages(again(setting, keep_input=True))
    refused = {name: one.why_not for name, one in found.items() if not one.in_book}
    assert refused["cloud-encoded"].startswith("x@encoded would leave the board")
    assert refused["cloud-raw"].startswith("x@resized would leave the board")
    assert found["local"].in_book
    assert any(name.startswith("cut-") and one.eligible for name, one in found.items())


def test_a_codec_that_loses_too_much_may_be_pinned_and_is_not_chosen(setting: Setting) -> None:
    samples = tuple(
        dataclasses.replace(one, allowed=one.codec != "jpeg", loss=0.3, top1_kept=0.5)
        for one in setting.compiled.codecs
    )
    jpeg = pages(again(setting, dataclasses.replace(setting.compiled, codecs=samples)))["cloud-jpeg"]
    assert (jpeg.in_book, jpeg.eligible) == (True, False)
    assert jpeg.why_not == (
        "jpeg on x@resized fails the accuracy rule: the output moves by up to 30.0%, top-1 stays in 50% of "
        "8 samples"
    )


def test_a_fused_page_pays_no_inner_boundary_but_the_pseudo_nodes(setting: Setting) -> None:
    cuts = boundaries(setting, best_cuts(setting))
    everything = cuts[-1]
    plain = {one.page.name: one.page.prediction for one in candidates(setting, cuts)}
    fused = {one.page.name: one.page.prediction for one in candidates(setting, cuts, fused=True)}
    costs = setting.near.costs
    doors = segment_estimate(costs, setting.graph, NOTHING, frozenset({0}))
    rest = segment_estimate(costs, setting.graph, frozenset({0}), everything)
    assert fused["local"].board == pytest.approx(doors.mean + rest.mean + costs.overhead)
    for name, one in plain.items():
        assert fused[name].latency < one.latency, name
        assert (fused[name].uplink, fused[name].bytes_up) == (one.uplink, one.bytes_up)


def test_a_stage_that_does_not_fit_once_more_is_not_fused(setting: Setting) -> None:
    small = again(setting, board_memory=16 << 20)  # 12 MiB of weights and a fifth: room for one, not for two
    cuts = boundaries(small, best_cuts(small))
    plain = {one.page.name: one.page.prediction for one in candidates(small, cuts)}
    fused = {one.page.name: one.page.prediction for one in candidates(small, cuts, fused=True)}
    assert fused["local"] == plain["local"]
    assert fused["cloud-encoded"].cloud < plain["cloud-encoded"].cloud, "the cloud has room"


def test_in_one_piece_a_page_costs_what_the_solver_says(setting: Setting) -> None:
    cut = frozenset(range(8))
    cuts = (NOTHING, cut, frozenset(range(len(setting.graph.layers))))
    told = pages(setting, cuts)["cut-1"].page
    layout = layout_of(setting.problem, cut, told.stages[0].codecs)
    costs = evaluate(setting.problem, layout)
    assert told.prediction.latency == pytest.approx(costs.latency)
    assert told.prediction.bottleneck == pytest.approx(costs.bottleneck)
    assert told.prediction.energy == pytest.approx(costs.energy)


def test_codecs_under_a_bottleneck_or_a_limit_are_chosen_together(setting: Setting) -> None:
    skip = frozenset(range(10))  # two tensors cross: t6 skips a layer
    loss = dataclasses.replace(NO_LIMITS, loss=0.004)
    for wishes in ({"objective": THROUGHPUT}, {"limits": loss}):
        problem = again(setting, **wishes).problem
        chosen = {tensor.name: option.codec for tensor, option in chosen_codecs(problem, skip)}
        assert len(chosen) == len(live_tensors(setting.graph, skip))
        pins = {layer.index: ("board" if layer.index in skip else "cloud") for layer in setting.graph.layers}
        plan = solve(dataclasses.replace(problem, pins=pins), alternatives=False)
        codecs = [CodecChoice(name, codec) for name, codec in chosen.items()]
        found = evaluate(problem, layout_of(problem, skip, codecs))
        assert objective_value(problem, found) == pytest.approx(plan.value)
        assert not violations(problem, found)

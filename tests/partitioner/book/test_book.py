"""Drafting a book: what is considered, what is chosen, and why."""

from __future__ import annotations

import dataclasses
import math

import pytest

from partitioner.book import BookOptions, Draft, make_book
from partitioner.book.full import span_at
from partitioner.book.interior import is_interior
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile, Measurement
from partitioner.errors import InvalidProblem, NoFeasiblePlan, ProfileError
from partitioner.graph import CostTensor, is_down_set, live_tensors
from partitioner.plan import CodecChoice
from partitioner.solve.problem import Limits, Watts
from partitioner.units import Bytes, BytesPerSecond, Seconds, TensorName, megabits

KEEP = BookOptions(keep_input=True)


def names(draft: Draft) -> list[str]:
    return [page.name for page in draft.pages]


def latency(draft: Draft, name: str) -> float:
    return next(page.prediction.latency for page in draft.pages if page.name == name)


def with_rate(link: LinkProfile, factor: float) -> LinkProfile:
    return dataclasses.replace(
        link, up=BytesPerSecond(link.up * factor), down=BytesPerSecond(link.down * factor)
    )


def faster(profile: DeviceProfile, factor: float) -> DeviceProfile:
    whole = Measurement(Seconds(profile.whole.median / factor), profile.whole.spread, 20)
    return dataclasses.replace(profile, whole=whole, segments=())


class TestWithAPicture:
    @pytest.fixture
    def draft(
        self, compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
    ) -> Draft:
        return make_book(compiled, board, cloud, lte)

    def test_the_boundaries_are_nested_down_sets_with_every_door(
        self, draft: Draft, compiled: CompiledModel
    ) -> None:
        assert draft.boundaries[0] == frozenset()
        assert len(draft.boundaries[-1]) == len(compiled.graph.layers)
        assert all(a < b for a, b in zip(draft.boundaries, draft.boundaries[1:], strict=False))
        assert all(is_down_set(compiled.graph, one) for one in draft.boundaries)
        frontiers = [{t.name for t in live_tensors(compiled.graph, one)} for one in draft.boundaries]
        assert frontiers[:4] == [{"x@encoded"}, {"x@picture"}, {"x@resized"}, {"x"}]

    def test_the_standing_candidates_are_always_there(self, draft: Draft) -> None:
        assert names(draft)[:4] == ["local", "cloud-raw", "cloud-jpeg", "cloud-encoded"]
        assert draft.fallback == "local"
        cuts = [name for name in names(draft) if name.startswith("cut-")]
        assert draft.best_cut in cuts
        assert 2 <= len(cuts) <= 5

    def test_each_page_crosses_where_its_name_says(self, draft: Draft) -> None:
        assert draft.page("cloud-raw").stages[0].codecs == (CodecChoice("x@resized", "raw"),)
        assert draft.page("cloud-jpeg").stages[0].codecs == (CodecChoice("x@resized", "jpeg"),)
        assert draft.page("cloud-encoded").stages[0].codecs == (CodecChoice("x@encoded", "raw"),)
        cut = draft.page(draft.best_cut)
        index = cut.stages[0].last
        assert draft.best_cut == f"cut-{index}"
        assert cut.stages[1].first == index
        assert cut.stages[0].codecs[0].codec == "u8+zstd"
        assert draft.page("local").stages[1].first == draft.page("local").stages[1].last

    def test_the_least_prediction_is_chosen_and_no_split_is_explained(self, draft: Draft) -> None:
        assert (
            draft.active == min(draft.pages, key=lambda page: page.prediction.latency).name == "cloud-encoded"
        )
        best, chosen = draft.page(draft.best_cut).prediction, draft.page(draft.active).prediction
        assert f"the best cut ({draft.best_cut}, " in draft.reason
        assert f"would take {best.latency * 1e3:.1f} ms" in draft.reason
        assert f"saves {(chosen.cloud - best.cloud) * 1e3:.1f} ms of cloud time" in draft.reason
        assert f"{(best.board - chosen.board) * 1e3:.1f} ms on the board" in draft.reason
        assert draft.page(draft.active).reason == draft.reason

    def test_no_page_is_below_the_bound(self, draft: Draft) -> None:
        assert draft.method == "min-cut"
        assert 0 < draft.lower_bound <= min(page.prediction.latency for page in draft.pages)
        assert draft.lower_bound > 0.9 * latency(draft, draft.active)

    def test_a_prediction_is_the_sum_of_its_parts(self, draft: Draft) -> None:
        for page in draft.pages:
            one = page.prediction
            assert one.latency == pytest.approx(one.board + one.cloud + one.uplink + one.downlink)
            assert one.spread > 0

    def test_a_page_pays_for_the_boundaries_it_runs_through(self, draft: Draft, board: DeviceProfile) -> None:
        assert latency(draft, "local") > board.whole.median + board.pseudo[0].share + board.overhead

    def test_further_cuts_stay_inside_the_budget(
        self, compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
    ) -> None:
        many = make_book(compiled, board, cloud, lte, BookOptions(further_cuts=9, cut_budget=0.03))
        none = make_book(compiled, board, cloud, lte, BookOptions(further_cuts=0))
        assert len(many.pages) > len(none.pages)
        assert latency(many, "local") <= 1.031 * latency(none, "local")


def test_the_input_is_kept(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    draft = make_book(compiled, board, cloud, lte, KEEP)
    assert draft.active.startswith("cut-")
    assert not {"cloud-raw", "cloud-jpeg", "cloud-encoded"} & set(names(draft))
    refused = {one.page.name: one for one in draft.candidates if not one.in_book}
    assert list(refused) == ["cloud-raw", "cloud-jpeg", "cloud-encoded"]
    assert "x@resized would leave the board" in refused["cloud-raw"].why_not
    frontiers = [{t.name for t in live_tensors(compiled.graph, one)} for one in draft.boundaries]
    assert {"x@picture"} in frontiers
    assert {"x"} in frontiers
    assert {"x@resized"} not in frontiers  # nobody can enter there, and it may not leave
    assert is_interior(compiled.graph, draft.boundaries[draft.page(draft.active).stages[0].last])
    assert draft.reason.startswith("with the input kept on the board, the split")


def test_an_input_that_every_layer_needs_leaves_no_split_that_keeps_it(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    everywhere = tuple(range(3, len(compiled.graph.layers)))
    mask = CostTensor(TensorName("mask"), "int64", (1,), Bytes(8), -1, everywhere)
    masked = dataclasses.replace(compiled.graph, tensors=(*compiled.graph.tensors, mask))
    draft = make_book(dataclasses.replace(compiled, graph=masked), board, cloud, lte, KEEP)
    assert draft.reason.endswith("No split: no cut inside the model keeps the input on the board")
    assert names(draft) == ["local"]
    assert len(draft.inner) == 2  # behind the decoder and at the model's own input: no cut that no page uses


def test_one_cost_changes_the_choice_and_its_reason(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    before = make_book(compiled, board, cloud, lte)
    after = make_book(compiled, faster(board, 6), cloud, lte)
    assert (before.active, after.active) == ("cloud-encoded", "local")
    assert before.reason != after.reason
    assert after.reason.startswith("board alone takes")


def test_more_bandwidth_never_hurts(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    bounds = [
        make_book(compiled, board, cloud, with_rate(lte, factor)).lower_bound for factor in (0.1, 1, 10, 100)
    ]
    assert bounds == sorted(bounds, reverse=True)


def test_a_codec_that_fails_the_accuracy_rule_is_shown_and_never_chosen(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    samples = tuple(
        dataclasses.replace(one, allowed=one.codec != "jpeg", loss=0.3 if one.codec == "jpeg" else 0.0)
        for one in compiled.codecs
    )
    large = dataclasses.replace(
        compiled.graph,
        tensors=tuple(
            dataclasses.replace(t, size=Bytes(400_000)) if t.name == "x@encoded" else t
            for t in compiled.graph.tensors
        ),
    )
    allowed = make_book(dataclasses.replace(compiled, graph=large), board, cloud, lte)
    forbidden = make_book(dataclasses.replace(compiled, graph=large, codecs=samples), board, cloud, lte)
    assert allowed.active == "cloud-jpeg"
    assert forbidden.active != "cloud-jpeg"
    jpeg = next(one for one in forbidden.candidates if one.page.name == "cloud-jpeg")
    assert not jpeg.eligible
    assert "fails the accuracy rule: the output moves by up to 30.0%" in jpeg.why_not


def test_without_samples_only_lossless_codecs_are_offered(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    draft = make_book(dataclasses.replace(compiled, codecs=()), board, cloud, lte)
    assert "cloud-jpeg" not in names(draft)
    assert {choice.codec for page in draft.pages for choice in page.stages[0].codecs} == {"raw"}


def test_an_array_input_enters_raw(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    draft = make_book(as_array_model(compiled), without_preparation(board), without_preparation(cloud), lte)
    assert names(draft)[:2] == ["local", "cloud-raw"]
    assert draft.page("cloud-raw").stages[0].last == 0
    assert draft.page("cloud-raw").prediction.bytes_up == 602_112
    assert draft.boundaries[0] == frozenset()
    assert not {"cloud-jpeg", "cloud-encoded"} & set(names(draft))


def as_array_model(compiled: CompiledModel) -> CompiledModel:
    graph = compiled.graph
    layers = tuple(
        dataclasses.replace(layer, index=layer.index - 3) for layer in graph.layers if not layer.from_input
    )
    tensors = tuple(
        dataclasses.replace(
            t, producer=max(t.producer - 3, -1), consumers=tuple(consumer - 3 for consumer in t.consumers)
        )
        for t in graph.tensors
        if "@" not in t.name
    )
    inputs = tuple(dataclasses.replace(one, picture="", encoded="") for one in compiled.inputs)
    return dataclasses.replace(
        compiled, graph=dataclasses.replace(graph, layers=layers, tensors=tensors), inputs=inputs
    )


def without_preparation(profile: DeviceProfile) -> DeviceProfile:
    layers = tuple(one for one in profile.layers if one.node.startswith("layer"))
    return dataclasses.replace(profile, layers=layers, pseudo=(), segments=())


class TestWhatThereIs:
    def test_a_board_alone(self, compiled: CompiledModel, board: DeviceProfile) -> None:
        draft = make_book(compiled, board, None, None)
        assert names(draft) == ["local"]
        assert draft.active == draft.fallback == "local"
        assert len(draft.pages[0].stages) == 1
        assert draft.pages[0].prediction.latency > board.whole.median

    def test_a_cloud_alone(self, compiled: CompiledModel, cloud: DeviceProfile) -> None:
        draft = make_book(compiled, None, cloud, None)
        assert draft.pages[0].stages[0].device == "cloud"
        assert draft.pages[0].prediction.board == 0
        with pytest.raises(NoFeasiblePlan, match="board"):
            make_book(compiled, None, cloud, None, KEEP)

    def test_wishes_that_one_device_cannot_fulfil(
        self, compiled: CompiledModel, board: DeviceProfile
    ) -> None:
        with pytest.raises(NoFeasiblePlan, match="it takes .* ms, and 1.0 ms are allowed"):
            make_book(compiled, board, None, None, BookOptions(limits=Limits(latency=Seconds(1e-3))))
        with pytest.raises(NoFeasiblePlan, match="nobody to split the model with"):
            make_book(compiled, board, None, None, BookOptions(own_cut="layer4"))
        alone = (
            make_book(compiled, board, None, None, BookOptions(board_watts=Watts(3.0))).pages[0].prediction
        )
        assert alone.energy == pytest.approx(3.0 * alone.latency)
        assert alone.bottleneck == alone.latency

    def test_nobody_at_all(self, compiled: CompiledModel) -> None:
        with pytest.raises(InvalidProblem, match="at least one device"):
            make_book(compiled, None, None, None)

    def test_no_link(self, compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile) -> None:
        with pytest.raises(InvalidProblem, match="no link from board to cloud"):
            make_book(compiled, board, cloud, None)

    def test_a_board_that_is_too_small_has_no_fallback(
        self, compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
    ) -> None:
        small = BookOptions(keep_input=True, board_memory=Bytes(8_000_000))
        draft = make_book(compiled, board, cloud, lte, small)
        assert draft.fallback == ""
        assert "local" not in names(draft)
        local = next(one for one in draft.candidates if one.page.name == "local")
        assert local.why_not == "the board needs 15.1 MB and has 8.0 MB"
        assert draft.active.startswith("cut-")

    def test_nothing_fits_anywhere(
        self, compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
    ) -> None:
        tiny = BookOptions(board_memory=Bytes(5_000_000), cloud_memory=Bytes(5_000_000))
        with pytest.raises(NoFeasiblePlan, match="needs .* MB and has 5.0 MB"):
            make_book(compiled, board, cloud, lte, tiny)
        with pytest.raises(NoFeasiblePlan, match="would need 15.1 MB and has 5.0 MB"):
            make_book(compiled, board, None, None, tiny)

    def test_an_absurd_profile(
        self, compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
    ) -> None:
        broken = dataclasses.replace(board, whole=Measurement(Seconds(math.nan), Seconds(0), 1))
        with pytest.raises(ProfileError, match="nan"):
            make_book(compiled, broken, cloud, lte)


def test_the_draft_carries_the_plan_the_full_book_and_the_regret(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    draft = make_book(compiled, board, cloud, lte, KEEP)
    assert draft.plan is not None
    assert draft.plan.value == pytest.approx(latency(draft, draft.active), rel=0.05)
    assert draft.plan.alternatives
    assert draft.spans[0].low == pytest.approx(megabits(0.1))
    assert draft.spans[-1].high == pytest.approx(megabits(1000))
    here = span_at(draft.spans, lte.up)
    assert here.fixed + here.wire / lte.up == pytest.approx(draft.lower_bound, rel=1e-5)
    assert draft.regret is not None
    assert draft.regret.scenarios == 81
    assert 0 <= draft.regret.mean < draft.regret.worst < 1


def test_at_least_three_cuts_where_the_budget_permits(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    draft = make_book(compiled, board, cloud, lte, BookOptions(cut_budget=0.1))
    assert len([name for name in names(draft) if name.startswith("cut-")]) >= 3


def test_a_page_that_is_asked_for_is_told_as_it_will_run(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    free = make_book(compiled, board, cloud, lte)
    for page in free.pages:
        asked = make_book(compiled, board, cloud, lte, BookOptions(page=page.name))
        assert asked.active == page.name
        assert latency(asked, page.name) <= page.prediction.latency  # as one piece, if it was not before
        assert asked.page(page.name).reason == asked.reason
        if page.name != free.active:
            start = f"page {page.name} was asked for; the planner would take {free.active}: "
            assert asked.reason.startswith(start)
            assert latency(asked, page.name) >= latency(free, free.active)


def test_a_page_that_may_not_be_chosen_may_be_asked_for(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    codecs = tuple(
        dataclasses.replace(one, allowed=one.allowed and one.codec != "jpeg") for one in compiled.codecs
    )
    strict = dataclasses.replace(compiled, codecs=codecs)
    assert make_book(strict, board, cloud, lte, BookOptions(page="cloud-jpeg")).active == "cloud-jpeg"


def test_a_page_that_the_book_does_not_have_is_not_made_up(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    free = make_book(compiled, board, cloud, lte)
    assert make_book(compiled, board, cloud, lte, BookOptions(page="cut-99")).active == free.active

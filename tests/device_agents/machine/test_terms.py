"""Terms are looked up once for requests alike, and passed-on tensors need no engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from device_agents.machine import step
from device_agents.machine.commands import RunSegment, SendStage
from device_agents.machine.events import PeerDown, SegmentDone, StageLost
from device_agents.machine.state import EpochState, validate
from device_agents.machine.terms import MAX_LOOKS, KnownTerms
from lepton_edge.core.errors import InvalidInput, Unavailable
from lepton_edge.core.frames import WireTensor
from partitioner.plan import CodecChoice

ARRAY = {"name": "x", "dtype": "float32", "shape": (1, 3, 224, 224), "size": 4 * 3 * 224 * 224}


def _held(state) -> EpochState:
    return next(iter(state.epochs.values()))


@pytest.fixture
def terms(world) -> KnownTerms:
    return KnownTerms(world.book(), range(5))


def test_requests_that_look_alike_share_their_terms(world, terms) -> None:
    first = terms.entry("board", world.request("r1"))
    assert terms.entry("board", world.request("r2", remaining_ms=5)) is first
    assert len(terms) == 1
    assert terms.entry("board", world.request("r3", page="local")) is not first
    assert terms.entry("board", world.request("r4", tensors=(world.tensor(**ARRAY),))) is not first


def test_another_shape_is_looked_at_anew(world, terms) -> None:
    terms.entry("board", world.request(tensors=(world.tensor(**ARRAY),)))
    with pytest.raises(InvalidInput, match="x must be"):
        terms.entry("board", world.request(tensors=(world.tensor("x", "float32", (1, 3, 224, 225)),)))
    assert len(terms) == 1


def test_what_callers_make_up_does_not_fill_the_memory(world, terms) -> None:
    for length in range(MAX_LOOKS * 2 + 3):
        terms.entry("board", world.request(tensors=(world.tensor("x", shape=(length + 1,)),)))
    assert len(terms) <= MAX_LOOKS


def test_a_stage_keeps_its_terms_apart_from_an_entry(world, terms) -> None:
    mid = (world.tensor("mid", "float32", (1, 8), 32),)
    stage = terms.stage("cloud", world.request(tensors=mid, page="cut-4", epoch=1, first_block=4))
    assert (stage.route.first, stage.route.last, stage.here) == (4, 5, ("y@scores", "y@indices"))
    with pytest.raises(InvalidInput, match="no input"):
        terms.entry("cloud", world.request(tensors=mid, page="cut-4"))


def test_blocks_that_are_not_here_are_refused_each_time(world) -> None:
    terms = KnownTerms(world.book(), (0, 1))
    for _ in range(2):
        with pytest.raises(Unavailable, match="does not hold blocks"):
            terms.entry("board", world.request(page="local"))


def test_a_stage_without_blocks_passes_its_tensors_on_as_they_came(world) -> None:
    state = world.agent()
    given = world.tensor("x")
    commands = world.ask(state, page="cloud-encoded", tensors=(given,))
    assert not [one for one in commands if isinstance(one, RunSegment)]
    sent = world.only(commands, SendStage)
    assert sent.frame.tensors == (
        WireTensor("x@encoded", given.dtype, given.shape, given.codec, given.payload),
    )
    assert sent.frame.tensors[0].payload is given.payload
    validate(state)


def test_a_stage_without_blocks_that_shall_encode_needs_the_engine(world) -> None:
    state = world.agent()
    picture = world.tensor("x@encoded")
    commands = world.ask(state, page="cloud-jpeg", tensors=(picture,))
    assert world.only(commands, RunSegment).last == 2


def test_tensors_that_came_by_another_codec_than_the_pages_are_not_passed_on(world) -> None:
    book = world.book()
    packed = replace(book.page("cloud-encoded").stages[0], codecs=(CodecChoice("x@encoded", "zstd"),))
    page = replace(
        book.page("cloud-encoded"), name="packed", stages=(packed, book.page("cloud-encoded").stages[1])
    )
    terms = KnownTerms(replace(book, pages=(*book.pages, page)), range(5))
    assert not terms.entry("board", world.request(page="packed")).passes
    by_zstd = replace(world.tensor("x"), codec="zstd")
    assert terms.entry("board", world.request(page="packed", tensors=(by_zstd,))).passes
    assert not terms.entry("board", world.request(page="cloud-encoded", tensors=(by_zstd,))).passes


def test_who_cannot_pass_a_request_on_has_other_terms_for_it(world, terms) -> None:
    onward = terms.entry("gateway", world.request(page="cut-4"))
    assert (onward.outside, onward.route.peer, onward.passes) == (True, "board", True)
    here = terms.entry("gateway", world.request(page="cut-4"), alone=True)
    assert (here.route.first, here.route.last, here.route.peer, here.passes) == (0, 5, "", False)


def test_what_was_passed_on_is_run_here_when_the_far_side_is_lost(world) -> None:
    state = world.agent()
    sent = world.only(world.ask(state, page="cloud-encoded"), SendStage)
    run = world.only(step(state, StageLost(sent.work, "the link broke"), 0.1), RunSegment)
    assert (run.first, run.last, run.run) == (0, 5, 2)
    assert [tensor.name for tensor in run.tensors] == ["x@encoded"]
    assert run.outputs == ("y@scores", "y@indices")
    step(state, SegmentDone(run.work, run.run, outputs=()), 0.2)
    assert state.works == {}


def test_what_cannot_be_passed_on_is_run_here_at_once(world) -> None:
    state = world.agent()
    step(state, PeerDown("cloud"), 0.0)
    run = world.only(world.ask(state, page="cloud-encoded"), RunSegment)
    assert (run.first, run.last, [tensor.name for tensor in run.tensors]) == (0, 5, ["x@encoded"])


def test_an_entry_that_holds_nothing_keeps_nothing_of_what_it_passes_on(world) -> None:
    state = world.agent(hold=())
    sent = world.only(world.ask(state, page="cloud-encoded"), SendStage)
    assert state.works[sent.work].given == ()
    assert _held(state).terms.entry("board", world.request(page="cloud-encoded")).keep == ()

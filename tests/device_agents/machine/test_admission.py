"""What is accepted, what is refused, and what is a duplicate."""

from __future__ import annotations

import dataclasses

import pytest

from device_agents.machine import admission, step
from device_agents.machine.commands import Refuse, Reply, Resend, RunSegment
from device_agents.machine.events import Closing, RequestArrived, SegmentDone, Timing
from device_agents.machine.state import validate
from partitioner.plan import Frontier


@pytest.mark.parametrize(
    ("fields", "code", "says"),
    [
        ({"remaining_ms": -5}, "deadline_exceeded", "past when the request arrived"),
        ({"page": "cut-9"}, "unknown_page", "no page 'cut-9'"),
        ({"outputs": ("w",)}, "invalid_input", "no output 'w'"),
        ({"tensors": ()}, "invalid_input", "needs the inputs"),
        ({"epoch": 7, "page": "cut-4"}, "stale_epoch", "does not hold epoch 7"),
        ({"epoch": 1, "page": "cut-4", "first_block": 9}, "corrupt_frame", "block 9 does not exist"),
        ({"epoch": 1, "page": "cut-4", "first_block": 4}, "invalid_input", "begins with the tensors"),
    ],
)
def test_a_refusal_is_one_typed_error_and_leaves_no_trace(world, fields, code, says) -> None:
    state = world.agent()
    refusal = world.only(world.ask(state, **fields), Refuse)
    assert refusal.frame.error.code == code
    assert says in refusal.frame.error.message
    assert (state.works, state.answers) == ({}, {})


def test_an_unknown_model_says_which_there_are(world) -> None:
    state = world.agent()
    frame = world.request()
    refusal = world.only(
        step(state, _arrived(world, frame.__class__(frame.kind, "r", model="nex")), 0.0), Refuse
    )
    assert refusal.frame.error.code == "unknown_model"
    assert "['net']" in refusal.frame.error.hint


def _arrived(world, frame):
    from device_agents.machine.events import RequestArrived

    return RequestArrived(1, frame)


def test_the_queue_is_bounded_and_says_when_to_come_back(world) -> None:
    state = world.agent(queue_limit=2)
    world.ask(state, request_id="a")
    world.ask(state, request_id="b")
    refusal = world.only(world.ask(state, request_id="c"), Refuse)
    assert refusal.frame.error.code == "overloaded"
    assert refusal.frame.error.retry_after_ms > 0


def test_a_duplicate_under_way_is_answered_once_on_its_newest_link(world) -> None:
    state = world.agent()
    run = world.only(world.ask(state, link=1, page="local"), RunSegment)
    assert world.ask(state, link=2, page="local") == []
    assert world.only(step(state, SegmentDone(run.work, 1), 0.1), Reply).link == 2


def test_a_duplicate_of_finished_work_gets_the_same_answer(world) -> None:
    state = world.agent()
    run = world.only(world.ask(state, page="local"), RunSegment)
    reply = world.only(step(state, SegmentDone(run.work, 1), 0.1), Reply)
    assert world.ask(state, link=2, page="local") == [Resend(2, reply)]
    assert world.only(world.ask(state, page="local", attempt=1), RunSegment), "another attempt is other work"


def test_remembered_answers_are_bounded(world) -> None:
    state = world.agent()
    for number in range(100):
        run = world.only(world.ask(state, request_id=f"r{number}", page="local"), RunSegment)
        big = world.tensor("y@scores", "float32", (1, 5), 1 << 17)
        step(state, SegmentDone(run.work, 1, outputs=(big,)), 0.1)
    assert len(state.answers) == 32  # 4 MiB of them
    for number in range(100):
        run = world.only(world.ask(state, request_id=f"s{number}", page="local"), RunSegment)
        step(state, SegmentDone(run.work, 1), 0.1)
    assert len(state.answers) == 64


def test_a_stage_that_is_not_this_devices_is_refused(world) -> None:
    state = world.agent("cloud")
    given = (world.tensor("x@resized", "uint8", (224, 224, 3)),)
    refusal = world.only(world.ask(state, tensors=given, epoch=1, page="local", first_block=2), Refuse)
    assert (refusal.frame.error.code, state.works) == ("corrupt_frame", {})


def test_the_cloud_is_an_entry_for_a_client_that_dials_it(world) -> None:
    state = world.agent("cloud")
    run = world.only(world.ask(state), RunSegment)
    assert (run.first, run.last) == (0, 5)
    reply = world.only(step(state, SegmentDone(run.work, 1), 0.1), Reply)
    assert reply.frame.page == "cloud-encoded"


def test_a_cloud_that_lacks_the_first_blocks_sends_the_caller_to_the_board(world) -> None:
    state = world.agent("cloud", hold=(2, 3, 4))
    error = world.only(world.ask(state), Refuse).frame.error
    assert (error.code, error.hint) == ("unavailable", "send the request to the board of the plan")


def test_an_agent_that_closes_takes_nothing_new_and_ends_what_it_has(world) -> None:
    state = world.agent()
    run = world.only(world.ask(state, page="local"), RunSegment)
    step(state, Closing(), 0.0)
    assert world.only(world.ask(state, request_id="n"), Refuse).frame.error.code == "unavailable"
    world.only(step(state, SegmentDone(run.work, 1), 0.1), Reply)


def test_too_much_metadata_is_refused(world) -> None:
    """It would have to fit beside a reply's hops and labels too."""
    refused = world.only(world.ask(world.agent(), metadata={"k": "v" * 20_000}), Refuse)
    assert refused.frame.error.code == "invalid_input"
    assert "20001 bytes of metadata" in refused.frame.error.message


def test_what_cannot_be_in_time_is_refused_at_once_while_that_is_known(world) -> None:
    state = world.agent()
    for number in range(8):
        run = world.only(world.ask(state, request_id=f"r{number}", page="local", now=1.0), RunSegment)
        step(state, SegmentDone(run.work, 1, Timing(compute=0.2 + number / 100)), 1.3)
    late = world.only(world.ask(state, request_id="a", page="local", now=2.0, remaining_ms=150), Refuse)
    assert late.frame.error.code == "deadline_exceeded"
    assert "150 ms are left, and board alone needs 200 ms" in late.frame.error.message
    world.only(world.ask(state, request_id="b", page="local", now=2.0, remaining_ms=250), RunSegment)
    world.only(world.ask(state, request_id="c", page="local", now=12.0, remaining_ms=150), RunSegment)


def test_one_who_floods_is_told_its_share_and_when_to_come_back(world) -> None:
    state = world.agent(queue_limit=8)
    refused = [ask for ask in (_from(world, state, f"f{n}", "flood") for n in range(10)) if ask.error]
    assert len(refused) == 4
    assert "6 of them yours; its limit is 8" in refused[0].error.message
    assert refused[0].error.retry_after_ms > 0
    assert _from(world, state, "p1", "polite").error is None


def test_bytes_in_progress_are_bounded_too(world) -> None:
    state = world.agent(queue_bytes=250)
    assert [_from(world, state, f"f{n}", "flood").error is None for n in range(4)] == [
        True,
        False,
        False,
        False,
    ]
    assert _from(world, state, "p", "polite").error is None


def test_what_is_kept_for_a_fallback_takes_room_too(world) -> None:
    """A picture of 100 bytes may leave a frontier of a megabyte here until the cloud has answered."""
    book = world.book()
    (mid,) = book.frontiers[4].tensors
    wide = Frontier((dataclasses.replace(mid, size=1_000_000),))
    book = dataclasses.replace(book, frontiers=(*book.frontiers[:4], wide, *book.frontiers[5:]))
    state = world.agent(book=book, queue_bytes=4_000_000)
    asked = [world.request(f"r{number}", page="cut-4") for number in range(6)]
    answers = [step(state, RequestArrived(1, frame, "one"), 0.0) for frame in asked]
    refused = [command for commands in answers for command in commands if isinstance(command, Refuse)]
    assert (len(state.works), len(refused)) == (3, 3)
    assert "3 MB of requests" in refused[0].frame.error.message
    assert state.room.size == 3_000_000
    validate(state)
    elsewhere = world.agent(hold=(0, 1, 2, 3), book=book, queue_bytes=4_000_000)
    assert not any(world.only(world.ask(elsewhere), RunSegment).keep), (
        "nothing is kept where nothing can go on"
    )
    assert elsewhere.room.size == 100


def _from(world, state, name, flow):
    """What a request of 100 bytes is answered at once: an error, or nothing yet."""
    commands = step(state, RequestArrived(1, world.request(name, page="local"), flow), 0.0)
    refused = [command.frame for command in commands if isinstance(command, Refuse)]
    return refused[0] if refused else world.request(name)


def test_a_run_is_told_what_the_last_ones_cost(world) -> None:
    state = world.agent()
    run = world.only(world.ask(state, request_id="a", page="local"), RunSegment)
    step(state, SegmentDone(run.work, 1, Timing(decode=0.01, compute=0.4, encode=0.01, batch=4)), 0.5)
    assert world.only(world.ask(state, request_id="b", page="local"), RunSegment).cost == pytest.approx(0.12)
    part = world.only(world.ask(state, request_id="c", page="cut-4"), RunSegment)
    assert part.cost == pytest.approx(0.12), "the first of its kind counts as the dearest of the model"


def test_who_is_named_in_an_epoch_has_a_part_in_it_and_nobody_else(world) -> None:
    state = world.agent()
    (key,) = state.epochs
    named = {stage.device for page in state.epochs[key].book.pages for stage in page.stages}
    assert len(named) > 1
    for device in named:
        assert admission.has_part(state, device, key.model, key.epoch)
    assert not admission.has_part(state, "mallory", key.model, key.epoch)
    assert admission.has_part(state, "mallory", key.model, key.epoch + 9), (
        "it is told that this is none of here"
    )

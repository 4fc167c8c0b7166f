"""The queue before the engine: bounded, fair between flows, in order within one, safe between threads."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.engine.waiting import PASSES, Waiting
from lepton_edge.core.errors import Overloaded, Unavailable


class Job:
    """A job of `flow`; equal to none but itself."""

    def __init__(self, flow: str, number: int = 0, kind: str = "") -> None:
        self.flow, self.number, self.kind = flow, number, kind

    def __repr__(self) -> str:
        return f"{self.flow}{self.number}"


def filled(*flows: str, limit: int = 100) -> Waiting[Job]:
    """Return a queue with one job a letter: "aab" are two of flow a, then one of b."""
    queue: Waiting[Job] = Waiting(limit)
    for number, flow in enumerate("".join(flows)):
        queue.put(Job(flow, number), flow)
    return queue


def drained(queue: Waiting[Job]) -> list[Job]:
    """Take all that waits."""
    return [job for job in (queue.take(0) for _ in range(len(queue))) if job is not None]


def test_one_flow_is_first_come_first_served() -> None:
    assert [job.number for job in drained(filled("aaaa"))] == [0, 1, 2, 3]


def test_a_flow_with_one_job_does_not_wait_for_all_of_another() -> None:
    queue = filled("a" * 60)
    queue.take()
    queue.put(Job("b"), "b")
    assert [job.flow for job in drained(queue)[:2]] == ["b", "a"]


def test_one_that_asks_again_and_again_alternates_with_one_that_floods() -> None:
    queue = filled("a" * 20)
    queue.take()
    order = ""
    for _ in range(20):
        if "b" not in {job.flow for job in waiting(queue)}:
            queue.put(Job("b"), "b")
        job = queue.take()
        assert job is not None
        order += job.flow
    assert order == "ba" * 10


def waiting(queue: Waiting[Job]) -> list[Job]:
    """Look at what waits, and change nothing."""
    seen: list[Job] = []
    queue.take_like(lambda job: bool(seen.append(job)), 0)
    return seen


def test_a_higher_priority_goes_first() -> None:
    queue = filled("aab")
    urgent = Job("c")
    queue.put(urgent, "c", priority=1)
    assert queue.take() is urgent


def test_no_priority_keeps_the_others_out_for_ever() -> None:
    queue: Waiting[Job] = Waiting(100)
    for priority in (0, -1):
        queue.put(Job("patient", priority), "patient", priority)
    order = []
    for number in range(3 * PASSES):
        queue.put(Job("pushy", number), "pushy", priority=9)
        taken = queue.take()
        assert taken is not None
        order.append(taken)
    places = {job.number: place for place, job in enumerate(order) if job.flow == "patient"}
    assert places == {0: PASSES, -1: PASSES + 1}


def test_what_weighs_twice_as_much_gets_half_the_turns() -> None:
    queue: Waiting[Job] = Waiting(100)
    for number in range(30):
        queue.put(Job("heavy", number), "heavy", weight=2.0)
        queue.put(Job("light", number), "light", weight=1.0)
    counts = Counter(job.flow for job in drained(queue)[:30])
    assert abs(counts["light"] - 2 * counts["heavy"]) <= 3


def test_what_is_further_along_goes_before_others_of_its_flow_and_of_no_other() -> None:
    queue = filled("aab")
    for number in (8, 9):
        queue.put(Job("a", number), "a", ahead=True)
    order = [(job.flow, job.number) for job in drained(queue)]
    assert order == [("b", 2), ("a", 8), ("a", 9), ("a", 0), ("a", 1)]


def test_full_is_full() -> None:
    queue = filled("abc", limit=3)
    with pytest.raises(Overloaded):
        queue.put(Job("d"), "d")
    assert len(queue) == 3


def test_a_dropped_job_is_never_taken_and_costs_its_flow_nothing() -> None:
    queue = filled("a" * 5)
    camera = [Job("b", number) for number in range(10)]
    for job in camera:
        queue.put(job, "b")
    assert all(queue.drop(job) for job in camera[:-1])
    assert not queue.drop(camera[0])
    assert camera[-1] in drained(queue)[:2]


def test_the_same_job_twice_is_a_mistake() -> None:
    queue: Waiting[Job] = Waiting(4)
    job = Job("a")
    queue.put(job)
    with pytest.raises(ValueError, match="waits already"):
        queue.put(job)


def test_jobs_that_are_alike_join_in_the_order_of_their_turns() -> None:
    queue: Waiting[Job] = Waiting(100)
    for number in range(4):
        queue.put(Job("a", number, "x"), "a")
    for number in range(2):
        queue.put(Job("b", number, "xy"[number]), "b")
    first = queue.take()
    assert first is not None
    joined = queue.take_like(lambda job: job.kind == first.kind, 2)
    assert [(job.flow, job.number) for job in joined] == [("b", 0), ("a", 1)]
    assert len(queue) == 3


def test_what_joined_is_on_the_account_of_its_flow() -> None:
    queue = filled("aaaaaabb")
    queue.take()
    queue.take_like(lambda job: job.flow == "a", 2)
    assert [job.flow for job in drained(queue)] == ["b", "b", "a", "a", "a"]


def test_none_joins_that_is_not_alike() -> None:
    queue = filled("abc")
    assert queue.take_like(lambda job: False, 10) == []
    assert len(queue) == 3


def test_take_gives_up_after_its_timeout() -> None:
    assert Waiting[Job](1).take(0.01) is None


def test_closing_lets_the_waiting_end_and_nobody_in() -> None:
    queue = filled("ab")
    queue.close()
    with pytest.raises(Unavailable):
        queue.put(Job("c"), "c")
    assert len(drained(queue)) == 2
    assert queue.take() is None


def test_closing_wakes_who_waits() -> None:
    queue: Waiting[Job] = Waiting(1)
    thread = threading.Thread(target=queue.take)
    thread.start()
    queue.close()
    thread.join(5)
    assert not thread.is_alive()


def test_what_is_kept_of_flows_is_bounded_and_gone_when_nothing_waits() -> None:
    queue: Waiting[Job] = Waiting(4)
    first, staying = Job("z"), Job("z")
    queue.put(first, "z", weight=1e6)
    queue.put(staying, "z")
    assert queue.take() is first
    for number in range(100):
        job = Job(str(number))
        queue.put(job, job.flow)
        assert queue.take() is job, "one that comes anew is before one who had so much"
        assert len(queue._levels[0].gone) <= 4
    assert queue.drop(staying)
    assert not queue._levels
    assert not queue._places


def test_one_that_asks_now_and_then_waits_for_nothing_but_what_runs() -> None:
    """Though its job costs more than each of those that wait, as it may by a moving average."""
    queue: Waiting[Job] = Waiting(100)
    for number in range(60):
        queue.put(Job("flood", number), "flood", weight=1.0 + number % 3 / 10)
    for number in range(15):
        for _ in range(3):
            queue.take()
        queue.put(Job("polite", number), "polite", weight=2.0)
        taken = queue.take()
        assert taken is not None
        assert taken.flow == "polite"


def test_one_with_a_job_at_a_time_gets_no_more_than_its_share_of_many_threads() -> None:
    """It comes back before the next is taken; others would never have a turn if it were as new each time."""
    queue: Waiting[Job] = Waiting(100)
    for flow in "bcd":
        for number in range(20):
            queue.put(Job(flow, number), flow)
    counts: Counter[str] = Counter()
    for number in range(40):
        if not any(job.flow == "a" for job in waiting(queue)):
            queue.put(Job("a", number), "a")
        taken = queue.take()
        assert taken is not None
        counts[taken.flow] += 1
    assert set(counts.values()) == {10}


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"), st.sampled_from("abc"), st.integers(0, 1), st.sampled_from([0.5, 1.0, 2.0])
        ),
        st.tuples(st.just("take")),
        st.tuples(st.just("drop"), st.integers(0, 10)),
        st.tuples(st.just("like"), st.sampled_from("abc"), st.integers(0, 3)),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_no_job_is_lost_or_doubled_and_order_holds(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    queue: Waiting[Job] = Waiting(12)
    model: dict[Job, int] = {}  # what waits, in order of arrival, with its priority
    passed = 0  # times in a row that the higher of two priorities went while the lower waited
    for number, step in enumerate(steps):
        if step[0] == "put":
            ahead = number % 5 == 0
            job = Job(step[1], number if not ahead else number - 1000)
            if len(model) == 12:
                with pytest.raises(Overloaded):
                    queue.put(job, job.flow, step[2], step[3], ahead)
                continue
            queue.put(job, job.flow, step[2], step[3], ahead)
            model[job] = step[2]
        elif step[0] == "take":
            taken = queue.take(0)
            if taken is None:
                assert not model
                continue
            priority = model.pop(taken)
            assert priority or passed >= PASSES or not any(model.values()), "a higher one waits"
            passed = passed + 1 if priority and not all(model.values()) else 0
            earlier = [one for one, level in model.items() if one.flow == taken.flow and level == priority]
            assert all(one.number > taken.number for one in earlier)
        elif step[0] == "drop" and model:
            dropped = list(model)[step[1] % len(model)]
            assert queue.drop(dropped)
            del model[dropped]
        elif step[0] == "like":
            flow = step[1]
            joined = queue.take_like(lambda job, flow=flow: job.flow == flow, step[2])
            alike = [job for job in model if job.flow == flow]
            assert len(joined) == min(step[2], len(alike))
            for job in joined:
                del model[job]
        assert len(queue) == len(model)
    assert Counter(drained(queue)) == Counter(list(model))
    assert not queue._levels


@settings(max_examples=100, deadline=None)
@given(st.integers(5, 30), st.integers(0, 20), st.floats(0.1, 4), st.floats(0.1, 4))
def test_no_backlogged_flow_gets_ahead_by_more_than_a_turn_of_each(
    count: int, before: int, weight_a: float, weight_b: float
) -> None:
    """The bound of start-time fair queueing: service differs by one job of each at most."""
    queue: Waiting[Job] = Waiting(200)
    for number in range(count + before):
        queue.put(Job("a", number), "a", weight=weight_a)
    for _ in range(before):
        queue.take()
    for number in range(count):
        queue.put(Job("b", number), "b", weight=weight_b)
    service = {"a": 0.0, "b": 0.0}
    left = {"a": count, "b": count}
    while all(left.values()):
        job = queue.take()
        assert job is not None
        left[job.flow] -= 1
        service[job.flow] += weight_a if job.flow == "a" else weight_b
        assert abs(service["a"] - service["b"]) <= weight_a + weight_b + 1e-6


def test_many_threads_lose_nothing() -> None:
    queue: Waiting[Job] = Waiting(10_000)
    jobs = [[Job(str(flow), number) for number in range(100)] for flow in range(4)]
    taken: list[Job] = []

    def compute() -> None:
        while (job := queue.take()) is not None:
            taken.append(job)

    def ask(own: list[Job]) -> None:
        for job in own:
            queue.put(job, job.flow)

    computing = [threading.Thread(target=compute) for _ in range(3)]
    asking = [threading.Thread(target=ask, args=(own,)) for own in jobs]
    for thread in (*computing, *asking):
        thread.start()
    for thread in asking:
        thread.join(10)
    queue.close()
    for thread in computing:
        thread.join(10)
    assert Counter(taken) == Counter(job for own in jobs for job in own)

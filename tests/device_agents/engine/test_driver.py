"""Computing threads behind one bounded queue: order, errors, giving up, company, closing."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from device_agents.engine.driver import Cancelled, Company, SharedTicket, Terms, Ticket, Workers
from device_agents.engine.gate import Gate
from lepton_edge.core.errors import Overloaded, Unavailable


@pytest.fixture
def worker():
    made = Workers(limit=3)
    yield made
    made.close()


async def blocked(worker):
    """Return (task, event): a job that runs until the event is set."""
    begun, release = threading.Event(), threading.Event()

    def job(_):
        begun.set()
        release.wait(5)

    task = asyncio.create_task(worker.submit(job))
    await asyncio.to_thread(begun.wait, 5)
    return task, release


async def test_a_jobs_error_goes_to_its_caller_and_the_next_job_runs(worker):
    with pytest.raises(ZeroDivisionError):
        await worker.submit(lambda _: 1 / 0)
    assert await worker.submit(lambda _: 7) == 7


async def test_equals_go_in_order_and_the_more_urgent_first(worker):
    order = []
    gate, release = await blocked(worker)
    jobs = [
        worker.submit(lambda _, n=n: order.append(n), Terms(priority))
        for n, priority in ((1, 0), (2, 0), (3, 9))
    ]
    tasks = [asyncio.create_task(job) for job in jobs]
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(gate, *tasks)
    assert order == [3, 1, 2]


async def test_given_up_jobs_make_room_at_once_and_never_run(worker):
    ran = []
    gate, release = await blocked(worker)
    for _ in range(100):  # however often: what was given up leaves nothing behind
        tasks = [asyncio.create_task(worker.submit(lambda _: ran.append(1))) for _ in range(3)]
        await asyncio.sleep(0)
        assert worker.waiting == 3
        with pytest.raises(Overloaded):
            await worker.submit(lambda _: None)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)
        assert worker.waiting == 0
    release.set()
    await gate
    assert await worker.submit(lambda _: "still alive") == "still alive"
    assert ran == []


async def test_a_running_job_that_is_given_up_is_told(worker):
    begun, stopped = threading.Event(), threading.Event()

    def job(ticket):
        begun.set()
        end = time.monotonic() + 5
        while not ticket.run_options.terminate and time.monotonic() < end:
            time.sleep(0.001)
        stopped.set()
        ticket.check()

    outcome = worker.start(job)
    await asyncio.to_thread(begun.wait, 5)
    outcome.cancel()
    assert await asyncio.to_thread(stopped.wait, 2)
    assert await worker.submit(lambda _: 7) == 7


async def test_flows_take_turns(worker_of):
    worker, order = worker_of(limit=9), []
    gate, release = await blocked(worker)
    flows = ["flood"] * 4 + ["polite"]
    jobs = [worker.start(lambda _, f=flow: order.append(f), Terms(flow=flow)) for flow in flows]
    release.set()
    await asyncio.gather(gate, *jobs)
    assert order.index("polite") <= 1


@pytest.fixture
def worker_of():
    made = []

    def make(**options):
        made.append(Workers(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()


async def test_as_many_jobs_run_at_once_as_there_are_threads(worker_of):
    worker, meeting = worker_of(limit=3, threads=3), threading.Barrier(3)
    await asyncio.gather(*(worker.submit(lambda _: meeting.wait(5)) for _ in range(3)))


async def test_a_measurement_runs_alone_and_is_not_starved(worker_of):
    worker, running, seen = worker_of(limit=40, threads=3), [], []

    def request(_):
        running.append(1)
        time.sleep(0.002)
        running.pop()

    def measurement(_):
        seen.append(len(running))
        time.sleep(0.005)
        seen.append(len(running))

    jobs = [worker.start(request) for _ in range(12)]
    jobs += [worker.start(measurement, Terms(alone=True)) for _ in range(2)]
    jobs += [worker.start(request) for _ in range(12)]
    await asyncio.gather(*jobs)
    assert seen == [0, 0, 0, 0]


async def test_what_does_not_fit_into_memory_waits_and_what_fits_nowhere_runs_alone(worker_of):
    worker, lock, running, most = worker_of(limit=20, threads=4, gate=Gate(10)), threading.Lock(), [], []

    def job(size):
        def run(_):
            with lock:
                running.append(size)
                most.append(sum(running))
            time.sleep(0.003)
            with lock:
                running.remove(size)

        return run

    sizes = [4, 4, 4, 4, 30, 4, 4, 4]
    await asyncio.gather(*(worker.submit(job(size), Terms(memory=size)) for size in sizes))
    assert max(one for one in most if one != 30) == 8
    assert all(one <= 10 or one == 30 for one in most)


def company(kind, together, work=0, most=4, wait=0.0):
    return Terms(company=Company(kind, work, together, most, wait))


def doubled(batches):
    def together(works, tickets, shared):
        shared.check()
        batches.append(list(works))
        return [2 * work for work in works]

    return together


async def test_equals_that_wait_together_run_as_one(worker_of):
    worker, batches = worker_of(limit=20), []
    gate, release = await blocked(worker)
    together = doubled(batches)
    jobs = [
        worker.start(lambda _: -1, company(kind, together, work))
        for work, kind in enumerate(["a", "a", "b", "a", "a", "a"])
    ]
    release.set()
    await gate
    assert await asyncio.gather(*jobs) == [0, 2, -1, 6, 8, -1]  # 4 at most as one; `b` and the last by itself
    assert batches == [[0, 1, 3, 4]]


async def test_when_a_batch_fails_each_runs_by_itself_and_only_the_faulty_one_fails(worker_of):
    worker = worker_of(limit=20)
    gate, release = await blocked(worker)

    def together(works, tickets, shared):
        raise ValueError("somebody is at fault")

    jobs = [worker.start(lambda _, n=n: 1 / n, company("a", together, n)) for n in (0, 1, 2)]
    release.set()
    await gate
    found = await asyncio.gather(*jobs, return_exceptions=True)
    assert isinstance(found[0], ZeroDivisionError)
    assert found[1:] == [1.0, 0.5]


async def test_one_that_is_given_up_does_not_stop_the_others_of_its_batch():
    tickets = [Ticket(), Ticket()]
    shared = SharedTicket(tickets)
    tickets[0].cancel()
    shared.check()
    assert not shared.run_options.terminate
    tickets[1].cancel()
    assert shared.run_options.terminate
    with pytest.raises(Cancelled):
        shared.check()


async def test_a_batch_takes_no_more_than_fits_into_memory(worker_of):
    worker, batches = worker_of(limit=20, gate=Gate(10)), []
    gate, release = await blocked(worker)
    terms = [Terms(memory=4, company=Company("a", n, doubled(batches), 8)) for n in range(4)]
    jobs = [worker.start(lambda _: None, one) for one in terms]
    release.set()
    await gate
    await asyncio.gather(*jobs)
    assert [len(one) for one in batches] == [2, 2]


async def test_who_waits_for_company_waits_so_long_and_no_longer(worker_of):
    worker, batches = worker_of(limit=20), []
    first = worker.start(lambda _: "alone", company("a", doubled(batches), 1, wait=0.05))
    assert await first == "alone"
    begin = time.perf_counter()
    jobs = [worker.start(lambda _: "alone", company("a", doubled(batches), 1, wait=5.0, most=2))]
    await asyncio.sleep(0.02)
    jobs.append(worker.start(lambda _: "alone", company("a", doubled(batches), 2, wait=5.0, most=2)))
    assert await asyncio.gather(*jobs) == [2, 4]
    assert time.perf_counter() - begin < 2.5  # a full batch waits no longer


async def test_what_an_idle_thread_can_take_is_not_joined(worker_of):
    worker, batches, both = worker_of(limit=20, threads=2), [], threading.Barrier(2)
    jobs = [worker.start(lambda _: both.wait(5), company("a", doubled(batches))) for _ in range(2)]
    await asyncio.gather(*jobs)
    assert batches == []


async def test_closing_finishes_what_waits_and_refuses_what_comes():
    worker = Workers(limit=3)
    gate, release = await blocked(worker)
    waiting = asyncio.create_task(worker.submit(lambda _: "finished"))
    await asyncio.sleep(0)
    release.set()
    await asyncio.to_thread(worker.close)
    assert await waiting == "finished"
    await gate
    with pytest.raises(Unavailable):
        await worker.submit(lambda _: None)


async def test_who_begins_a_job_is_told_in_the_loop_and_not_after_giving_up(worker) -> None:
    heard, loop_thread = asyncio.Queue(), threading.get_ident()
    told = lambda *outcome: heard.put_nowait((outcome, threading.get_ident()))  # noqa: E731
    give_up = worker.begin(lambda _: 7, told)
    assert await heard.get() == ((7, None), loop_thread)
    give_up()  # late: nothing to stop
    worker.begin(lambda _: 1 / 0, told)
    (result, error), _ = await heard.get()
    assert (result, type(error)) == (None, ZeroDivisionError)
    begun, release = threading.Event(), threading.Event()
    stop = worker.begin(lambda ticket: (begun.set(), release.wait(5)), told)
    await asyncio.to_thread(begun.wait, 5)
    stop()
    release.set()
    await worker.submit(lambda _: None)  # the one thread has told of the job before by now
    assert heard.empty()

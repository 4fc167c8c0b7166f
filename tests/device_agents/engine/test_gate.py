"""Who may compute at once: by memory, and alone."""

from __future__ import annotations

import threading

from device_agents.engine.gate import Gate


def enters(gate, **terms):
    """Return (thread, entered, leave) of one that wants in."""
    entered, leave = threading.Event(), threading.Event()

    def run():
        with gate.passed(**terms):
            entered.set()
            leave.wait(5)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, entered, leave


def test_a_bound_of_nothing_bounds_nothing():
    gate = Gate()
    with gate.passed(1 << 40), gate.passed(1 << 40):
        assert gate.peak == 2 << 40


def test_one_larger_than_the_budget_runs_when_nothing_else_does():
    gate = Gate(10)
    with gate.passed(4):
        thread, entered, leave = enters(gate, memory=30)
        assert not entered.wait(0.03)
    assert entered.wait(2)
    leave.set()
    thread.join(2)


def test_a_larger_budget_lets_in_who_waits():
    gate = Gate(10)
    with gate.passed(8):
        thread, entered, leave = enters(gate, memory=8)
        assert not entered.wait(0.03)
        gate.allow(16)
        assert entered.wait(2)
        leave.set()
        thread.join(2)


def test_one_that_must_be_alone_is_not_overtaken():
    gate = Gate()
    with gate.passed():
        alone = enters(gate, alone=True)
        assert not alone[1].wait(0.03)
        late = enters(gate)
        assert not late[1].wait(0.03)
    assert alone[1].wait(2)
    assert not late[1].wait(0.03)
    alone[2].set()
    assert late[1].wait(2)
    late[2].set()


def test_how_many_fit():
    assert Gate(10).fitting(4) == 2
    assert Gate(10).fitting(40) == 1
    assert Gate(10).fitting(0) > 1000
    assert Gate().fitting(4) > 1000

"""What a far side said of a page is believed for as long as it promised, and not asked again at once after a no."""

from __future__ import annotations

from device_agents.machine.memory import FIRST_PAUSE, LONGEST_PAUSE, Beyond


def test_a_yes_holds_from_when_it_was_asked_for() -> None:
    known = Beyond(asked_at=10.0)
    known.said(True, 120.0, 15.0)
    assert (known.until, known.asked_at) == (130.0, -1.0)


def test_after_a_no_the_pauses_grow_and_a_yes_begins_them_anew() -> None:
    known, pauses = Beyond(), []
    for _ in range(10):
        known.asked_at = 0.0
        known.said(False, 120.0, 0.0)
        pauses.append(known.again)
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    known.asked_at = 0.0
    known.said(True, 120.0, 0.0)
    assert known.pause == FIRST_PAUSE

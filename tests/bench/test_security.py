"""What security costs: the arithmetic of differences, of the kernel's counts, of a board's processor."""

from __future__ import annotations

import random

from bench.security.fleet import SLICE, Spent, counted, idle_rows
from bench.security.radio import between, rows
from bench.security.trips import Told, _of_board

SS = """0      0      127.0.0.1:36282    127.0.0.1:8010  users:(("python",pid=11,fd=9))
\t cubic wscale:7,7 bytes_sent:1000 bytes_acked:1000 bytes_received:234 segs_out:3
0      0      127.0.0.1:8011     127.0.0.1:40000 users:(("python",pid=11,fd=12))
\t cubic bytes_sent:70 bytes_received:7
0      0      127.0.0.1:8010     127.0.0.1:36282 users:(("python",pid=111,fd=9))
\t cubic bytes_sent:500 bytes_received:600
"""


def lanes(added: float, seed: int = 1) -> dict[str, list[float]]:
    draw = random.Random(seed)
    return {
        f"{kind} ({number})": [200 + draw.gauss(0, 2) + added * (kind == "TLS") for _ in range(20)]
        for kind in ("TLS", "in the open")
        for number in (1, 2)
    }


def test_what_equal_lanes_differ_by_is_nothing_and_more_is_something() -> None:
    nothing = list(rows("600 kB", lanes(0.0)))[-1]
    assert nothing.met
    much = list(rows("600 kB", lanes(8.0)))[-1]
    assert not much.met
    assert 6 < much.value < 10
    assert much.goal == nothing.goal, "the noise is that of equal lanes, whatever TLS adds"


def test_a_median_is_known_to_an_interval_that_holds_it() -> None:
    low, high = between([1.0, 2.0, 3.0, 4.0, 100.0])
    assert 1.0 <= low < 3.0 < high <= 100.0


def test_a_process_is_told_by_its_own_connections() -> None:
    assert counted(SS, 11, "8010") == (1234, 77)
    assert counted(SS, 111, "8010") == (0, 1100)
    assert counted(SS, 1, "8010") == (0, 0)


def test_the_measuring_of_a_link_is_told_apart_from_its_idling() -> None:
    looks = [Spent(0.0, 0, 0), Spent(0.1, 500, 600), Spent(0.1, 1000, 67_000), Spent(0.3, 1500, 67_600)]
    control, link, processor = idle_rows("TLS", looks)
    assert (control.value, link.value) == (1500 / 3 / SLICE, 600 / SLICE)
    assert "66400 bytes" in link.compared_with
    assert processor.value == round(100 * 0.3 / (3 * SLICE), 2)


def test_a_slowed_board_is_busy_for_as_much_longer() -> None:
    told = {"TLS": Told([9.0], [2.0], [1.0]), "in the open": Told([5.0], [1.0], [1.0])}
    found = {row.what.partition(", ")[2]: row.value for row in _of_board(told, "board, 6 bytes", 4.0)}
    assert found["6 bytes, TLS: the board's processor"] == 8.0
    assert found["6 bytes, TLS / in the open: round trip"] == 1.8

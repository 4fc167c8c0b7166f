#!/usr/bin/env python3
"""A processor that is K times slower for one process: whatever it uses of it is burnt K - 1 times over.

    slow.py PID CPU K

The process PID runs on CPU alone. With real-time priority on that CPU, look every quarter of a millisecond what
it has used since, and keep the CPU busy for K - 1 times as long. So work of any length comes out K times slower,
where a quota lets a tick's worth through at full speed and then stops everything until the debt is paid. Idle
costs 3 % of the CPU. Ends with the process. Needs root.

Law: the standard library alone, and no word of the project: it is a slow processor.
"""

import contextlib
import os
import sys
import time

QUANTUM = 0.00025
PRIORITY = 10


def main(process: int, cpu: int, slow: float) -> None:
    os.sched_setaffinity(0, {cpu})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    clock = ~process << 3 | 2  # the kernel's number for the clock of another process's processor time
    with contextlib.suppress(OSError):  # it has ended
        burn_along(clock, slow - 1)


def burn_along(clock: int, times: float) -> None:
    """Burn `times` what the process uses, as long as it lives."""
    used = time.clock_gettime_ns(clock)
    while True:
        time.sleep(QUANTUM)
        begin = time.perf_counter_ns()  # looking costs time too, and counts as burnt
        now = time.clock_gettime_ns(clock)
        end = begin + times * (now - used)
        used = now
        while time.perf_counter_ns() < end:
            pass


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))

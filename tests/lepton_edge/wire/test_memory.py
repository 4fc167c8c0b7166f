"""The thresholds are set where glibc is, and nowhere else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lepton_edge.wire import memory

FAULTS = """
import resource, sys
from lepton_edge.wire.memory import tune_malloc
if sys.argv[1] == "tuned" and not tune_malloc():
    sys.exit("no glibc here")
def frame(): return [b"x" * (1 << 20) for _ in range(8)]
frame()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20): frame()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


HELD = """
import psutil
from lepton_edge.wire.memory import trim_malloc
def resident(): return psutil.Process().memory_info().rss
size = 4000
small = [b"x" * size for _ in range(20000)]
last = b"y" * size
full = resident()
del small
kept = resident()
trim_malloc()
print(full, kept, resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's")
def test_free_pages_below_a_used_one_go_back_to_the_system() -> None:
    told = subprocess.run([sys.executable, "-c", HELD], capture_output=True, check=True).stdout
    full, kept, trimmed = (int(word) for word in told.split())
    assert kept > full - 20e6, "glibc would have given them back by itself: the test proves nothing"
    assert trimmed < full - 60e6


OF_A_THREAD = """
import os, psutil, sys, threading
from lepton_edge.wire.memory import trim_malloc, tune_malloc
def resident(): return psutil.Process().memory_info().rss
tune_malloc(int(sys.argv[1]))
def compute():
    held = [b"x" * (1 << 20) for _ in range(40)]
    held.clear()
    done.set()
    threading.Event().wait()
before, done = resident(), threading.Event()
threading.Thread(target=compute, daemon=True).start()
done.wait()
trim_malloc()
print(resident() - before, flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's")
def test_what_a_thread_that_goes_on_has_freed_goes_back_too() -> None:
    words = [sys.executable, "-c", OF_A_THREAD, str(64 << 20)]
    kept = int(subprocess.run(words, capture_output=True, check=True).stdout)
    assert kept < 8e6


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's")
def test_pages_of_large_buffers_are_faulted_in_once() -> None:
    def faults(how: str) -> int:
        return int(
            subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, check=True).stdout
        )

    assert faults("tuned") * 5 < faults("untouched")


def test_nothing_happens_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert not memory.tune_malloc()
    assert not memory.trim_malloc()


SETTLED = """
import gc, time
from lepton_edge.wire.memory import settle_garbage
held = [[number] for number in range(300_000)]
def took():
    begin = time.process_time()
    gc.collect()
    return time.process_time() - begin
before = took()
settle_garbage()
print(before, took())
"""


def test_what_lives_when_a_process_has_settled_is_not_looked_at_again() -> None:
    told = subprocess.run([sys.executable, "-c", SETTLED], capture_output=True, check=True).stdout
    before, after = (float(word) for word in told.split())
    assert after < before / 5

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

"""What `ps` shows of a process that was given a secret."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lepton_edge.security.arguments import forget

SECRET = "abcdefghijklmnopqrstuvwxyz0123456789"
PROGRAM = """
import sys
from lepton_edge.security.arguments import forget
print(forget(sys.argv[2].rpartition(".")[2]), sys.argv[2], flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is Linux's memory that is written over")
def test_a_secret_is_shown_no_more_and_its_owner_still_has_it() -> None:
    token = f"LE1.authority.id.{SECRET}"
    command = [sys.executable, "-c", PROGRAM, "--token", token, token]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        said = one.stdout.readline().split()
        shown = Path(f"/proc/{one.pid}/cmdline").read_bytes().split(b"\0")
        one.communicate("")
    assert said == ["True", token]
    assert shown[-3:-1] == [b"LE1.authority.id." + b"*" * len(SECRET)] * 2
    assert b"--token" in shown


def test_nothing_to_forget_is_nothing_done() -> None:
    assert not forget("")

"""Both ends of lanes as processes: started, asked, ended; and a slowed processor for one of them.

Law: starts programs and speaks JSON lines with them; what they measure is theirs. Linux; root for a slowed one.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lepton_edge.core.identity import ANY_MODEL, Credentials, Identity, Role
from lepton_edge.security.authority import Authority
from partitioner.units import Seconds

SLOW = Path(__file__).resolve().parents[1] / "lab" / "slow.py"
TLS, OPEN = "TLS", "in the open"
LANES = {TLS: True, OPEN: False}
"""By name of a lane, whether it is believed by TLS."""
Job = dict[str, Any]


@dataclass(frozen=True)
class Papers:
    """What both ends show each other, by an authority that lives as long as a run."""

    far: Credentials
    near: Credentials

    @staticmethod
    def make(authority: Authority | None = None) -> Papers:
        """Return new ones."""
        now = Seconds(time.time())
        by = authority or Authority.make(now)
        far = by.credentials(Identity(Role.AGENT, "far"), now)[0]
        return Papers(far, by.credentials(Identity(Role.CLIENT, "bench", (ANY_MODEL,)), now)[0])


class End:
    """A process that is told a line and answers with one."""

    def __init__(self, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def tell(self, what: Any) -> str:
        """Say a line of JSON and return the one that comes."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        told = self.process.stdout.readline()
        if not told:
            raise RuntimeError(f"an end ended by itself, status {self.process.wait(5)}")
        return told.strip()

    def seconds(self) -> float:
        """Return the processor time that it has used, all its threads together."""
        return time.clock_gettime_ns(~self.process.pid << 3 | 2) / 1e9

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()


@dataclass
class Ends:
    """A far end, and a near end with lanes to it."""

    far: End
    near: End

    def ask(self, **job: Any) -> Job:
        """Have the near end do a job; "far" is added to what it tells: processor seconds of the other side, each."""
        begun = self.far.seconds()
        told: Job = json.loads(self.near.tell(job))
        return {**told, "far": (self.far.seconds() - begun) / job["count"]}


@contextlib.contextmanager
def ends(
    papers: Papers,
    lanes: Mapping[str, bool],
    host: str = "127.0.0.1",
    far: Sequence[str] = (),
    near: Sequence[str] = (),
) -> Iterator[Ends]:
    """Yield both ends, with their links open; `far` and `near` are prefixes of command lines."""
    with contextlib.ExitStack() as stack:
        there = _begun(stack, [*far, *python("bench.security.far", host)])
        addresses = json.loads(there.tell(papers.far.pem().decode()))
        here = _begun(stack, [*near, *python("bench.security.near")])
        named = {name: (addresses[0 if tls else 1], tls) for name, tls in lanes.items()}
        here.tell({"pem": papers.near.pem().decode(), "lanes": named})
        yield Ends(there, here)


def _begun(stack: contextlib.ExitStack, command: Sequence[str]) -> End:
    end = End(command)
    stack.callback(end.stop)
    return end


def python(module: str, *words: str) -> list[str]:
    """Return the command line of a module."""
    return [sys.executable, "-m", module, *words]


def slowed(times: float) -> list[str]:
    """Return what a command line begins with, to have the last CPU, `times` slower."""
    last = (os.cpu_count() or 1) - 1
    burner = f'"{sys.executable}" "{SLOW}" $$ {last} {times:g}'
    script = f'( setsid {burner} </dev/null >/dev/null 2>&1 & ); exec taskset -c {last} "$@"'
    return ["bash", "-c", script, "slowed"]


def beside() -> list[str]:
    """Return what a command line begins with, to leave the last CPU to one that is slowed."""
    last = (os.cpu_count() or 1) - 1
    return ["taskset", "-c", f"0-{last - 1}"] if last > 1 else ["taskset", "-c", "0"]

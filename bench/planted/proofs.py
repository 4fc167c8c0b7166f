"""What runs a bug's proof in a copy of the tree, and what it came to: tests until one fails, or a chaos run.

Law: never touches the working tree. A test that fails and a chaos run that ends with a figure that is not as it must be
find a bug; what cannot run does not.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.planted.bugs import Bug, planted
from bench.rows import Row

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("partitioner", "lepton_edge", "device_agents", "examples", "bench", "tests")
PATIENCE = 600.0
EACH, LASTS, SHARE = 2, 2.5, 0.5
"""How often each kind of fault strikes in a chaos run, and for how many seconds; how much is asked meanwhile."""


@dataclass(frozen=True)
class Verdict:
    """What a proof came to: "passed", "failed" (in words: what found something), "broken" (it did not run)."""

    end: str
    told: str = ""


Run = Callable[[Path], Verdict]


def tests_of(bug: Bug, seeds: int) -> Run:
    """Return what runs a bug's tests in a copy of the tree."""
    return lambda copy: _tests(copy, bug.proof, seeds)


def chaos_of(bug: Bug, seed: int) -> Run:
    """Return what lets a bug's faults strike in a copy of the tree."""
    return lambda copy: _chaos(copy, bug.faults, seed)


def judged(bug: Bug, control: Verdict, run: Callable[[], Verdict], proof: str) -> Row:
    """Return whether a bug's proof catches it; `control` is what the proof came to without it."""
    begun = time.monotonic()
    found = run() if control.end == "passed" else control
    caught = control.end == "passed" and found.end == "failed"
    said = {"passed": "not caught", "failed": found.told, "broken": f"broken: {found.told}"}[found.end]
    told = said if control.end == "passed" else f"the proof is no proof, without the bug it {said}"
    told = f"{told}; {time.monotonic() - begun:.0f} s; {proof}"
    return Row("planted", bug.name, int(caught), "caught", told, 1, met=caught)


def run(proof: Run, bug: Bug | None = None) -> Verdict:
    """Run a proof in a copy of the tree, with a bug in it."""
    with tempfile.TemporaryDirectory(prefix="lepton-planted-") as temporary:
        copy = Path(temporary)
        for room in ROOMS:
            shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        if bug is not None:
            file = copy / bug.file
            file.write_text(planted(bug, file.read_text(encoding="utf-8")), encoding="utf-8")
        try:
            return proof(copy)
        except subprocess.TimeoutExpired:
            return Verdict("broken", f"did not end within {PATIENCE:.0f} s")


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **more}


def _tests(copy: Path, proof: str, seeds: int) -> Verdict:
    """Run tests until one fails."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *proof.split()]
    done = _done(command, copy, _environment(LEPTON_TEST_SIMULATIONS=str(seeds)))
    return verdict(done.returncode, done.stdout)


def _chaos(copy: Path, faults: str, seed: int) -> Verdict:
    """Let faults strike."""
    words = ["--only", faults, "--each", str(EACH), "--lasts", str(LASTS), "--seed", str(seed)]
    words += ["--share", str(SHARE)]
    command = [sys.executable, "-m", "bench.chaos", "--keep-input", "--fewest", "0", *words]
    done = _done(command, copy, _environment(OMP_NUM_THREADS="1"))
    return chaos_verdict(done.returncode, done.stdout, done.stderr)


def _done(
    command: Sequence[str], copy: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def chaos_verdict(status: int, output: str, errors: str = "") -> Verdict:
    """Return what a chaos run came to: figures that are not as they must be find something."""
    rows = [json.loads(line) for line in output.splitlines()]
    amiss = [f"{row['what'].partition(': ')[2]} ({row['value']})" for row in rows if row["met"] is False]
    if not rows or (status != 0) != bool(amiss):
        return Verdict("broken", (errors.splitlines() or [f"status {status}"])[-1][:200])
    return Verdict("failed", "; ".join(amiss)) if amiss else Verdict("passed")


def verdict(status: int, output: str) -> Verdict:
    """Return what pytest said: a test that failed, not one that could not run."""
    lines = output.splitlines()
    broken = next((line for line in lines if line.startswith("ERROR tests")), "")
    failed = next((line for line in lines if line.startswith("FAILED tests")), "")
    if status == 0:
        return Verdict("passed")
    if status != 1 or not failed:
        return Verdict("broken", broken or (lines[-1] if lines else f"status {status}"))
    dots = re.search(r"^([.sx]*)F", output, re.MULTILINE)
    which = failed.split(" ", 1)[1].split(" - ")[0]
    return Verdict("failed", f"{which} after {len(dots[1]) if dots else '?'} that passed")

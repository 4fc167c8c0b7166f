"""Bugs that are planted on purpose, in a copy of the tree: what is to prove that there are none must find each.

    python -m bench.planted [--only NAME,...] [--list] >rows.jsonl

Each bug is a line of the product replaced by a wrong one; its proof is the narrowest test that a person would trust to
find it: the simulation of a fleet (seed by seed), or the property tests of a decider. Every proof is run
without the bug first, and what fails then proves nothing; a test that fails finds a bug, one that cannot run does not.
Law: never touches the working tree; a bug whose line is not there exactly once is an error, and
`tests/bench/test_planted.py` says so.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.rows import Row

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("partitioner", "lepton_edge", "device_agents", "examples", "bench", "tests")
SEEDS = 60
FLEET = "tests/simulation/test_fleet.py"
AGENT = "tests/device_agents/machine/test_decider.py"
LINK = "tests/lepton_edge/link/test_two_machines.py"
PATIENCE = 600.0


@dataclass(frozen=True)
class Bug:
    """One bug: in `file`, `right` (there once) becomes `wrong`; `proof` is what must find it."""

    name: str
    file: str
    right: str
    wrong: str
    proof: str = FLEET


@dataclass(frozen=True)
class Verdict:
    """What a proof came to: "passed", "failed" (in words: what found something), "broken" (it did not run)."""

    end: str
    told: str = ""


Run = Callable[[Path], Verdict]


BUGS = (
    Bug(
        "answer twice",
        "device_agents/machine/answers.py",
        "return [answer, Release(work.key, heeded), *settled, *called_off]",
        "return [answer, answer, Release(work.key, heeded), *settled, *called_off]",
    ),
    Bug(
        "old epoch accepted",
        "device_agents/machine/state.py",
        "        found = self.epochs.get(key)\n        if found is None or found.state == PREPARING:",
        "        found = self.active_epoch(key.model) or self.epochs.get(key)\n"
        "        if found is None or found.state == PREPARING:",
        f"{FLEET} -k change_under_load",
    ),
    Bug(
        "credit leak",
        "lepton_edge/link/receiving.py",
        "    state.owed_bytes += size\n",
        "    state.owed_bytes += size * 15 // 16\n",
        LINK,
    ),
    Bug(
        "stale page: what was chosen once is chosen for ever",
        "device_agents/machine/turning.py",
        "    if turner.stale or not fresh:",
        "    if not choice.costs:",
        f"{FLEET} -k follows_the_link",
    ),
    Bug(
        "lost cancel",
        "device_agents/machine/requests.py",
        "    return [command for work in found for command in _drop(state, work, CANCELLED, now)]",
        "    return []",
        f"{FLEET} -k given_up",
    ),
    Bug(
        "lost cancel on the wire",
        "lepton_edge/link/sending.py",
        "    if waiting is not None and not state.outbox.drop(waiting.ticket):",
        "    if waiting is None and not state.outbox.drop(waiting.ticket):",
        "tests/lepton_edge/link",
    ),
    Bug(
        "answer of another request: rows of a batch",
        "device_agents/engine/batching.py",
        "        return array[place * count : (place + 1) * count]",
        "        place = len(self._single) - 1 - place\n"
        "        return array[place * count : (place + 1) * count]",
        "tests/device_agents/test_storm.py",
    ),
    Bug(
        "answer of another request: attempts are not told apart",
        "lepton_edge/link/state.py",
        "    return frame.request_id, frame.attempt\n",
        "    return frame.request_id[:8], frame.attempt\n",
        LINK,
    ),
    Bug(
        "fallback's result dropped",
        "device_agents/machine/requests.py",
        'if work is None or event.run != work.run or work.phase == "remote":\n        return []\n'
        "    runs.note_cost",
        'if work is None or event.run != work.run or work.phase != "local":\n        return []\n'
        "    runs.note_cost",
    ),
    Bug(
        "deadline ignored",
        "device_agents/machine/requests.py",
        '    if event.timer == "deadline":',
        '    if event.timer == "deadline" and work.phase == "waiting":',
        AGENT,
    ),
    Bug(
        "a stage is sent on as of the newest epoch",
        "device_agents/machine/asking.py",
        "        epoch=work.epoch.epoch,\n        page=work.page,",
        "        epoch=state.active.get(work.epoch.model, work.epoch.epoch),\n        page=work.page,",
        f"{FLEET} -k change_under_load",
    ),
    Bug(
        "a duplicate is computed twice",
        "device_agents/machine/admission.py",
        "    if key in state.answers:\n",
        "    if key in state.answers and state.closing:\n",
    ),
    Bug(
        "an epoch is closed while requests run on it",
        "device_agents/machine/draining.py",
        "or state.working_on(key):",
        "or (state.working_on(key) and state.closing):",
        f"{FLEET} -k change_under_load",
    ),
    Bug(
        "an activated epoch is not saved",
        "device_agents/machine/epochs.py",
        "    state.choose_active(held.key.model)\n    return [persist(state), keep_peers(state)]",
        "    state.choose_active(held.key.model)\n    return [keep_peers(state)]",
        f"{FLEET} -k an_hour",
    ),
    Bug(
        "a far side that swallows is waited for",
        "device_agents/machine/asking.py",
        "    if not is_hedged(work):\n        return [sent]",
        "    if is_hedged(work):\n        return [sent]",
        "tests/device_agents/machine/test_ladder.py",
    ),
    Bug(
        "the fallback runs one block too late",
        "device_agents/machine/runs.py",
        "    first, last = work.route.last, blocks(state, work)\n    return RunSegment(",
        "    first, last = min(work.route.last + 1, blocks(state, work) - 1), blocks(state, work)\n"
        "    return RunSegment(",
    ),
    Bug(
        "an older coordinator is obeyed",
        "device_agents/machine/fencing.py",
        "    if said.term > known.term:",
        "    if said.term >= 0:",
        "tests/device_agents/machine/test_fencing.py",
    ),
    Bug(
        "a device that returns is not brought back",
        "lepton_edge/coordinator/epochs.py",
        '        return bool(record.blocks_of(device.name)) and held != "active"',
        '        return bool(record.blocks_of(device.name)) and held == "failed"',
    ),
)


def main() -> int:
    options = _options()
    chosen = [bug for bug in BUGS if not options.only or bug.name in options.only.split(",")]
    if options.list:
        print("\n".join(f"{bug.name}: {bug.proof}" for bug in chosen))
        return 0
    controls: dict[str, Verdict] = {}
    missed = 0
    for bug in chosen:
        proof = proof_of(bug, options.seeds)
        if bug.proof not in controls:
            controls[bug.proof] = _run(proof)
        row = judged(bug, controls[bug.proof], lambda bug=bug, proof=proof: _run(proof, bug))  # type: ignore[misc]
        row.print()
        missed += not row.met
    return int(missed > 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="names, by commas")
    parser.add_argument("--list", action="store_true", help="say which there are, and end")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="simulated fleets for each bug")
    return parser.parse_args()


def planted(bug: Bug, text: str) -> str:
    """Return the file's `text` with the bug in it.

    Raises:
        LookupError: its line is not there, or not once.
    """
    if text.count(bug.right) != 1:
        raise LookupError(f"{bug.name}: the line is there {text.count(bug.right)} times in {bug.file}")
    return text.replace(bug.right, bug.wrong)


def proof_of(bug: Bug, seeds: int) -> Run:
    """Return what runs a bug's proof in a copy of the tree."""
    return lambda copy: _tests(copy, bug.proof, seeds)


def judged(bug: Bug, control: Verdict, run: Callable[[], Verdict]) -> Row:
    """Return whether a bug's proof catches it; `control` is what the proof came to without it."""
    begun = time.monotonic()
    found = run() if control.end == "passed" else control
    caught = control.end == "passed" and found.end == "failed"
    said = {"passed": "not caught", "failed": found.told, "broken": f"broken: {found.told}"}[found.end]
    told = said if control.end == "passed" else f"the proof is no proof, without the bug it {said}"
    told = f"{told}; {time.monotonic() - begun:.0f} s; {bug.proof}"
    return Row("planted", bug.name, int(caught), "caught", told, 1, met=caught)


def _run(proof: Run, bug: Bug | None = None) -> Verdict:
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


def _tests(copy: Path, proof: str, seeds: int) -> Verdict:
    """Run tests until one fails."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *proof.split()]
    environment = {**os.environ, "LEPTON_EDGE_SIMULATIONS": str(seeds), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return verdict(done.returncode, done.stdout)


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


if __name__ == "__main__":
    sys.exit(main())

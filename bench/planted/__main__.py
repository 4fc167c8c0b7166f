"""Bugs that are planted on purpose, in a copy of the tree: what is to prove that there are none must find each.

    python -m bench.planted [--chaos] [--only NAME,...] [--list] >rows.jsonl

Each bug is a line of the product replaced by a wrong one; its proof is the narrowest test that a person would trust to
find it: the simulation of a fleet (seed by seed), or the property tests of a decider. With `--chaos` (needs root) it is
a short chaos run instead, of the kinds of fault that matter. Every proof is run without the bug first, and what fails
then proves nothing; a test that fails finds a bug, one that cannot run does not.
Law: never touches the working tree; a bug whose line is not there exactly once is an error, and
`tests/bench/test_planted.py` says so.
"""

from __future__ import annotations

import argparse
import sys

from bench.planted.bugs import BUGS, Bug
from bench.planted.proofs import Verdict, chaos_of, judged, run, tests_of

SEEDS, CHAOS_SEED = 60, 5


def main() -> int:
    options = _options()
    chosen = [bug for bug in BUGS if not options.only or bug.name in options.only.split(",")]
    chosen = [bug for bug in chosen if bug.faults or not options.chaos]
    if options.list:
        print("\n".join(f"{bug.name}: {_proof(bug, options)}" for bug in chosen))
        return 0
    controls: dict[str, Verdict] = {}
    missed = 0
    for bug in chosen:
        name = _proof(bug, options)
        proof = chaos_of(bug, options.seed) if options.chaos else tests_of(bug, options.seeds)
        if name not in controls:
            controls[name] = run(proof)
        row = judged(bug, controls[name], lambda bug=bug, proof=proof: run(proof, bug), name)  # type: ignore[misc]
        row.print()
        missed += not row.met
    return int(missed > 0)


def _proof(bug: Bug, options: argparse.Namespace) -> str:
    return f"chaos: {bug.faults}" if options.chaos else bug.proof


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="names, by commas")
    parser.add_argument("--list", action="store_true", help="say which there are, and end")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="simulated fleets for each bug")
    parser.add_argument("--chaos", action="store_true", help="by a chaos run each, where that can see it")
    parser.add_argument("--seed", type=int, default=CHAOS_SEED, help="of the chaos runs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

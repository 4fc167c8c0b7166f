"""What security costs: TLS beside the open, in turns; a slowed board, a radio, an idle fleet, joining.

    python -m bench.security [PART...] [--trips N] >rows.jsonl

Parts: loopback (round trips and openings), renewal (under load), board (both from a slowed processor; root), radio
(over the laboratory's Wi-Fi, beside the noise of equal lanes; root), idle (agents that nobody asks), joining (at full
speed and slowed), revocation (how soon it counts). All are run when none is named. Law: orders and prints; each part
has a room of its own. Where others use the machine, only what took turns can be compared.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator

from bench.revocation import revocation
from bench.rows import Row
from bench.security.fleet import idle, joining
from bench.security.radio import radio
from bench.security.renewal import renewal
from bench.security.trips import board, loopback

Part = Callable[[int], Iterator[Row]]
PARTS: dict[str, Part] = {
    "loopback": loopback,
    "renewal": renewal,
    "board": board,
    "radio": radio,
    "idle": idle,
    "joining": joining,
    "revocation": lambda trips: revocation(8 if trips >= 100 else 2),
}
TRIPS = 300


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--trips", type=int, default=TRIPS, help="round trips of each size and kind")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
    begun, missed = time.monotonic(), 0
    for part in options.parts or PARTS:
        for row in PARTS[part](options.trips):
            row.print()
            missed += row.met is False
    load = f"load {os.getloadavg()[0]:.1f} now, {os.getloadavg()[2]:.1f} over 15 minutes"
    Row("security", "the whole run", round(time.monotonic() - begun), "s", load).print()
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())

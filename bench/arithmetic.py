"""What a request would have cost with nothing but arithmetic, and where the rest of its time went.

Law: pure. Ideal = its own measured compute on both sides + bytes x 1.046 / rate + delay, each way it used.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from examples.demo.processes import Conditions
from partitioner.costs import HEADER_OVERHEAD

Answer = dict[str, Any]


@dataclass(frozen=True)
class Parts:
    """One request in seconds; `ideal` and the rest, from `queue` on, add up to `latency`.

    `network` is what the link took beyond its ideal (negative when the shaped link was faster than it says),
    `client` everything between the application and its entry, `agents` the agents' time outside of the
    engine: event loop, frames, Python.
    """

    latency: float
    ideal: float
    compute: float
    ideal_network: float
    queue: float
    decode: float
    encode: float
    network: float
    client: float
    agents: float


def parts_of(answer: Answer, conditions: Conditions) -> Parts:
    """Return the parts of one answer of `bench.asker`."""
    client, entry, *far = answer["hops"]
    hops = [entry, *far]
    compute = _sum(hops, "compute")
    link = ideal_network(entry, conditions) if far else 0.0
    inside = entry["total"]
    network = entry["network"] - link if far else 0.0
    spent = _sum(hops, "queue") + _sum(hops, "decode") + _sum(hops, "encode")
    return Parts(
        latency=answer["latency"],
        ideal=compute + link,
        compute=compute,
        ideal_network=link,
        queue=_sum(hops, "queue"),
        decode=_sum(hops, "decode"),
        encode=_sum(hops, "encode"),
        network=network,
        client=answer["latency"] - inside,
        agents=inside - compute - link - network - spent,
    )


def ideal_network(entry: dict[str, Any], conditions: Conditions) -> float:
    """Return the seconds that the entry's bytes out and in take on an ideal link, delays included."""
    size = int(entry["bytes_out"]) + int(entry["bytes_in"])
    return size * HEADER_OVERHEAD * 8e-6 / conditions.rate + 2 * conditions.delay * 1e-3


def medians(parts: Sequence[Parts]) -> Parts:
    """Return the median of each field."""
    names = [field.name for field in fields(Parts)]
    return Parts(**{name: statistics.median(getattr(one, name) for one in parts) for name in names})


def _sum(hops: Sequence[dict[str, Any]], what: str) -> float:
    return sum(float(hop[what]) for hop in hops)

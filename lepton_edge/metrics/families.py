"""Figures as Prometheus reads them: families of samples, in its text format (version 0.0.4).

Law: pure. Written here and not by its client library, which takes 5 MB of a board and keeps what nobody asked for;
the tests read the text with that library.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

PREFIX = "lepton_edge_"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Family:
    """One figure, with a sample for each set of labels; `name` is without the prefix, `kind` "gauge" or "counter"."""

    name: str
    kind: str
    help: str
    samples: list[tuple[dict[str, str], float]] = field(default_factory=list)

    def add(self, value: float | None, /, **labels: object) -> Family:
        """Add a sample; None, which is not known, adds nothing."""
        if value is not None and math.isfinite(value):
            self.samples.append(({name: str(told) for name, told in labels.items()}, float(value)))
        return self


def gauge(name: str, help: str) -> Family:
    """Return a figure that goes up and down."""
    return Family(name, "gauge", help)


def counter(name: str, help: str) -> Family:
    """Return a figure that only grows; its name ends in "_total"."""
    return Family(name, "counter", help)


def certificate(begins: float, ends: float) -> list[Family]:
    """Return from when to when a process's certificate counts, seconds since 1970; (0, 0) for none."""
    since = gauge(
        "certificate_begins_timestamp_seconds", "When the certificate that is shown began to count."
    )
    until = gauge("certificate_ends_timestamp_seconds", "When the certificate that is shown ends.")
    return [since.add(begins or None), until.add(ends or None)]


def exposition(families: Iterable[Family]) -> bytes:
    """Return the text of these families; those without a sample are named all the same."""
    return "".join(line for family in families for line in _lines(family)).encode()


def _lines(family: Family) -> Iterable[str]:
    name = PREFIX + family.name
    yield f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n"
    for labels, value in family.samples:
        yield f"{name}{_labels(labels)} {value!r}\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')

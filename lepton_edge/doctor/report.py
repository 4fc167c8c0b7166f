"""Findings for people, for programs, and for a bug report.

Law: text only; what could be a secret is taken out of what is meant to be published, whoever put it there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lepton_edge.core.version import __version__
from lepton_edge.doctor.facts import Finding, Level, Machine
from partitioner.nouns_json import to_json

SCHEMA = "lepton-edge/doctor/1"
SIGNS = {Level.OK: "ok", Level.NOTE: "note", Level.WARNING: "WARNING", Level.PROBLEM: "PROBLEM"}
SECRET = re.compile(r"LE1\.[0-9A-Za-z._-]+|-----BEGIN [^-]*-----.*?-----END [^-]*-----", re.DOTALL)
PUBLIC_ADDRESS = re.compile(
    r"\b(?!127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.|0\.0\.0\.0)(?:\d{1,3}\.){3}\d{1,3}\b"
    r"|(?<![\w:])[23][0-9a-fA-F]{3}:[0-9a-fA-F:]*:[0-9a-fA-F:]*(?!\w)"
)
HOST = re.compile(r"\b(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?=:\d)")
HOMES = re.compile(r"(/home|/Users|C:\\Users)[/\\][^/\\\s]+")
PLAIN = frozenset(
    {"", "agent", "board", "client", "cloud", "coordinator", "device", "localhost", "pi", "server"}
)
"""Names that say nothing about their owner, and that sentences of ours have too."""


@dataclass(frozen=True)
class Report:
    """What was found on one `side`: "coordinator" (or whoever asks it) or "agent"."""

    side: str
    machine: Machine
    findings: tuple[Finding, ...]
    names: tuple[str, ...] = ()
    """Of machines, devices and models, which a bug report need not tell."""

    @property
    def healthy(self) -> bool:
        """Whether nothing was found that does not work."""
        return all(one.level is not Level.PROBLEM for one in self.findings)

    def document(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "schema": SCHEMA,
            "side": self.side,
            "software": __version__,
            "healthy": self.healthy,
            "findings": [to_json(one) for one in self.findings],
            "machine": to_json(self.machine),
            "report": self.paste(),
        }

    def lines(self) -> Iterator[str]:
        """Yield the report for a terminal: what is wrong first, each finding with its fix, then what to paste."""
        for one in _sorted(self.findings):
            yield f"{SIGNS[one.level]:8} {one.check}: {one.said}"
            if one.fix and one.level is not Level.OK:
                yield f"{'':8}   -> {one.fix}"
        yield ""
        yield "To paste into a bug report:"
        yield ""
        yield self.paste()

    def paste(self) -> str:
        """Return the block for a bug report: no secrets, no home directory, no public address, no names."""
        facts = self.machine
        wheels = ", ".join(f"{name} {version}" for name, version in facts.wheels if version)
        rows = [
            f"lepton-edge {__version__} doctor, {self.side} side",
            f"{facts.system}, {facts.architecture}, Python {'.'.join(map(str, facts.python))} ({facts.bits} bits)",
            wheels,
            *(f"{SIGNS[one.level]} {one.check}: {one.said}" for one in _sorted(self.findings)),
        ]
        return "\n".join(["```", *(published(row, self.names) for row in rows), "```"])


def published(text: str, names: Sequence[str] = ()) -> str:
    """Return `text` without what is nobody else's business; of `names` each gets a number instead."""
    text = SECRET.sub("[removed]", text)
    home = str(Path.home())
    text = text.replace(home, "~") if len(home) > 1 else text
    text = HOST.sub("[host]", PUBLIC_ADDRESS.sub("[address]", HOMES.sub("~", text)))
    for number, name in enumerate(dict.fromkeys(names), 1):
        if name not in PLAIN:
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", f"[name {number}]", text)
    return text


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings, the worst first, otherwise in the order in which they were looked at."""
    worst = list(reversed(Level))
    return sorted(findings, key=lambda one: worst.index(one.level))

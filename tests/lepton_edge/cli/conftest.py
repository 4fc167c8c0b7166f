"""The command line on a mock transport: what it asks, what it prints, how it exits."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from lepton_edge.cli import connect
from lepton_edge.cli.main import app
from lepton_edge.client import Client, MockTransport
from lepton_edge.core.errors import UnknownModel
from lepton_edge.core.frames import Frame
from lepton_edge.core.messages import AdminCall, AdminEvent, Document


def _refuse(frame: Frame) -> Frame:
    raise UnknownModel(f"no model {frame.model!r}", "push it")


@dataclass
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What it printed with --format json."""
        return json.loads(self.out)


@dataclass
class CommandLine:
    """Runs commands against `answer` (frames) and `events` (admin calls)."""

    answer: Callable[[Frame], Frame] = _refuse
    events: list[AdminEvent] = field(default_factory=list)
    addresses: list[str | None] = field(default_factory=list)
    transports: list[MockTransport] = field(default_factory=list)

    def tell(self, schema: str, /, **document: Any) -> None:
        """End the next admin calls with this document."""
        self.events.append(Document(f"lepton-edge/{schema}/1", json.dumps(document)))

    def client(self, address: str | None) -> Client:
        """Stand in for `Client`."""

        def admin(calls: list[AdminCall]) -> Iterable[AdminEvent]:
            return self.events

        self.addresses.append(address)
        self.transports.append(MockTransport(lambda frame: self.answer(frame), admin))
        return Client(transport=self.transports[-1])

    @property
    def calls(self) -> list[AdminCall]:
        """Every admin call so far."""
        return [call for transport in self.transports for call in transport.calls]

    @property
    def frames(self) -> list[Frame]:
        """Every frame so far."""
        return [frame for transport in self.transports for frame in transport.frames]

    def run(self, *words: str, **environment: str) -> Said:
        """Run `lepton-edge WORDS`."""
        result = CliRunner().invoke(app, list(words), env={"LEPTON_EDGE_COORDINATOR": "", **environment})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLine]:
    """A command line; logs go where they went before once it is over."""
    found = CommandLine()
    monkeypatch.setattr(connect, "make_client", found.client)
    mask = os.umask(0o022)  # a coordinator that starts keeps its files to itself
    yield found
    os.umask(mask)
    structlog.reset_defaults()

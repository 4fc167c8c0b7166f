"""A port that was asked for by name is had or refused; of a usual one, what came of it is said."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lepton_edge.core.errors import PortInUse
from lepton_edge.wire import occupied


@dataclass
class Config:
    """What `refuse_taken` needs of a configuration."""

    port: int
    metrics_port: int = 0
    bind: str = "127.0.0.1"
    metrics_bind: str = "127.0.0.1"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_refused_where_it_was_asked_for(taken: int) -> None:
    with pytest.raises(
        PortInUse, match=rf"--port: port {taken} is taken by .* \(process {os.getpid()}\)"
    ) as told:
        occupied.refuse_taken({"port": str(taken)}, Config(taken))
    assert "leave --port out" in told.value.hint
    with pytest.raises(PortInUse, match="--metrics-port"):
        occupied.refuse_taken({"metrics_port": taken}, Config(0, taken))
    occupied.refuse_taken({}, Config(taken, taken))


def test_any_port_and_none_are_never_taken() -> None:
    occupied.refuse_taken({"port": 0, "metrics_port": "off"}, Config(0, -1))


def test_where_it_listens_instead_is_said(taken: int) -> None:
    said = occupied.moved(taken, "127.0.0.1:9999")
    assert said.startswith(f"port {taken} is taken by ")
    assert said.endswith(f"(process {os.getpid()}): listening on 9999")
    assert occupied.moved(taken, f"[::1]:{taken}") == ""
    assert occupied.moved(0, "127.0.0.1:9999") == ""


def test_who_may_not_be_known_is_left_out(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    def refused(kind: str) -> None:
        raise occupied.psutil.AccessDenied

    monkeypatch.setattr(occupied.psutil, "net_connections", refused)
    assert occupied.moved(taken, "127.0.0.1:1") == f"port {taken} is taken: listening on 1"

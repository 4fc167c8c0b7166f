"""Tokens and certificates survive a restart, and yesterday's state gets room for them."""

from __future__ import annotations

import dataclasses
import sqlite3
from pathlib import Path

import pytest

from lepton_edge.coordinator.late import LATE
from lepton_edge.coordinator.members import Certificate, Joining
from lepton_edge.coordinator.store import MIGRATIONS, Store
from lepton_edge.coordinator.vault import Held, Vault
from lepton_edge.core.errors import ServiceError
from lepton_edge.security import tokens

NOW = 1_000_000.0


def certificate(serial: str, expires: float = NOW + 99) -> Certificate:
    return Certificate(serial, "agent", "pi", "k", NOW, expires, "m", ("net",))  # type: ignore[arg-type]


def test_what_is_kept_comes_back_and_what_has_expired_does_not(tmp_path: Path) -> None:
    store = Store(tmp_path)
    vault = Vault(store)
    _, token = tokens.create("a" * 64, NOW, 60.0, 2)  # type: ignore[arg-type]
    waits = Joining("pi", "agent", "k", "m", "request", token.id, NOW)  # type: ignore[arg-type]
    vault.let_in(token, certificate("1"), None)
    vault.let_in(token, None, waits)
    ended = certificate("3", NOW - 1)
    vault.keep_certificates(
        certificate("2", NOW - LATE - 1), dataclasses.replace(ended, role="client"), ended
    )
    store.close()
    store = Store(tmp_path)
    assert Vault(store).load(NOW) == Held((token,), (ended, certificate("1")), (waits,))  # type: ignore[arg-type]
    assert Vault(store).load(NOW + 1e6 + LATE).certificates == ()  # type: ignore[arg-type]
    store.close()


def test_yesterdays_state_opens(tmp_path: Path) -> None:
    rows = sqlite3.connect(tmp_path / "coordinator.db")
    for script in MIGRATIONS[:3]:
        rows.executescript(script)
    rows.execute("INSERT INTO models VALUES ('net', 'v1', ?)", ('{"name":"net","version":"v1","weights":7}',))
    rows.execute("PRAGMA user_version = 3")
    rows.commit()
    rows.close()
    store = Store(tmp_path)
    assert Vault(store).load(NOW) == Held()  # type: ignore[arg-type]
    assert store.load().models[0].name == "net"
    Vault(store).keep_certificates(certificate("1"))
    store.close()


def test_a_join_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    vault = Vault(store)
    _, token = tokens.create("a" * 64, NOW, 60.0, 2)  # type: ignore[arg-type]
    store.execute("DROP TABLE certificates")
    with pytest.raises(ServiceError):
        vault.let_in(token, certificate("1"), None)
    assert store.query("SELECT * FROM tokens") == []
    store.close()

"""What of tokens and certificates survives a kill -9: rows of the coordinator's store.

Law: reads and writes, decides nothing; runs in the store's thread. No secret is here: of a token its hash, of a
certificate who has it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from lepton_edge.coordinator.late import LATE, matters
from lepton_edge.coordinator.members import Certificate, Joining
from lepton_edge.coordinator.store import Store
from lepton_edge.security.tokens import TokenRecord
from partitioner.nouns_json import from_json, to_json
from partitioner.units import Seconds


@dataclass(frozen=True)
class Held:
    """Everything that is kept."""

    tokens: tuple[TokenRecord, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    joining: tuple[Joining, ...] = ()


class Vault:
    """The tables `tokens`, `certificates` and `joining`. Errors are the store's."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def load(self, now: Seconds) -> Held:
        """Return what still matters at `now`, and forget the rest."""
        self._store.execute("DELETE FROM tokens WHERE expires <= ?", now)
        self._store.execute("DELETE FROM certificates WHERE expires <= ?", now - LATE)
        read = self._store.query
        return Held(
            tuple(_noun(TokenRecord, text) for (text,) in read("SELECT record FROM tokens ORDER BY expires")),
            tuple(one for one in self._certificates() if matters(one, now)),
            tuple(_noun(Joining, text) for (text,) in read("SELECT record FROM joining ORDER BY at")),
        )

    def _certificates(self) -> list[Certificate]:
        rows = self._store.query("SELECT record FROM certificates ORDER BY expires")
        return [_noun(Certificate, text) for (text,) in rows]

    def keep_token(self, record: TokenRecord) -> None:
        """Remember a token as it is now."""
        self._store.execute(
            "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?)", record.id, record.expires, _text(record)
        )

    def keep_certificates(self, *records: Certificate) -> None:
        """Remember certificates as they are now: all of them, or none."""
        with self._store.together():
            for one in records:
                self._store.execute(
                    "INSERT OR REPLACE INTO certificates VALUES (?, ?, ?)",
                    one.serial,
                    one.expires,
                    _text(one),
                )

    def keep_joining(self, record: Joining) -> None:
        """Remember somebody who waits."""
        self._store.execute(
            "INSERT OR REPLACE INTO joining VALUES (?, ?, ?)", record.name, record.at, _text(record)
        )

    def forget_joining(self, name: str) -> None:
        """Forget somebody who waited."""
        self._store.execute("DELETE FROM joining WHERE name = ?", name)

    def let_in(self, token: TokenRecord, certificate: Certificate | None, waits: Joining | None) -> None:
        """Remember what a join came to, as a whole: the token's use, and a certificate or who waits for one."""
        with self._store.together():
            self.keep_token(token)
            if certificate is not None:
                self.keep_certificates(certificate)
                self.forget_joining(certificate.name)
            if waits is not None:
                self.keep_joining(waits)


def _text(noun: Any) -> str:
    return json.dumps(to_json(noun), separators=(",", ":"))


def _noun(kind: type[Any], text: str) -> Any:
    return from_json(kind, json.loads(text))

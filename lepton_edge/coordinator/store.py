"""What survives a kill -9: devices, models, profiles, links, books and epochs, in SQLite (WAL).

Law: the only importer of sqlite3 but for `backup.py`. One transaction a call, or one of all calls `together`, synced
before it returns; one thread at a time.
Nouns are kept as JSON by their field names (`partitioner.nouns_json`), so that yesterday's rows stay
readable; the tables have a version (`PRAGMA user_version`) and `MIGRATIONS` bring an older file up to date. A
full disk is `StorageFull`, and nothing is half written.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lepton_edge.coordinator import beside
from lepton_edge.coordinator.limits import MAX_ENDED_EPOCHS
from lepton_edge.coordinator.records import (
    ACTIVE,
    DRAINING,
    FAILED,
    OVER,
    READY,
    RETIRED,
    UNDECIDED,
    Beside,
    EpochKey,
    EpochRecord,
    ModelRecord,
    ProfileRecord,
)
from lepton_edge.core.changes import PENDING, Change
from lepton_edge.core.errors import AlreadyExists, IncompatibleVersion, ServiceError, StorageFull
from lepton_edge.core.messages import Hello, ShowEvents
from partitioner.costs import LinkProfile
from partitioner.nouns_json import from_json, to_json
from partitioner.plan import WeightRef
from partitioner.units import Bytes, DeviceId, ModelName, ModelVersion, Sha256

MAX_CHANGES = 10_000
MAX_SHOWN = 1000  # changes of one document: it must fit into one message

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE devices (device TEXT PRIMARY KEY, hello TEXT NOT NULL);
CREATE TABLE models (name TEXT PRIMARY KEY, version TEXT NOT NULL, record TEXT NOT NULL);
CREATE TABLE weights (sha256 TEXT, model TEXT, version TEXT, start INTEGER, length INTEGER,
    PRIMARY KEY (sha256, model, version));
CREATE TABLE profiles (model TEXT, version TEXT, device TEXT, record TEXT NOT NULL,
    PRIMARY KEY (model, version, device));
CREATE TABLE links (device TEXT, peer TEXT, link TEXT NOT NULL, PRIMARY KEY (device, peer));
CREATE TABLE epochs (model TEXT, epoch INTEGER, state TEXT NOT NULL, record TEXT NOT NULL,
    PRIMARY KEY (model, epoch));
"""
CHANGES = """
CREATE TABLE changes (serial INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, model TEXT NOT NULL,
    device TEXT NOT NULL, open INTEGER NOT NULL, record TEXT NOT NULL);
"""
BESIDE = """
CREATE TABLE beside (model TEXT, board TEXT, record TEXT NOT NULL, PRIMARY KEY (model, board));
"""
KEYS = """
CREATE TABLE tokens (id TEXT PRIMARY KEY, expires REAL NOT NULL, record TEXT NOT NULL);
CREATE TABLE certificates (serial TEXT PRIMARY KEY, expires REAL NOT NULL, record TEXT NOT NULL);
CREATE TABLE joining (name TEXT PRIMARY KEY, at REAL NOT NULL, record TEXT NOT NULL);
"""
MIGRATIONS: tuple[str, ...] = (TABLES, CHANGES, BESIDE, KEYS)
"""Script i brings tables of version i to version i + 1; scripts are only ever added at the end."""


@dataclass(frozen=True)
class Remembered:
    """Everything that a store holds, as nouns."""

    devices: tuple[Hello, ...]
    models: tuple[ModelRecord, ...]
    profiles: tuple[tuple[ModelName, ModelVersion, ProfileRecord], ...]
    links: tuple[tuple[DeviceId, DeviceId, LinkProfile], ...]
    epochs: tuple[EpochRecord, ...]
    serial: int = 0  # the last change's
    open: tuple[Change, ...] = ()  # changes whose verdict was pending
    drained: tuple[DeviceId, ...] = ()
    beside: tuple[Beside, ...] = ()


@dataclass(frozen=True)
class WeightPlace:
    """Where the bytes of one weight tensor lie: in the weights blob of a model version."""

    model: ModelName
    version: ModelVersion
    offset: Bytes
    length: Bytes


class Store:
    """The state of one coordinator in one directory, held by one process at a time.

    Raises AlreadyExists when another coordinator holds the directory, IncompatibleVersion when a newer one
    wrote it, StorageFull when the disk is full; other failures of the disk or the file are ServiceError.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with _typed(directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # samples are in it
        self._lock = _take_lock(directory)
        with _typed(directory):
            self._rows = sqlite3.connect(
                directory / "coordinator.db", isolation_level=None, check_same_thread=False
            )
            self._rows.execute("PRAGMA journal_mode=WAL")
            self._rows.execute("PRAGMA synchronous=FULL")
        self._migrate()

    def close(self) -> None:
        """Let go of the directory."""
        self._rows.close()
        self._lock.close()

    def begin_term(self) -> int:
        """Count one more start of a coordinator on this state, and return the count."""
        with self._transaction() as rows:
            found = rows.execute("SELECT value FROM meta WHERE key = 'term'").fetchone()
            term = int(found[0]) + 1 if found else 1
            rows.execute("INSERT OR REPLACE INTO meta VALUES ('term', ?)", (str(term),))
        return term

    def raise_term(self, term: int) -> None:
        """Remember a term that another coordinator on a copy of this state has: the next one here is above it."""
        with self._transaction() as rows:
            found = rows.execute("SELECT value FROM meta WHERE key = 'term'").fetchone()
            highest = max(term, int(found[0]) if found else 0)
            rows.execute("INSERT OR REPLACE INTO meta VALUES ('term', ?)", (str(highest),))

    def identity(self) -> str:
        """Return the random name of this state, which a copy of it shares; made at the first start."""
        with self._transaction() as rows:
            rows.execute("INSERT OR IGNORE INTO meta VALUES ('identity', ?)", (secrets.token_hex(16),))
            (found,) = rows.execute("SELECT value FROM meta WHERE key = 'identity'").fetchone()
        return str(found)

    def keep_device(self, hello: Hello) -> None:
        """Remember what a device said of itself."""
        self.execute("INSERT OR REPLACE INTO devices VALUES (?, ?)", hello.device, _text(hello))

    def keep_model(self, record: ModelRecord) -> None:
        """Remember which version a model's name means."""
        self.execute(
            "INSERT OR REPLACE INTO models VALUES (?, ?, ?)", record.name, record.version, _text(record)
        )

    def keep_weights(self, model: ModelName, version: ModelVersion, weights: tuple[WeightRef, ...]) -> None:
        """Remember where each weight tensor of a model version lies in its blob."""
        with self._transaction() as rows:
            rows.executemany(
                "INSERT OR REPLACE INTO weights VALUES (?, ?, ?, ?, ?)",
                [(ref.sha256, model, version, ref.offset, ref.length) for ref in weights],
            )

    def forget_device(self, device: DeviceId) -> None:
        """Forget a device, what was measured on it, and its links."""
        with self._transaction() as rows:
            rows.execute("DELETE FROM devices WHERE device = ?", (device,))
            rows.execute("DELETE FROM profiles WHERE device = ?", (device,))
            rows.execute("DELETE FROM links WHERE device = ? OR peer = ?", (device, device))

    def keep_drained(self, devices: tuple[DeviceId, ...]) -> None:
        """Remember which devices are to run nothing."""
        self.execute("INSERT OR REPLACE INTO meta VALUES ('drained', ?)", json.dumps(devices))

    def forget_model(self, name: ModelName) -> None:
        """Forget a model, its profiles and its weights; its epochs stay as tombstones."""
        with self._transaction() as rows:
            rows.execute("DELETE FROM models WHERE name = ?", (name,))
            rows.execute("DELETE FROM profiles WHERE model = ?", (name,))

    def forget_version(self, model: ModelName, version: ModelVersion) -> None:
        """Forget where the weights of a model version lay; its files are gone."""
        self.execute("DELETE FROM weights WHERE model = ? AND version = ?", model, version)

    def keep_profile(self, model: ModelName, version: ModelVersion, record: ProfileRecord) -> None:
        """Remember a measurement of a model on a device."""
        row = (model, version, record.profile.device, _text(record))
        self.execute("INSERT OR REPLACE INTO profiles VALUES (?, ?, ?, ?)", *row)

    def keep_link(self, device: DeviceId, peer: DeviceId, link: LinkProfile) -> None:
        """Remember a measurement of the link from `device` to `peer`."""
        self.execute("INSERT OR REPLACE INTO links VALUES (?, ?, ?)", device, peer, _text(link))

    def keep_epoch(self, record: EpochRecord) -> None:
        """Remember an epoch in its present state; of ended epochs only the newest are remembered."""
        with self._transaction() as rows:
            row = (record.model, record.epoch, record.state, _text(record))
            rows.execute("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?, ?)", row)
            rows.execute(
                "DELETE FROM epochs WHERE model = ?1 AND state IN (?2, ?3) AND epoch NOT IN (SELECT epoch"
                " FROM epochs WHERE model = ?1 AND state IN (?2, ?3) ORDER BY epoch DESC LIMIT ?4)",
                (record.model, RETIRED, FAILED, MAX_ENDED_EPOCHS),
            )

    def keep_beside(self, record: Beside) -> None:
        """Remember what is prepared beside an active epoch, or that nothing is."""
        if record.tried is None and record.before is None:
            self.execute("DELETE FROM beside WHERE model = ? AND board = ?", record.model, record.board)
        else:
            row = (record.model, record.board, _text(record))
            self.execute("INSERT OR REPLACE INTO beside VALUES (?, ?, ?)", *row)

    def keep_changes(self, changes: Sequence[Change]) -> None:
        """Remember changes, or what is new of them; of all, only the newest are remembered."""
        rows = [
            (one.serial, one.at, one.kind, one.model, one.device, one.verdict == PENDING, _text(one))
            for one in changes
        ]
        with self._transaction() as opened:
            opened.executemany("INSERT OR REPLACE INTO changes VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            opened.execute(
                "DELETE FROM changes WHERE serial <= (SELECT max(serial) FROM changes) - ?", (MAX_CHANGES,)
            )

    def changes(self, asked: ShowEvents, now: float, most: int = MAX_SHOWN) -> tuple[Change, ...]:
        """Return what is remembered of what was asked for, oldest first: the newest `most`; `now` since 1970."""
        after = now - asked.age if asked.age > 0 else 0.0
        query = (
            "SELECT record FROM changes WHERE serial > ? AND at >= ? AND ? IN ('', model) AND ? IN ('', device)"
            " AND ? IN ('', kind) ORDER BY serial DESC LIMIT ?"
        )
        wanted = (asked.since, after, asked.model, asked.device, asked.kind, most)
        with _typed(self._directory):
            found = self._rows.execute(query, wanted).fetchall()
        return tuple(_noun(Change, text) for (text,) in reversed(found))

    def find_weight(self, sha256: Sha256) -> WeightPlace | None:
        """Return where a weight tensor's bytes lie, or None."""
        query = "SELECT model, version, start, length FROM weights WHERE sha256 = ?"
        with _typed(self._directory):
            found = self._rows.execute(query, (sha256,)).fetchone()
        return WeightPlace(*found) if found else None

    def load(self) -> Remembered:
        """Return everything; epochs that a restart found undecided are FAILED, ending ones RETIRED.

        What is prepared beside an active epoch stays so.
        """
        with _typed(self._directory):
            read = self._rows.execute
            profiles = read("SELECT model, version, record FROM profiles").fetchall()
            links = read("SELECT device, peer, link FROM links").fetchall()
            epochs = [
                _noun(EpochRecord, text)
                for (text,) in read("SELECT record FROM epochs ORDER BY model, epoch")
            ]
            devices = [_noun(Hello, text) for (text,) in read("SELECT hello FROM devices ORDER BY device")]
            besides = tuple(_noun(Beside, text) for (text,) in read("SELECT record FROM beside"))
            prepared = beside.keys(besides)
            epochs = _with_boards(epochs, {hello.device for hello in devices if hello.role == "board"})
            return Remembered(
                tuple(devices),
                tuple(
                    _noun(ModelRecord, text) for (text,) in read("SELECT record FROM models ORDER BY name")
                ),
                tuple((model, version, _noun(ProfileRecord, text)) for model, version, text in profiles),
                tuple((device, peer, _noun(LinkProfile, text)) for device, peer, text in links),
                tuple(after_restart(record, epochs, prepared) for record in epochs),
                read("SELECT coalesce(max(serial), 0) FROM changes").fetchone()[0],
                tuple(_noun(Change, text) for (text,) in read("SELECT record FROM changes WHERE open")),
                self._drained(),
                besides,
            )

    def _drained(self) -> tuple[DeviceId, ...]:
        found = self._rows.execute("SELECT value FROM meta WHERE key = 'drained'").fetchone()
        return tuple(DeviceId(name) for name in json.loads(found[0])) if found else ()

    def execute(self, statement: str, *values: Any) -> None:
        """Change rows, in a transaction of its own or that of `together`."""
        with self._transaction() as rows:
            rows.execute(statement, values)

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return rows."""
        with _typed(self._directory):
            return self._rows.execute(statement, values).fetchall()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of all that is kept meanwhile: it is written as a whole, or nothing of it."""
        with self._transaction():
            yield

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._rows.in_transaction:  # of `together`, which ends it
            yield self._rows
            return
        with _typed(self._directory):
            self._rows.execute("BEGIN IMMEDIATE")
            try:
                yield self._rows
                self._rows.execute("COMMIT")
            finally:
                if self._rows.in_transaction:  # neither committed nor rolled back: something failed
                    self._rows.execute("ROLLBACK")

    def _migrate(self) -> None:
        with _typed(self._directory):
            (version,) = self._rows.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise IncompatibleVersion(
                f"{self._directory} was written by a newer coordinator (tables of version {version})",
                "install that version of lepton-edge again, or use another --state-directory",
            )
        for number in range(version, len(MIGRATIONS)):
            with self._transaction() as rows:
                for statement in MIGRATIONS[number].split(";"):
                    rows.execute(statement)
                rows.execute(f"PRAGMA user_version = {number + 1}")


def _take_lock(directory: Path) -> sqlite3.Connection:
    """Hold the directory for this process; the system lets go of it however the process ends."""
    try:
        lock = sqlite3.connect(
            directory / "lock.db", timeout=0, isolation_level=None, check_same_thread=False
        )
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise _translated(error, directory) from error
        raise AlreadyExists(
            f"another coordinator uses the state directory {directory}",
            "stop it, or give this one another --state-directory",
        ) from error
    return lock


@contextmanager
def _typed(directory: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise _translated(error, directory) from error


def _translated(error: Exception, directory: Path) -> ServiceError:
    if "full" in str(error) or getattr(error, "errno", None) in (28, 122, 27):  # ENOSPC, EDQUOT, EFBIG
        return StorageFull(f"no space is left for the coordinator's state in {directory}", "free some space")
    return ServiceError(f"the coordinator's state in {directory} cannot be used: {error}", "look at the disk")


def _with_boards(records: list[EpochRecord], boards: set[DeviceId]) -> list[EpochRecord]:
    """Name the board of epochs that were written down when a model had one active epoch, whatever its board."""
    return [dataclasses.replace(record, board=record.board or _first(record, boards)) for record in records]


def _first(record: EpochRecord, boards: set[DeviceId]) -> DeviceId:
    return next((hold.device for hold in record.holds if hold.device in boards), DeviceId(""))


def after_restart(
    record: EpochRecord, epochs: list[EpochRecord], prepared: Collection[EpochKey] = ()
) -> EpochRecord:
    """Return an epoch as a restart leaves it: undecided ones are FAILED, ending and replaced ones RETIRED.

    Those that are `prepared` beside an active one stay READY.
    """
    if record.state == READY and record.key in prepared:
        return record
    if record.state in UNDECIDED:
        reason = "the coordinator was restarted before this epoch was active"
        return dataclasses.replace(record, state=FAILED, book=None, ready=(), document="", reason=reason)
    if record.state == DRAINING or (record.state == ACTIVE and _is_replaced(record, epochs)):
        return dataclasses.replace(record, state=RETIRED, book=None)
    assert record.state == ACTIVE or record.state in OVER
    return record


def _is_replaced(record: EpochRecord, epochs: list[EpochRecord]) -> bool:
    """Return whether a newer epoch of the same model serves the same board."""
    newer = (one for one in epochs if one.state == ACTIVE and one.epoch > record.epoch)
    return any((one.model, one.board) == (record.model, record.board) for one in newer)


def _text(noun: Any) -> str:
    return json.dumps(to_json(noun), separators=(",", ":"))


def _noun(kind: type[Any], text: str) -> Any:
    return from_json(kind, json.loads(text))

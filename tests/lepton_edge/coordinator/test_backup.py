"""A state that is saved while a coordinator writes to it, and comes back as it was; nothing else comes back."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import sqlite3
import stat
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lepton_edge.coordinator import backup
from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.gate import Gate, Terms
from lepton_edge.coordinator.store import Store
from lepton_edge.coordinator.vault import Held, Vault
from lepton_edge.core.errors import AlreadyExists, IncompatibleVersion, InvalidInput, NotFound, Unavailable
from lepton_edge.core.identity import Identity, Role
from lepton_edge.core.joining import JoinRequest
from lepton_edge.security import certificates
from lepton_edge.wire.rpc import PeerContext
from partitioner.units import Seconds
from tests.lepton_edge.coordinator.conftest import hello, model


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state with a model, an artifact and a key; its coordinator is running."""
    directory = tmp_path / "state"
    Artifacts(directory).prepare()
    for name, content in {
        "models/net/v1/model.json": "{}",
        "artifacts/ab/abc": "block",
        "security/ca.pem": "s3cret of mine",
    }.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content)
    return directory


def test_it_is_saved_while_it_is_in_use_and_comes_back(state: Path, tmp_path: Path) -> None:
    running = Store(state)
    running.keep_device(hello("pi"))
    running.keep_model(model())
    made = backup.save(state, tmp_path / "saved")
    assert (made.files, made.secrets) == (3, False)
    running.keep_device(hello("later"))
    running.close()
    assert stat.S_IMODE((tmp_path / "saved").stat().st_mode) == 0o600

    assert backup.restore(tmp_path / "saved", tmp_path / "again") == made
    found = Store(tmp_path / "again")
    assert [one.device for one in found.load().devices] == ["pi"]
    assert [one.name for one in found.load().models] == ["net"]
    found.close()
    assert (tmp_path / "again/artifacts/ab/abc").read_text() == "block"
    assert not (tmp_path / "again/security").exists()
    assert [path.name for path in (tmp_path / "again").glob("restore-*")] == []


def test_keys_are_in_it_only_when_they_are_asked_for(state: Path, tmp_path: Path) -> None:
    Store(state).close()
    backup.save(state, tmp_path / "plain")
    assert b"s3cret of mine" not in (tmp_path / "plain").read_bytes()
    assert backup.save(state, tmp_path / "full", secrets=True).secrets
    backup.restore(tmp_path / "full", tmp_path / "again")
    assert (tmp_path / "again/security/ca.pem").read_text() == "s3cret of mine"
    assert stat.S_IMODE((tmp_path / "again/security/ca.pem").stat().st_mode) == 0o600


def test_what_cannot_be_saved_is_said_and_leaves_nothing(state: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        backup.save(tmp_path / "nowhere", tmp_path / "saved")
    running = Store(state)
    running.keep_model(model("gone"))
    running.close()
    with pytest.raises(Unavailable, match="gone was changed"):
        backup.save(state, tmp_path / "saved")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state"]
    (tmp_path / "saved").write_text("mine")
    with pytest.raises(AlreadyExists):
        backup.save(state, tmp_path / "saved")
    assert (tmp_path / "saved").read_text() == "mine"


def rewritten(source: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Write a backup anew with other content."""
    with tarfile.open(source) as archive:
        held = {one.name: archive.extractfile(one).read() for one in archive}  # type: ignore[union-attr]
    change(held)
    with tarfile.open(source, "w") as archive:
        for name, content in held.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def _tamper(held: dict[str, bytes]) -> None:
    held["artifacts/ab/abc"] = b"other"


def _climb(held: dict[str, bytes]) -> None:
    held["models/../../evil"] = b"x"


def _scribble(held: dict[str, bytes]) -> None:
    """Have rows that are none, as its list says they are."""
    held["coordinator.db"] = b"no rows" * 1000
    about = json.loads(held["backup.json"])
    about["files"]["coordinator.db"] = {
        "size": 7000,
        "sha256": hashlib.sha256(held["coordinator.db"]).hexdigest(),
    }
    held["backup.json"] = json.dumps(about).encode()


def _lack(held: dict[str, bytes]) -> None:
    del held["coordinator.db"]


def _list(held: dict[str, bytes]) -> None:
    held["backup.json"] = b"[1]"


def _conceal(held: dict[str, bytes]) -> None:
    about = json.loads(held["backup.json"])
    del about["secrets"]
    held["backup.json"] = json.dumps(about).encode()


_CHANGES = [_tamper, _climb, _lack, _scribble, _list, _conceal, lambda held: held.pop("backup.json")]


@pytest.mark.parametrize("change", _CHANGES)
def test_a_damaged_backup_is_refused_and_nothing_is_put_in_place(
    state: Path, tmp_path: Path, change: Any
) -> None:
    Store(state).close()
    backup.save(state, tmp_path / "saved")
    rewritten(tmp_path / "saved", change)
    with pytest.raises(InvalidInput, match="no backup, or damaged"):
        backup.restore(tmp_path / "saved", tmp_path / "again")
    assert list((tmp_path / "again").iterdir()) == []
    assert not (tmp_path / "evil").exists()


def test_links_and_what_is_no_archive_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "link", "w") as archive:
        entry = tarfile.TarInfo("models/x")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    (tmp_path / "text").write_text("hello")
    for name in ("link", "text"):
        with pytest.raises(InvalidInput):
            backup.restore(tmp_path / name, tmp_path / "again")
    with pytest.raises(NotFound):
        backup.restore(tmp_path / "none", tmp_path / "again")


def test_a_file_of_holes_is_refused_before_it_is_written(tmp_path: Path, monkeypatch: Any) -> None:
    made, size = tmp_path / "bomb.tar", 1 << 40
    name, told = "models/m/1/weights.bin", f"1\n{size}\n0\n".encode().ljust(512, b"\0")
    with tarfile.open(made, "w", format=tarfile.PAX_FORMAT) as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(told)
        sparse = {"major": "1", "minor": "0", "name": name, "realsize": str(size)}
        entry.pax_headers = {f"GNU.sparse.{key}": value for key, value in sparse.items()}
        archive.addfile(entry, io.BytesIO(told))
    monkeypatch.setattr(backup, "_unpacked", lambda *_: pytest.fail("it was written"))
    with pytest.raises(InvalidInput, match="does not belong there"):
        backup.restore(made, tmp_path / "new")


def test_one_that_is_nested_too_deep_is_refused(tmp_path: Path) -> None:
    made, told = tmp_path / "deep.tar", b"[" * 200_000
    with tarfile.open(made, "w") as archive:
        entry = tarfile.TarInfo(backup.ABOUT)
        entry.size = len(told)
        archive.addfile(entry, io.BytesIO(told))
    with pytest.raises(InvalidInput, match="no backup"):
        backup.restore(made, tmp_path / "new")


def test_one_of_a_newer_release_is_named_and_a_state_is_never_written_over(
    state: Path, tmp_path: Path
) -> None:
    Store(state).close()
    backup.save(state, tmp_path / "saved")
    with pytest.raises(AlreadyExists, match="holds a coordinator's state"):
        backup.restore(tmp_path / "saved", state)

    def newer(held: dict[str, bytes]) -> None:
        held["backup.json"] = json.dumps(
            {**json.loads(held["backup.json"]), "format": 99, "software": "9.0"}
        ).encode()

    rewritten(tmp_path / "saved", newer)
    with pytest.raises(IncompatibleVersion, match="lepton-edge 9.0"):
        backup.restore(tmp_path / "saved", tmp_path / "again")


def joined(directory: Path) -> tuple[Store, Gate]:
    """A running coordinator's store and gate on `directory`."""
    store = Store(directory)

    async def on_disk(function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    return store, Gate(directory, Vault(store), on_disk, Terms())


async def let_in(gate: Gate, name: str, machine: str = "aa") -> Identity:
    token = await gate.make_token(60.0, 1, Role.AGENT)  # type: ignore[arg-type]
    asked = certificates.request(certificates.new_key(), name)
    given = await gate.join(
        JoinRequest(token.id, token.secret, asked, name, machine), PeerContext("10.0.0.9:1")
    )
    return certificates.read(given.certificate).identity


async def saved_before_one_is_revoked(state: Path, target: Path) -> dict[str, Identity]:
    """Save a state in which "early" is revoked and "late" is not; then revoke it, too, and let "newest" in."""
    store, gate = joined(state)
    who = {name: await let_in(gate, name) for name in ("early", "late", "good")}
    await gate.revoke(Role.AGENT, "early")
    backup.save(state, target, secrets=True)
    await gate.revoke(Role.AGENT, "late")
    who["newest"] = await let_in(gate, "newest")
    store.close()
    return who


async def test_who_was_revoked_after_a_backup_stays_so_where_the_later_state_is_there(
    state: Path, tmp_path: Path
) -> None:
    who = await saved_before_one_is_revoked(state, tmp_path / "saved")
    serials = {name: f"{one.serial:x}" for name, one in who.items()}
    for later, revoked in ((None, {"early"}), (state, {"early", "late"})):
        again = tmp_path / f"again-{later is None}"
        assert backup.restore(tmp_path / "saved", again, revoked_from=later).secrets
        assert set(backup.shut_out(again)) == revoked
        store, gate = joined(again)
        assert set(gate.revoked()) == {serials[name] for name in revoked}
        assert (serials["newest"] in gate.certificates) == (later is not None)
        store.close()


async def test_an_earlier_state_revives_nobody(state: Path, tmp_path: Path) -> None:
    await saved_before_one_is_revoked(state, tmp_path / "early")
    backup.save(state, tmp_path / "late", secrets=True)
    backup.restore(tmp_path / "early", tmp_path / "one")
    backup.restore(tmp_path / "late", tmp_path / "two", revoked_from=tmp_path / "one")
    assert backup.shut_out(tmp_path / "two") == ("early", "late")


async def test_who_joined_after_a_backup_is_remembered_when_it_comes_and_can_be_revoked(
    state: Path, tmp_path: Path
) -> None:
    who = await saved_before_one_is_revoked(state, tmp_path / "saved")
    backup.restore(tmp_path / "saved", tmp_path / "again")
    store, gate = joined(tmp_path / "again")
    assert await gate.revoke(Role.AGENT, "newest") == ()
    newest = dataclasses.replace(hello("newest"), machine="aa")
    await gate.check_agent(newest, PeerContext("10.0.0.9:1", who["newest"], sealed=True))
    assert await gate.revoke(Role.AGENT, "newest") == (f"{who['newest'].serial:x}",)
    store.close()


async def test_without_its_keys_nobody_is_believed_any_more(state: Path, tmp_path: Path) -> None:
    await saved_before_one_is_revoked(state, tmp_path / "saved")
    assert not backup.restore(tmp_path / "saved", tmp_path / "again", secrets=False).secrets
    assert not (tmp_path / "again/security").exists()
    store = Store(tmp_path / "again")
    assert Vault(store).load(Seconds(0.0)) == Held(), "a token that was revoked since would count again"
    store.close()


@pytest.mark.parametrize("since", [0, 1, 40])
def test_what_is_restored_commands_whatever_was_started_since(
    state: Path, tmp_path: Path, since: int
) -> None:
    """Else agents obey the coordinator that is gone for good: they keep the highest term that they met."""
    running = Store(state)
    running.begin_term()
    backup.save(state, tmp_path / "saved")
    lost = max((running.begin_term() for _ in range(since)), default=1)
    running.close()
    for again in ("one", "two"):
        backup.restore(tmp_path / "saved", tmp_path / again)
        store = Store(tmp_path / again)
        begun = store.begin_term()
        store.close()
        assert begun > lost
        assert begun < 2**53, "it goes through JSON"


def test_a_later_state_that_cannot_be_read_is_said_and_nothing_is_put_in_place(
    state: Path, tmp_path: Path
) -> None:
    Store(state).close()
    backup.save(state, tmp_path / "saved", secrets=True)
    (tmp_path / "broken").mkdir()
    for wrong, kind in ((tmp_path / "nowhere", NotFound), (tmp_path / "broken", InvalidInput)):
        (tmp_path / "broken" / backup.ROWS).write_bytes(b"no rows" * 1000)
        with pytest.raises(kind):
            backup.restore(tmp_path / "saved", tmp_path / "again", revoked_from=wrong)
        assert not (tmp_path / "again" / backup.ROWS).exists()


@pytest.mark.parametrize("secrets", [False, True])
def test_a_backup_of_an_older_releases_state_comes_back(tmp_path: Path, secrets: bool) -> None:
    old = tmp_path / "old"
    (old / "security").mkdir(parents=True)
    (old / "models" / "small" / "a0d46ab1620ef6ff").mkdir(parents=True)
    (old / "models" / "small" / "a0d46ab1620ef6ff" / "model.json").write_text("{}")
    dump = Path(__file__).with_name("kept") / "coordinator-3.sql"
    with closing(sqlite3.connect(old / backup.ROWS)) as rows:
        rows.executescript(dump.read_text("utf-8"))
    assert backup.save(old, tmp_path / "saved", secrets=secrets).secrets == secrets
    backup.restore(tmp_path / "saved", tmp_path / "again")
    assert backup.shut_out(tmp_path / "again") == ()
    store = Store(tmp_path / "again")
    assert [one.name for one in store.load().models] == ["small"]
    store.close()

"""A whole fleet at work, and then the search: no secret is anywhere but in its own file, which is its owner's alone.

Searched are logs, what is printed, the arguments of every process while it lives, errors, the coordinator's database,
the audit log, a backup without secrets, and all files of every state directory.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import lepton_edge
from tests.journeys.conftest import House

pytestmark = pytest.mark.journey

PRIVATE = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----(.*?)-----END", re.DOTALL)
AT_ONCE = 40  # letters of base64 that are looked for: a whole line of a PEM file may be broken elsewhere


class Arguments:
    """The arguments of every process of this machine, as `ps` shows them, while the block runs."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._over = threading.Event()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        watcher = threading.Thread(target=self._watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._over.set()
            watcher.join(10)

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self.seen.add(path.read_bytes())


def test_no_secret_leaves_its_file(
    house: House, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = Arguments()
    with arguments.watched():
        told = _work(house, small, tmp_path, monkeypatch)
    places = {path: path.read_bytes() for path in house.directory.rglob("*") if path.is_file()}
    own = {path for path, content in places.items() if PRIVATE.search(content)}
    assert {path.name for path in own} >= {"agent.pem", "admin.pem", "app.pem"}
    secrets = _secrets(house, own)
    everything = b"".join(places.values())
    assert {name.rpartition(" ")[2] for name in _in(everything, secrets)} >= {"token", "(PEM)"}, (
        "the search works"
    )
    assert len(secrets) > 4 * len(own), "the token, and of each key four forms"
    found = {
        f"{path} holds {name}"
        for path in set(places) - own - _given(house)
        for name in _in(places[path], secrets)
    }
    found |= {
        f"an argument shows {name}: {one[:80]!r}" for one in arguments.seen for name in _in(one, secrets)
    }
    found |= {f"{what} says {name}" for what, text in told.items() for name in _in(text.encode(), secrets)}
    found |= {
        f"{part} of the backup holds {name}" for part, text in _backup(house) for name in _in(text, secrets)
    }
    assert found == set()
    assert any(b"agent\0join" in one for one in arguments.seen), "the watcher saw nothing"
    _modes(house, own)


def _work(house: House, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Have everybody join, work and be refused; return what was printed, by what printed it."""
    house.start_coordinator()
    monkeypatch.setenv("LEPTON_EDGE_TOKEN", house.token)
    given = ["--role", "board", "--name", "board", "--state-directory", str(house.directory / "board")]
    told = {"agent join": house.command("agent", "join", house.coordinator, *given)}
    monkeypatch.delenv("LEPTON_EDGE_TOKEN")
    house.start_agent("board", "board")
    house.start_agent("cloud", "cloud")
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", small)
        client.deploy("small")
        client.infer("small", {"x": np.ones((1, 3, 32, 32), np.float32)}, page="cloud-raw")
    app = ("client", "key", "create", "app", "--model", "small", "--out", str(tmp_path / "app.pem"))
    told |= {"client key create": house.command(*app), **_refused(house, monkeypatch)}
    state = ("--state-directory", str(house.directory / "coordinator"))
    told["backup"] = house.command("backup", str(house.directory / "saved"), *state)
    for asked in (
        ("token", "list"),
        ("client", "key", "list"),
        ("device", "list"),
        ("events",),
        ("config", "show", "coordinator"),
    ):
        told[" ".join(asked)] = house.command(*asked)
    for name in ("board", "cloud", "coordinator"):
        lines = house.lines[name]
        told[f"{name}'s output"] = "\n".join(lines.get() for _ in range(lines.qsize()))
    return told


def _refused(house: House, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return what is said of tokens that are broken, foreign and wrong, and to who may not ask."""
    shapes = {"cut short": house.token[:-3], "foreign": _foreign(house.token), "in a word": f"x{house.token}"}
    told = {}
    for number, (what, text) in enumerate(shapes.items()):
        monkeypatch.setenv("LEPTON_EDGE_TOKEN", text)
        given = ["--role", "board", "--name", f"stranger{number}"]
        given += ["--state-directory", str(house.directory / f"stranger{number}")]
        with pytest.raises(AssertionError, match="ended with") as refusal:
            house.command("agent", "join", house.coordinator, *given)
        told[f"a token {what}"] = str(refusal.value)
        told[f"config show, a token {what}"] = house.command("config", "show", "agent")
    monkeypatch.delenv("LEPTON_EDGE_TOKEN")
    monkeypatch.setenv("LEPTON_EDGE_KEY", str(house.directory / "board" / "security" / "agent.pem"))
    with pytest.raises(AssertionError, match="ended with") as refusal:
        house.command("device", "list")
    told["an agent's key as a person's"] = str(refusal.value)
    monkeypatch.setenv("LEPTON_EDGE_KEY", str(house.key))
    return told


def _foreign(token: str) -> str:
    version, _, name, secret = token.split(".")
    return f"{version}.{'0' * 64}.{name}.{secret}"


def _secrets(house: House, files: set[Path]) -> dict[str, bytes]:
    """Return every secret, in every form in which it could show."""
    found = {"the token": house.token.rpartition(".")[2][:-3].encode()}
    for path in files:
        for number, body in enumerate(PRIVATE.findall(path.read_bytes())):
            name = f"the key {number} of {path.relative_to(house.directory)}"
            text = b"".join(body.split())
            raw = base64.b64decode(text)
            found |= {f"{name} (PEM)": body.strip()[-AT_ONCE:], f"{name} (base64)": text[-AT_ONCE:]}
            found |= {f"{name} (DER)": _scalar(raw), f"{name} (hexadecimal)": _scalar(raw).hex().encode()}
    return found


def _scalar(raw: bytes) -> bytes:
    """Return the private number of a P-256 key in PKCS #8: what is secret in it, without the public half."""
    start = raw.index(b"\x02\x01\x01\x04\x20") + 5
    return raw[start : start + 32]


def _in(text: bytes, secrets: dict[str, bytes]) -> list[str]:
    return [name for name, secret in secrets.items() if secret in text]


def _given(house: House) -> set[Path]:
    """Return the files by which this test gave agents their tokens."""
    return set(house.directory.glob("*.token"))


def _backup(house: House) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the backup, by name."""
    path = house.directory / "saved"
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from ((name, archive.read(name)) for name in archive.namelist())
        return
    with tarfile.open(path) as archive:
        for member in archive:
            part = archive.extractfile(member)
            if part is not None:
                yield member.name, part.read()


def _modes(house: House, own: set[Path]) -> None:
    """Check that nobody else can read a secret, nor look into the folder that it is in."""
    for path in own:
        assert path.stat().st_mode & 0o777 == 0o600, path
    for state in ("coordinator", "board", "cloud"):
        folder = house.directory / state / "security"
        assert folder.stat().st_mode & 0o777 == 0o700, folder
        every = [house.directory / state, *(house.directory / state).rglob("*")]
        assert len([one for one in every if one.is_file()]) > 5, "models, epochs and rows are among them"
        loose = [one for one in every if one.lstat().st_mode & 0o077]
        assert loose == [], (
            "state is its owner's: rows, models, samples, epochs, and what lies beside a secret"
        )
    assert os.getuid() == house.key.stat().st_uid

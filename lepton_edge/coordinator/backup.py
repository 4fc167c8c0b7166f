"""The state of a coordinator as one file, taken while it runs; and back again.

Law: besides `store.py` the only importer of sqlite3, for its copying alone. The rows are copied first, at one moment,
then the files that they may name, which appear whole or not at all; what was removed meanwhile is noticed. Keys and
certificates are left out unless they are asked for. What comes back is checked, byte by byte, before anything is put
in its place.

    a tar: backup.json (what is in it, each file's sha256), coordinator.db, artifacts/, models/, security/ if asked for
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from lepton_edge.coordinator.artifacts import storage
from lepton_edge.core.errors import AlreadyExists, IncompatibleVersion, InvalidInput, NotFound, Unavailable
from lepton_edge.core.version import __version__

FORMAT = 1
ABOUT, ROWS = "backup.json", "coordinator.db"
FOLDERS, SECRETS = ("artifacts", "models"), "security"
MEMBERSHIPS = ("certificates", "tokens")
"""Tables that say who may take part."""
LONGEST_ABOUT = 64 << 20  # bytes; some 100 a file
CHUNK = 1 << 20
_LATEST = 1e11  # seconds since 1970: later, no calendar has a name for it


@dataclass(frozen=True)
class Backup:
    """What a backup holds: so many files, their bytes, and whether keys are among them; when it was made."""

    files: int
    bytes: int
    secrets: bool
    at: float = field(default=0.0, compare=False)


def save(directory: Path, target: Path, *, secrets: bool = False) -> Backup:
    """Write the state in `directory` to the new file `target`, which only its owner may read.

    Raises:
        NotFound: no coordinator keeps its state there.
        AlreadyExists: the file is there already.
        Unavailable: a model was removed meanwhile.
        StorageFull: the disk is full.
    """
    if not (directory / ROWS).is_file():
        raise NotFound(f"no coordinator keeps its state in {directory}", "give --state-directory")
    if target.exists():
        raise AlreadyExists(f"{target} is there already", "choose another file")
    with storage(target.parent), tempfile.TemporaryDirectory(dir=target.absolute().parent) as scratch:
        rows = Path(scratch) / ROWS
        _copy_rows(directory / ROWS, rows)
        made = Path(scratch) / "backup"
        with open(os.open(made, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:
            held = _write(file, directory, rows, secrets=secrets)
            os.fsync(file.fileno())
        _check_models(rows, held)
        made.rename(target)
    total = sum(one["size"] for one in held.values())
    return Backup(len(held), total, secrets)


def _copy_rows(source: Path, target: Path) -> None:
    read = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
    with closing(read) as rows, closing(sqlite3.connect(target)) as copy:
        rows.backup(copy)


def _write(file: IO[bytes], directory: Path, rows: Path, *, secrets: bool) -> dict[str, dict[str, Any]]:
    """Write the archive, and return what is in it."""
    held: dict[str, dict[str, Any]] = {}
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, path in (ROWS, rows), *_files(directory, secrets=secrets):
            with contextlib.suppress(FileNotFoundError):  # gone since it was listed: see `_check_models`
                held[name] = _add(archive, name, path)
        about = {
            "format": FORMAT,
            "software": __version__,
            "at": time.time(),
            "secrets": secrets,
            "files": held,
        }
        told = json.dumps(about).encode()
        archive.addfile(_entry(ABOUT, len(told)), io.BytesIO(told))
    return held


def _files(directory: Path, *, secrets: bool) -> Iterator[tuple[str, Path]]:
    for folder in (*FOLDERS, *((SECRETS,) if secrets else ())):
        for path in sorted((directory / folder).rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(directory).as_posix(), path


def _add(archive: tarfile.TarFile, name: str, path: Path) -> dict[str, Any]:
    """Add a file as it is now, and return its size and digest."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest = _Digest(file)
        archive.addfile(_entry(name, size), digest)
    return {"size": size, "sha256": digest.sum.hexdigest()}


def _entry(name: str, size: int) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.mode, made.mtime = size, 0o600, int(time.time())
    return made


class _Digest:
    """A file that is hashed as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sum = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        read = self._file.read(size)
        self.sum.update(read)
        return read


def _check_models(rows: Path, held: dict[str, Any]) -> None:
    with closing(sqlite3.connect(rows)) as copy:
        models = copy.execute("SELECT name, version FROM models").fetchall()
    for name, version in models:
        if not any(path.startswith(f"models/{name}/{version}/") for path in held):
            raise Unavailable(f"{name} was changed while it was copied", "try again in a moment")


def restore(
    source: Path, directory: Path, *, secrets: bool = True, revoked_from: Path | None = None
) -> Backup:
    """Put the state in the backup `source` into `directory`, where no coordinator has any.

    Without `secrets` its keys are left out: the coordinator makes new ones, and everybody joins again. Who was given a
    certificate or a token, and who had them revoked, is taken from the later state in `revoked_from`, if that is given.

    Raises:
        AlreadyExists: there is one.
        NotFound, InvalidInput: there is no such file or state; it is no backup, or damaged.
        IncompatibleVersion: a newer release wrote it.
        StorageFull: the disk is full.
    """
    if (directory / ROWS).exists():
        raise AlreadyExists(f"{directory} holds a coordinator's state", "choose another --state-directory")
    if not source.is_file():
        raise NotFound(f"there is no file {source}", "give the file that `lepton-edge backup` wrote")
    with storage(directory):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=directory, prefix="restore-") as scratch:
            made = Path(scratch)
            try:
                about = _unpack(source, made)
            except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError, RecursionError) as error:
                raise _damaged(source, str(error)) from error
            if revoked_from is not None:
                _take_memberships(revoked_from, made)
            try:
                _begin_anew(made / ROWS, believed=secrets and bool(about["secrets"]))
            except sqlite3.Error as error:
                raise _damaged(source, f"{ROWS}: {error}") from error
            _settle(made, directory, (*FOLDERS, SECRETS) if secrets else FOLDERS)
    files = {
        name: one for name, one in about["files"].items() if secrets or not name.startswith(f"{SECRETS}/")
    }
    held = bool(about["secrets"]) and secrets
    return Backup(len(files), sum(one["size"] for one in files.values()), held, about["at"])


def _take_memberships(later: Path, made: Path) -> None:
    """Put who has a certificate or a token by the state in `later` into the unpacked one in `made`."""
    if not (later / ROWS).is_file():
        raise NotFound(
            f"no coordinator kept its state in {later}", "give the state directory that was in use last"
        )
    copy = made / "later.db"
    try:
        _copy_rows(later / ROWS, copy)
        with closing(sqlite3.connect(made / ROWS)) as rows:
            rows.execute("ATTACH DATABASE ? AS later", (str(copy),))
            with rows:
                for table in MEMBERSHIPS:
                    revoked = [row for row in rows.execute(f"SELECT * FROM {table}") if _is_revoked(row[-1])]
                    rows.execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM later.{table}")
                    rows.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", revoked)
    except sqlite3.Error as error:
        raise InvalidInput(
            f"who was revoked cannot be read in {later}: {error}",
            "restore without --revoked-from, and revoke again by hand; or --without-secrets: everybody joins again",
        ) from error


def _begin_anew(restored: Path, *, believed: bool) -> None:
    """Let the next start on the rows `restored` command, whatever was started since they were saved.

    Agents obey the highest term that they met, and the coordinator that is gone may have counted on: to restore is a
    person's decision that this one commands, so it counts from the time of day, which is above any count of starts.
    Where its keys are new (not `believed`), no token or certificate of then counts: what was revoked since is unknown.
    """
    with closing(sqlite3.connect(restored)) as rows, rows:
        rows.execute("INSERT OR IGNORE INTO meta VALUES ('term', '0')")
        now = int(time.time())
        rows.execute(
            "UPDATE meta SET value = max(CAST(value AS INTEGER), ?) || '' WHERE key = 'term'", (now,)
        )
        for table in () if believed else _tables(rows) & {*MEMBERSHIPS, "joining"}:
            rows.execute(f"DELETE FROM {table}")


def _tables(rows: sqlite3.Connection) -> set[str]:
    """Return the names of the tables: an older release's state has fewer."""
    return {name for (name,) in rows.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def shut_out(directory: Path) -> tuple[str, ...]:
    """Return the names of whom the state in `directory` knows to be revoked, by their certificates."""
    with closing(sqlite3.connect(directory / ROWS)) as rows:
        if "certificates" not in _tables(rows):
            return ()
        found = [text for (text,) in rows.execute("SELECT record FROM certificates") if _is_revoked(text)]
    return tuple(sorted({str(json.loads(text)["name"]) for text in found}))


def _is_revoked(record: str) -> bool:
    return bool(json.loads(record).get("revoked"))


def _unpack(source: Path, into: Path) -> dict[str, Any]:
    """Unpack the regular files of a backup and check each; return what it says of itself."""
    found: dict[str, dict[str, Any]] = {}
    about: dict[str, Any] = {}
    with tarfile.open(source, mode="r:") as archive:
        for entry in archive:
            whole = entry.isreg() and not entry.issparse()  # of holes, a few bytes would fill a disk
            content = archive.extractfile(entry) if whole else None
            if content is None or not _is_ours(entry.name):
                raise _damaged(source, f"{entry.name!r} does not belong there")
            if entry.name == ABOUT:
                about = json.loads(content.read(LONGEST_ABOUT))
            else:
                found[entry.name] = _unpacked(content, into / entry.name)
    if not isinstance(about, dict):
        raise _damaged(source, f"{ABOUT} says nothing of it")
    if about.get("format", FORMAT) > FORMAT:
        raise IncompatibleVersion(
            f"{source} was written by lepton-edge {about['software']}", "install that release"
        )
    if not about or found != about["files"] or ROWS not in found:
        raise _damaged(source, "its files are not those that it lists")
    at = float(about.get("at", 0.0))
    return {**about, "secrets": bool(about["secrets"]), "at": at if 0 <= at < _LATEST else 0.0}


def _is_ours(name: str) -> bool:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        return False
    return name in (ABOUT, ROWS) or (len(path.parts) > 1 and path.parts[0] in (*FOLDERS, SECRETS))


def _unpacked(content: IO[bytes], path: Path) -> dict[str, Any]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest = _Digest(content)
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:
        shutil.copyfileobj(digest, file, CHUNK)
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
    return {"size": size, "sha256": digest.sum.hexdigest()}


def _settle(made: Path, directory: Path, folders: Sequence[str]) -> None:
    """Move `folders` to their place, the rows last: without them there is no state."""
    for folder in folders:
        if (made / folder).is_dir():
            if (directory / folder).exists():
                raise AlreadyExists(
                    f"{directory / folder} is there already", "choose an empty --state-directory"
                )
            (made / folder).rename(directory / folder)
    (made / ROWS).rename(directory / ROWS)


def _damaged(source: Path, why: str) -> InvalidInput:
    return InvalidInput(f"{source} is no backup, or damaged: {why}", "use another one")

"""The door for near streams: where an agent listens on its own machine, and how an application gets in.

Law: knows paths, owners and sockets; what passes is `sockets.py`'s. The socket lies in a folder that its owner alone
may enter, under a name that no other process has, now or later: an address that was told by another machine (through
a tunnel, say) leads nowhere here. Where there can be no such door, there is none: the data port is always open.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import socket
import stat
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import structlog

from lepton_edge.core.errors import Unavailable
from lepton_edge.core.identity import ANY_MODEL, Identity, Role
from lepton_edge.wire.accepting import Accepting
from lepton_edge.wire.sockets import SocketStream
from lepton_edge.wire.streams import Serve
from partitioner.errors import LeptonError

log = structlog.get_logger("wire")

SHORT = Path("/tmp")  # on every system with Unix sockets; the module tempfile would cost an agent 0.7 MB
MAX_STREAMS = 256  # that one door serves at a time; whoever comes then takes the other way
THIS_USER = Identity(Role.CLIENT, "this-user", (ANY_MODEL,))
"""Who comes in here: the operating system lets nobody but the agent's own user (and root) into the folder."""
_BUFFER = 1 << 20  # bytes that the system is asked to hold in each direction; it grants what it likes


async def dial(path: str) -> SocketStream:
    """Return a stream to the door at `path`; Unavailable when there is none that is ours, or it has no room."""
    _refuse_strange(path)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.setblocking(False)
    try:
        connection.connect(path)  # at once, or not at all: who listens is on this machine
        return _stream(connection, path, None)
    except (OSError, NotImplementedError) as error:
        connection.close()
        raise Unavailable(f"no near door at {path}: {error}") from error


def _stream(connection: socket.socket, path: str, identity: Identity | None) -> SocketStream:
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        connection.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
    return SocketStream(connection, path, secure=True, identity=identity, linger=0.0)


def _refuse_strange(path: str) -> None:
    """Raise Unavailable unless `path` is a socket of this user, or of root: another's is not to see our inputs."""
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        raise Unavailable(f"no near door at {path}") from error
    if not hasattr(socket, "AF_UNIX") or not stat.S_ISSOCK(found.st_mode):
        raise Unavailable(f"no near door at {path}")
    if found.st_uid not in (os.geteuid(), 0):
        raise Unavailable(f"the near door at {path} is another user's")


class NearDoor:
    """Where an agent accepts near streams; `path` has a part that no other process has, now or later."""

    def __init__(self, path: Path, listening: socket.socket, serve: Serve) -> None:
        self.path = str(path)
        self._serve = serve
        self._accepting = Accepting(listening, "the near door", MAX_STREAMS, self._served)

    async def close(self) -> None:
        """Accept nobody any more, and end the streams."""
        self._accepting.stop()
        Path(self.path).unlink(missing_ok=True)
        await self._accepting.end()

    async def _served(self, connection: socket.socket, _where: object) -> None:
        stream = _stream(connection, self.path, THIS_USER)
        try:
            await self._serve(stream)
        except LeptonError as error:
            log.info("a near stream ended", why=str(error))
        finally:
            await stream.close()


def open_door(state: Path, serve: Serve) -> NearDoor | None:
    """Listen near `state`, a folder that is this process's alone; None where there can be no near door.

    What earlier processes left behind there is removed.
    """
    if not hasattr(socket, "AF_UNIX"):
        return None
    for folder in _folders(state):
        try:
            return _opened(folder / secrets.token_hex(4), serve)
        except (OSError, NotImplementedError) as error:  # noqa: PERF203 (twice, at the start of a process)
            log.debug("no near door here", folder=str(folder), error=str(error))
    log.info("there is no near door: applications on this machine come by the data port", state=str(state))
    return None


def _folders(state: Path) -> Iterator[Path]:
    """Yield where a socket may lie: with the state; where that is too deep or takes no sockets, elsewhere."""
    state = state.absolute()
    yield state / "near"
    own = f"lepton-edge-{os.geteuid()}-{sha256(os.fsencode(state)).hexdigest()[:8]}"
    yield SHORT / own


def sockets_of(state: Path) -> list[Path]:
    """Return what an agent with this `state` left where its near door may be; none where this user may not look."""
    found: list[Path] = []
    for folder in _folders(state):
        with contextlib.suppress(OSError):
            found += sorted(folder.iterdir())
    return found


def _opened(path: Path, serve: Serve) -> NearDoor:
    """Listen at `path`; OSError where that cannot be (too long, say), NotImplementedError on Windows' event loop."""
    _empty(path.parent)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
        listening.listen(MAX_STREAMS)
        listening.setblocking(False)
        return NearDoor(path, listening, serve)
    except (OSError, NotImplementedError):
        listening.close()
        raise


def _empty(folder: Path) -> None:
    """Make `folder`, or empty it; raises OSError unless this user alone may enter it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()  # not followed: where everybody may write, another user may have been there first
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise OSError(errno.EPERM, "the folder is not this user's alone")
    for left in folder.iterdir():
        left.unlink()

"""Mutual TLS: whom a process believes, who it proves to be, and who the other side of a connection is.

Law: makes contexts and reads verified certificates; opens no connection. `Trust` is one live object that all doors of
a process share: what is renewed counts for the connections that come after, what is revoked ends those that are
there. Knows the standard library's `ssl` only: certificates are made in `security/`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import structlog

from lepton_edge.core.errors import Unauthenticated
from lepton_edge.core.identity import SCHEME, Credentials, Identity, Role
from lepton_edge.core.joining import revoked

log = structlog.get_logger("wire")

PLAIN, HTTP2, AUTHORITY = "lepton1", "h2", "lepton1-ca"
"""What is spoken on a connection, by ALPN: plain streams, gRPC, or nothing but the authority's certificate."""

Close = Callable[[], None]


class Trust:
    """Whom this process believes and what it shows of itself; live, and shared by all its doors.

    Credentials without a certificate of their own verify the other side and show nothing: enough to join.
    """

    def __init__(self, credentials: Credentials, revoked: Iterable[int] = ()) -> None:
        self._revoked = set(revoked)
        self._open: dict[int, set[Close]] = {}  # by serial; bounded by what the doors accept
        self.renew(credentials)

    def renew(self, credentials: Credentials) -> None:
        """Use `credentials` for every connection from now on; those that are open go on.

        Raises:
            Unauthenticated: they do not fit together.
        """
        try:
            self._client = _client(credentials)
        except (ssl.SSLError, ValueError) as error:
            why = f"these credentials cannot be used: {_reason(error)}"
            raise Unauthenticated(why, "join again") from error
        self.credentials = credentials
        self._servers: dict[tuple[str, ...], ssl.SSLContext] = {}

    def server_context(self, *languages: str) -> ssl.SSLContext:
        """Return what new connections are accepted with by a door that speaks these `languages`, first one first."""
        known = self._servers.get(languages)
        if known is None:
            known = self._servers[languages] = _server(self.credentials, languages)
        return known

    def client_context(self) -> ssl.SSLContext:
        """Return what new connections are dialled with."""
        return self._client

    def revoke(self, serials: Iterable[int]) -> None:
        """Believe these certificates no more, and end the connections of whoever showed them."""
        for serial in serials:
            self._revoked.add(serial)
            for close in list(self._open.pop(serial, ())):
                close()

    def identify(self, connection: ssl.SSLSocket) -> Identity | None:
        """Return who the other side proved to be; None when it showed no certificate.

        Raises:
            Unauthenticated: its certificate is revoked, or names nobody.
        """
        found: Any = connection.getpeercert()
        if not found:
            return None
        identity = identity_in(found)
        if identity.serial in self._revoked:
            raise revoked(identity)
        return identity

    def hold(self, identity: Identity, close: Close) -> None:
        """Have `close` called, once and at once, when `identity` is revoked, until it is dropped."""
        self._open.setdefault(identity.serial, set()).add(close)

    def drop(self, identity: Identity, close: Close) -> None:
        """Forget what `hold` was told."""
        held = self._open.get(identity.serial, set())
        held.discard(close)
        if not held:
            self._open.pop(identity.serial, None)

    @contextlib.contextmanager
    def holding(self, identity: Identity) -> Iterator[None]:
        """Have the current task cancelled when `identity` is revoked meanwhile."""
        task = asyncio.current_task()
        assert task is not None

        def end() -> None:
            task.cancel()

        self.hold(identity, end)
        try:
            yield
        finally:
            self.drop(identity, end)


def identity_in(certificate: dict[str, Any]) -> Identity:
    """Return whom a verified certificate (as `getpeercert` has it) names; Unauthenticated when it names nobody."""
    names: list[tuple[str, str]] = []
    models: list[str] = []
    for kind, value in certificate.get("subjectAltName", ()):
        scheme, _, rest = value.partition(":")
        if kind == "URI" and scheme == SCHEME:
            what, _, name = rest.partition(":")
            if what == "model":
                models.append(name)
            else:
                names.append((what, name))
    if len(names) != 1 or names[0][0] not in {role.value for role in Role} or not names[0][1]:
        raise Unauthenticated("a certificate that names nobody", "it is none of this system's: join")
    role, name = names[0]
    return Identity(Role(role), name, tuple(models), int(str(certificate.get("serialNumber", "0")), 16))


# --- contexts -------------------------------------------------------------------------------------


def _server(credentials: Credentials, languages: tuple[str, ...]) -> ssl.SSLContext:
    context = _context(ssl.PROTOCOL_TLS_SERVER, credentials)
    context.verify_mode = (
        ssl.CERT_OPTIONAL
    )  # whoever joins has none yet; the doors behind say what that allows
    context.num_tickets = 0  # a resumed session would not be checked against what was revoked since
    context.set_alpn_protocols([*languages])
    return context


def _client(credentials: Credentials) -> ssl.SSLContext:
    context = _context(ssl.PROTOCOL_TLS_CLIENT, credentials)
    context.set_alpn_protocols([PLAIN])
    return context


def unverified_context() -> ssl.SSLContext:
    """Return what believes everybody: to be told an authority that is then compared with what a token says of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([AUTHORITY])
    return context


def _context(protocol: int, credentials: Credentials) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=credentials.authority.decode("ascii"))
    if credentials.certificate:
        with _readable(credentials.certificate) as certificate, _readable(credentials.key) as key:
            context.load_cert_chain(certificate, key)
    return context


@contextlib.contextmanager
def _readable(pem: bytes) -> Iterator[str]:
    """Give `pem` a path, which is all that `ssl` takes; on Linux it never touches a disk."""
    if sys.platform == "linux" and os.path.isdir("/proc/self/fd"):
        with open(os.memfd_create("pem"), "wb") as memory:
            memory.write(pem)
            memory.flush()
            yield f"/proc/self/fd/{memory.fileno()}"
        return
    with tempfile.TemporaryDirectory() as folder:  # its owner's alone
        path = os.path.join(folder, "pem")
        with open(path, "wb") as file:
            file.write(pem)
        yield path


# --- what went wrong ------------------------------------------------------------------------------

_OPEN = ("wrong version number", "record layer", "packet length", "http request", "unknown protocol")


def refusal(error: ssl.SSLError, peer: str) -> Unauthenticated:
    """Return what a failed handshake with `peer` means to a person."""
    reason = _reason(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _not_believed(peer, error.verify_message)
    if any(word in reason for word in _OPEN):
        return _in_the_open(peer)
    if "alert" in reason:
        return _not_ours(peer, reason)
    return Unauthenticated(f"{peer} and this side agree on no TLS: {reason}", "is it the same release?")


def unbelieved(words: str, peer: str) -> Unauthenticated | None:
    """Return what gRPC's `words` about a connection that did not come about mean, where TLS is the reason."""
    said = words.lower().replace("_", " ")
    if "certificate verify failed" in said or "hostname verification" in said or "peer name" in said:
        return _not_believed(
            peer, words.rpartition("CERTIFICATE_VERIFY_FAILED")[2].strip(": ").removesuffix(": OK") or words
        )
    if any(word in said for word in _OPEN):
        return _in_the_open(peer)
    if "tsi data corrupted" in said:  # all that gRPC says of the other side's alert
        return _not_ours(peer, "it has expired, or is another coordinator's")
    return None


def tls_only(peer: str) -> Unauthenticated:
    """Return what somebody hears who came in the open."""
    return Unauthenticated(
        f"{peer} speaks TLS only",
        "join its coordinator or give a key; --insecure is for those who run with it",
    )


def _in_the_open(peer: str) -> Unauthenticated:
    return Unauthenticated(
        f"{peer} speaks without TLS, which is refused here",
        "start it without --insecure there, or give --insecure here too",
    )


_ALERTS = {
    "certificate expired": "it has expired, or one of the two clocks is wrong",
    "unknown ca": "it is another coordinator's",
}
"""What OpenSSL calls the other side's last word, and what it means here."""


def _not_ours(peer: str, why: str) -> Unauthenticated:
    meant = next((meaning for alert, meaning in _ALERTS.items() if alert in why), why)
    return Unauthenticated(
        f"{peer} does not believe the certificate of this side: {meant}",
        "has it expired, or is it another coordinator's? A device joins again, a person or an application needs "
        "another key",
    )


def _not_believed(peer: str, why: str) -> Unauthenticated:
    return Unauthenticated(
        f"{peer} has no certificate that is believed here: {why}",
        "does it belong to the same coordinator, and is the address right?",
    )


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error).lower().replace("_", " ")

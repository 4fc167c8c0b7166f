"""The gate: lets in who has a token, renews who has a certificate, shuts out who is revoked.

Law: I/O around pure deciders (`security.tokens`, `members`, `access`). What is decided is written down before anybody
is told. One at a time: whoever joins waits for the one before. Times are seconds since 1970 by this machine's clock.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog

from lepton_edge.coordinator import access, members
from lepton_edge.coordinator import issued as issued_as
from lepton_edge.coordinator import late as coming_late
from lepton_edge.coordinator.members import Certificate, Joining
from lepton_edge.coordinator.tries import Tries
from lepton_edge.coordinator.vault import Vault
from lepton_edge.coordinator.waiting import Waiting
from lepton_edge.core.errors import NotFound, Overloaded, PermissionDenied
from lepton_edge.core.identity import Credentials, Identity, Role
from lepton_edge.core.joining import Joined, JoinRequest, RenewRequest, renew_at, revoked
from lepton_edge.core.messages import AdminCall, Hello
from lepton_edge.security import certificates, tokens
from lepton_edge.security.audit import Audit, Deed
from lepton_edge.security.authority import LEAF_LIFE, Authority, Issued
from lepton_edge.security.keyring import Keyring
from lepton_edge.security.rates import Rates
from lepton_edge.security.tokens import Token, TokenRecord
from lepton_edge.wire.rpc import PeerContext, split_address
from lepton_edge.wire.tls import Trust
from partitioner.errors import LeptonError
from partitioner.units import DeviceId, ModelName, Seconds

log = structlog.get_logger("coordinator")

AUTHORITY_FILE, ADMIN_FILE = "authority.pem", "admin.pem"
ADMIN = Identity(Role.ADMIN, "local")
"""Whoever may read the coordinator's files on its own machine."""
ASK_AGAIN = Seconds(1.0)
TELL_AGAIN = 60.0
LOOK = 3600.0  # seconds between two looks at what has expired, at most

OnDisk = Callable[..., Awaitable[Any]]


@dataclasses.dataclass(frozen=True)
class Terms:
    """How the gate is kept: seconds that a certificate lives, whether a person approves each device."""

    life: Seconds = LEAF_LIFE
    approve: bool = False


async def _unheard(device: DeviceId, what: str) -> None:
    """Tell nobody."""


@dataclasses.dataclass(frozen=True)
class Ears:
    """Who is told.

    Attributes:
        revoked: hears all serials (hexadecimal) that count no more, and the device that was shut out, if one was.
        suspected: hears of a device whose certificate was shown where it should not be, and what was said then.
        attached: says which start of an agent (its incarnation) is attached under a name; "" for none.
        replaced: hears of a device whose name another key took over, and whose place that was.
    """

    revoked: Callable[[tuple[str, ...], DeviceId], Awaitable[None]]
    suspected: Callable[[DeviceId, str], Awaitable[None]]
    attached: Callable[[DeviceId], str] = lambda device: ""
    replaced: Callable[[DeviceId, str], Awaitable[None]] = _unheard


class Gate:
    """See the module. It opens the authority, making one at the first start."""

    def __init__(
        self,
        directory: Path,
        vault: Vault,
        on_disk: OnDisk,
        terms: Terms,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys, self._vault, self._on_disk, self._clock = Keyring(directory), vault, on_disk, clock
        self.terms = terms
        held = vault.load(self.now())
        self.tokens = {one.id: one for one in held.tokens}
        self.certificates = {
            one.serial: one for one in held.certificates if coming_late.matters(one, self.now())
        }
        self.waiting = Waiting(vault, on_disk, held.joining)
        self.authority = self._opened()
        self.audit = Audit(self._keys.folder)
        self._tries, self._refusals = Tries(), Rates()
        self._lock = asyncio.Lock()
        self.ears: Ears | None = None
        self._suspected: dict[DeviceId, Seconds] = {}
        self._seen: dict[str, tuple[str, Seconds]] = {}  # from where and since when agents were attached last
        own, self._own = self._own_credentials()
        if (admin := self._admin()) is not None:
            vault.keep_certificates(admin)
        self.trust = Trust(own, [int(serial, 16) for serial in self.revoked()])

    def now(self) -> Seconds:
        """Return seconds since 1970."""
        return Seconds(self._clock())

    def revoked(self) -> tuple[str, ...]:
        """Return the serials that are revoked and have not expired."""
        now = self.now()
        return tuple(one.serial for one in self.certificates.values() if one.revoked and now < one.expires)

    def shut_out(self) -> tuple[DeviceId, ...]:
        """Return the devices that were revoked and have not joined since."""
        return members.shut_out(self.certificates.values(), self.now())

    def _opened(self) -> Authority:
        if self._keys.has(AUTHORITY_FILE):
            return Authority(self._keys.read(AUTHORITY_FILE))
        made = Authority.make(self.now())
        self._keys.write(AUTHORITY_FILE, made.pem)
        return made

    def _own_credentials(self) -> tuple[Credentials, Issued]:
        who = Identity(Role.COORDINATOR, "coordinator")
        return self.authority.credentials(who, self.now(), self.terms.life)

    def _admin(self) -> Certificate | None:
        """Write the key of this machine's own administrator where the one before is not fresh; return its record."""
        now = self.now()
        held = members.current(self.certificates.values(), ADMIN.role.value, ADMIN.name, now)
        if held is not None and now < renew_at(held.begins, held.expires) and self._keys.has(ADMIN_FILE):
            return None
        admin, issued = self.authority.credentials(ADMIN, now, self.terms.life)
        self._keys.write(ADMIN_FILE, admin.pem())
        record = issued_as.record(issued, "", "this machine")
        self.certificates[record.serial] = record
        return record

    async def keep_fresh(self) -> None:
        """Renew this process's own certificate in time and forget what has expired, until cancelled."""
        while True:
            await asyncio.sleep(min(max(self._own.facts.renew_at() - self.now(), 0.5), LOOK))
            if self.now() >= self._own.facts.renew_at():
                own, self._own = self._own_credentials()
                self.trust.renew(own)
                log.info("the coordinator's certificate is renewed")
                if (admin := self._admin()) is not None:
                    await self._on_disk(self._vault.keep_certificates, admin)
            self._forget_expired()

    def _forget_expired(self, *, late: bool = True) -> None:
        """Forget what matters no more; without `late` also who could come back after its end."""
        now = self.now()
        kept = (one for one in self.certificates.values() if coming_late.matters(one, now))
        self.certificates = {one.serial: one for one in kept if late or now < one.expires}
        self.tokens = {name: one for name, one in self.tokens.items() if now < one.expires}

    # --- who may what ---------------------------------------------------------------------------------

    async def check_agent(self, hello: Hello, peer: PeerContext) -> None:
        """Raise PermissionDenied or Unauthenticated unless `peer` is the agent that it says, on its own machine."""
        access.check_attach(peer.identity, hello.device)
        try:
            members.check_machine(self._shown(peer), hello.machine)
        except PermissionDenied as error:
            self.note(peer, "attach", hello.device, error)
            await self._suspect(hello.device, error.message)
            raise
        if peer.identity is not None and self._shown(peer) is None:
            unknown = issued_as.unknown(peer.identity, hello.machine, self.now())
            await self._on_disk(self._vault.keep_certificates, unknown)
            self.certificates[unknown.serial] = unknown
        other = self.ears.attached(hello.device) if self.ears is not None else ""
        if other not in ("", hello.incarnation):  # refused by the decider; nothing tells whose the key is
            await self._suspect(hello.device, "two agents show its certificate at a time")
        else:
            self._seen[hello.device] = (split_address(peer.peer)[0], self.now())

    async def _suspect(self, device: DeviceId, why: str) -> None:
        """Have it told that a device's certificate was shown elsewhere: once in a while, since it is tried again."""
        now = self.now()
        if self.ears is not None and abs(now - self._suspected.get(device, Seconds(0.0))) > TELL_AGAIN:
            self._suspected[device] = now
            await self.ears.suspected(device, why)

    def check_call(self, call: AdminCall, peer: PeerContext) -> None:
        """Raise PermissionDenied or Unauthenticated unless `peer` may make `call`."""
        try:
            access.check_admin(peer.identity, call)
        except LeptonError as error:
            self._note_refusal(peer, type(call).__name__, access.subject(call), error)
            raise

    def _note_refusal(self, peer: PeerContext, what: str, whom: str, error: LeptonError) -> None:
        """Write down that `peer` was refused: so often that nobody fills the log with it, and strangers not at all."""
        name = peer.identity.name if peer.identity else ""
        if name and self._refusals.wait(name, self.now()) <= 0:
            self._refusals.failed(name, self.now())
            self.note(peer, what, whom, error)

    def _shown(self, peer: PeerContext) -> Certificate | None:
        return self.certificates.get(f"{peer.identity.serial:x}") if peer.identity else None

    def note(self, peer: PeerContext, what: str, whom: str = "", error: LeptonError | None = None) -> None:
        """Write down what `peer` did."""
        who = peer.identity
        outcome, message = (error.code, error.message) if error is not None else ("ok", "")
        name, role = (who.name, who.role.value) if who else ("", "")
        self.audit.note(Deed(self.now(), name, role, what, whom, outcome, peer.peer, message))

    # --- joining --------------------------------------------------------------------------------------

    async def join(self, request: JoinRequest, peer: PeerContext) -> Joined:
        """Give a certificate for a token; raise Unauthenticated, InvalidInput, AlreadyExists, Overloaded."""
        host = split_address(peer.peer)[0]
        proven = tokens.shows(self.tokens.get(request.token), request.secret)
        token = request.token if proven else ""
        self._tries.check(host, token, self.now())
        waited = self.waiting.known.get(request.name)
        try:
            joined = await self._joined(request)
        except LeptonError as error:
            self._tries.failed(host, token, self.now())
            self.note(peer, "join", request.name, error)
            raise
        done = "join: replaces" if joined.replaced else "join"
        if not joined.pending:
            self.note(peer, done, request.name)
        elif self.waiting.known.get(request.name) is not waited:  # else it asks again, every second
            self.note(peer, "join: waits to be approved", request.name)
        return joined

    async def _joined(self, request: JoinRequest) -> Joined:
        tokens.proven(self.tokens.get(request.token), request.secret)  # before anything that costs more
        members.check_name(request.name, request.machine)
        asked = certificates.requested_key(request.request)
        key = certificates.key_hash(asked)
        async with self._lock:
            now = self.now()
            place = members.place(request.name, key)
            token = tokens.use(self.tokens.get(request.token), request.secret, place, now)
            held = members.taken(self.certificates.values(), token.role, request.name, now)
            members.check_free(held, key, request.machine)
            replaced = self._replaced(request, held, key)
            if self.terms.approve and not self.waiting.approved(request.name, key):
                return await self._wait(request, token, key)
            back = held is None and request.name in self.shut_out()
            who = Identity(Role(token.role), request.name, token.models)
            issued = self._issue(who, asked, self.terms.life)
            record = issued_as.record(issued, request.machine, f"token {token.id}")
            await self._on_disk(self._vault.let_in, token, record, None)
            self._keep(token, record)
            self.waiting.forget(request.name)
        if held is not None and held.key != key:
            await self.revoke(Role(held.role), held.name, keep=record.serial)
        await self._tell(DeviceId(request.name), replaced, back=back)
        return Joined(issued.certificate, self.authority.certificate, replaced=replaced)

    def _replaced(self, request: JoinRequest, held: Certificate | None, key: str) -> str:
        """Return, for a person, whose place is taken by a new key; raise AlreadyExists where it is in use."""
        own = held is None or held.key == key or request.held == held.serial
        if held is None or own or held.role != Role.AGENT.value:
            return ""
        if self.ears is None or not self.ears.attached(DeviceId(held.name)):
            return members.replaced(held.name)
        seen = self._seen.get(held.name)
        if not request.replace:
            raise members.in_use(held.name, seen)
        return members.replaced(held.name, seen)

    async def _tell(self, device: DeviceId, replaced: str, *, back: bool) -> None:
        """Have it known that a device took another's place, or that one which was shut out is back."""
        if self.ears is None:
            return
        if replaced:
            await self.ears.replaced(device, replaced)
        if back:
            await self.ears.revoked(self.revoked(), DeviceId(""))

    async def _wait(self, request: JoinRequest, token: TokenRecord, key: str) -> Joined:
        text, now = request.request.decode("ascii", "replace"), self.now()
        fresh = Joining(request.name, token.role, key, request.machine, text, token.id, now, token.models)
        if await self.waiting.add(fresh, token):
            self.tokens[token.id] = token
        return Joined(pending=True, retry_after=ASK_AGAIN)

    async def renew(self, request: RenewRequest, peer: PeerContext) -> Joined:
        """Give another certificate to who has one; raise Unauthenticated, PermissionDenied, InvalidInput."""
        late = peer.identity is None and bool(request.certificate)
        who = None if late else access.check_renew(peer.identity)
        async with self._lock:  # a certificate that is given while its owner is revoked would escape that
            shown = coming_late.proven(request, self.certificates, self.now()) if late else self._shown(peer)
            who = who or coming_late.owner(shown)
            asked = certificates.requested_key(request.request)  # not for strangers: it takes its time
            if shown is not None and shown.revoked:
                raise revoked(who)
            try:
                members.check_machine(shown, request.machine)
            except PermissionDenied as error:  # who is late has proven its key, and is no stranger
                self._note_refusal(dataclasses.replace(peer, identity=who), "renew", who.name, error)
                raise
            life = self.terms.life if shown is None or who.role is Role.AGENT else issued_as.life(shown)
            issued = self._issue(who, asked, life)
            record = issued_as.record(issued, request.machine or (shown.machine if shown else ""), "renewed")
            await self._on_disk(self._vault.keep_certificates, record)
            self.certificates[record.serial] = record
        self.note(peer, "renew after its end" if late else "renew", who.name)
        return Joined(issued.certificate, self.authority.certificate)

    def _issue(self, who: Identity, key: Any, life: Seconds) -> Issued:
        if len(self.certificates) >= members.MAX_CERTIFICATES:
            self._forget_expired(late=False)
            if len(self.certificates) >= members.MAX_CERTIFICATES:
                raise Overloaded(
                    f"{members.MAX_CERTIFICATES} certificates count here", "revoke some; they expire"
                )
        members.check_often(self.certificates.values(), who, self.now(), life)
        return self.authority.issue(who, key, self.now(), life)

    def _keep(self, token: TokenRecord, record: Certificate) -> None:
        self.tokens[token.id] = token
        self.certificates[record.serial] = record

    # --- what a person says -----------------------------------------------------------------------------

    async def make_token(
        self, ttl: Seconds, uses: int, role: Role, models: tuple[ModelName, ...] = ()
    ) -> Token:
        """Return a new token; raise InvalidInput, Overloaded."""
        members.check_models(role, models)
        async with self._lock:
            self._forget_expired()
            if len(self.tokens) >= members.MAX_TOKENS:
                raise Overloaded(
                    f"{members.MAX_TOKENS} tokens count here", "revoke some: lepton-edge token list"
                )
            made = tokens.create(self.authority.fingerprint, self.now(), ttl, uses, role, models=models)
            token, record = made
            await self._on_disk(self._vault.keep_token, record)
            self.tokens[record.id] = record
        return token

    async def revoke_token(self, name: str) -> TokenRecord:
        """Let a token count no more; raise NotFound."""
        async with self._lock:
            known = self.tokens.get(name)
            if known is None:
                raise NotFound(f"there is no token {name!r}", "see: lepton-edge token list")
            record = tokens.revoked(known)
            await self._on_disk(self._vault.keep_token, record)
            self.tokens[name] = record
        return record

    async def decide(self, name: str, *, refuse: bool, digits: str = "") -> Joining:
        """Approve or refuse somebody who waits; raises as `Waiting.decide`."""
        async with self._lock:
            return await self.waiting.decide(name, refuse=refuse, digits=digits)

    async def sign(self, who: Identity, request: bytes, life: Seconds, by: str) -> Issued:
        """Return a certificate for a client's or an administrator's key; raise InvalidInput, AlreadyExists."""
        members.check_name(who.name)
        members.check_models(who.role, tuple(ModelName(model) for model in who.models))
        asked = certificates.requested_key(request)
        async with self._lock:
            held = members.current(self.certificates.values(), who.role.value, who.name, self.now())
            members.check_free(held, certificates.key_hash(asked), "")
            issued = self._issue(who, asked, life)
            record = issued_as.record(issued, "", by)
            await self._on_disk(self._vault.keep_certificates, record)
            self.certificates[record.serial] = record
        return issued

    async def revoke(self, role: Role, name: str, *, keep: str = "") -> tuple[str, ...]:
        """Believe the certificates of `name` no more, but for the serial `keep`; return their serials."""
        now = self.now()
        of_role = {role} if keep or role is Role.AGENT else {Role.CLIENT, Role.ADMIN}
        async with self._lock:
            found = [
                dataclasses.replace(one, revoked=now)
                for one in self.certificates.values()
                if one.name == name and Role(one.role) in of_role and not one.revoked and one.serial != keep
            ]
            await self._on_disk(self._vault.keep_certificates, *found)
            self.certificates.update({one.serial: one for one in found})
        serials = tuple(one.serial for one in found)
        self.trust.revoke([int(serial, 16) for serial in serials])
        if self.ears is not None and serials:
            await self.ears.revoked(self.revoked(), DeviceId(name if role is Role.AGENT and not keep else ""))
        return serials

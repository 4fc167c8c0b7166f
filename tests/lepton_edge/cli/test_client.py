"""Clients' keys on the command line: the private half goes to a file and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_edge.core.identity import Identity, Role, credentials_of
from lepton_edge.core.keys import CreateKey, ListKeys, RevokeKey
from lepton_edge.security import certificates
from lepton_edge.security.authority import Authority
from tests.lepton_edge.cli.conftest import CommandLine


def test_a_key_goes_to_a_private_file_and_only_its_request_is_sent(line: CommandLine, tmp_path: Path) -> None:
    authority = Authority.make(1.7e9)  # type: ignore[arg-type]
    shown, _ = authority.credentials(Identity(Role.CLIENT, "app", ("net",)), 1.7e9)  # type: ignore[arg-type]
    told = {"certificate": shown.certificate.decode(), "authority": authority.certificate.decode()}
    line.tell("key", name="app", role="client", models=["net"], expires=1.8e9, **told)
    path = tmp_path / "app.pem"
    said = line.run("client", "key", "create", "app", "--model", "net", "--ttl", "90d", "--out", str(path))
    assert said.code == 0
    assert "app may infer on net" in said.out
    assert path.stat().st_mode & 0o777 == 0o600
    kept = credentials_of(path.read_bytes())
    assert kept.certificate.strip() == shown.certificate.strip()
    (call,) = line.calls
    assert isinstance(call, CreateKey)
    assert (call.name, call.role, call.models, call.ttl) == ("app", "client", ("net",), 90 * 86400.0)
    own = certificates.key_hash(certificates.read_key(kept.key).public_key())
    assert certificates.key_hash(certificates.requested_key(call.request)) == own
    assert "PRIVATE" not in said.out + said.err + call.request.decode()


def test_a_file_that_is_there_is_left_alone(line: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "app.pem"
    path.write_text("mine")
    assert line.run("client", "key", "create", "app", "--admin", "--out", str(path)).code == 3
    assert path.read_text() == "mine"
    assert line.calls == []


@pytest.mark.parametrize("wrong", [(), ("--admin", "--model", "net")])
def test_what_it_may_do_must_be_said(line: CommandLine, wrong: tuple[str, ...]) -> None:
    assert line.run("client", "key", "create", "app", *wrong).code == 2


def test_keys_are_listed_and_revoked(line: CommandLine) -> None:
    line.tell(
        "keys", keys=[{"name": "app", "role": "client", "models": ["net"], "expires": 1.8e9, "by": "anna"}]
    )
    assert "anna" in line.run("client", "key", "list").out
    line.events.clear()
    line.tell("key", name="app")
    assert line.run("client", "key", "revoke", "app").out == "app: revoked\n"
    assert line.calls == [ListKeys(), RevokeKey("app")]

"""With which key an application asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_edge.client.keys import coordinator_beside, trust_for
from lepton_edge.core.errors import InvalidInput, NotFound, Unauthenticated
from lepton_edge.core.identity import Role
from lepton_edge.security import whereabouts
from tests.certificates import Authority, authority


def written(path: Path, name: str, by: Authority | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((by or authority()).credentials(Role.CLIENT, name).pem())
    path.chmod(0o600)
    return path


def certificate(path: Path) -> bytes:
    return path.read_bytes().partition(b"-----END")[0]


def shown(*given: object, **environment: str) -> bytes:
    trust = trust_for(*given, environment=environment)  # type: ignore[arg-type]
    assert trust is not None
    return trust.credentials.certificate.partition(b"-----END")[0]


def test_what_was_given_wins_over_the_variable_and_that_over_what_lies_about(tmp_path: Path) -> None:
    lying = written(tmp_path / ".config" / "lepton-edge" / "key.pem", "lying")
    own = written(tmp_path / ".local/state/lepton-edge/coordinator/security/admin.pem", "admin")
    named, given = written(tmp_path / "named.pem", "named"), written(tmp_path / "given.pem", "given")
    home = {"HOME": str(tmp_path)}
    assert shown(given, LEPTON_EDGE_KEY=str(named), **home) == certificate(given)
    assert shown(given, LEPTON_EDGE_INSECURE="1", **home) == certificate(given)
    assert shown(None, LEPTON_EDGE_KEY=str(named), **home) == certificate(named)
    assert shown(None, **home) == certificate(lying)
    lying.unlink()
    assert shown(None, **home) == certificate(own)


def test_without_a_key_nothing_is_asked_unless_in_the_open_is_meant(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    with pytest.raises(Unauthenticated, match="no key") as caught:
        trust_for(None, environment=home)
    # whoever never started one is not sent round in circles: `client key create` itself needs a key
    assert "coordinator start" in caught.value.hint
    assert trust_for(None, True, home) is None
    assert trust_for(None, environment={**home, "LEPTON_EDGE_INSECURE": "1"}) is None
    with pytest.raises(Unauthenticated):
        trust_for(None, environment={**home, "LEPTON_EDGE_INSECURE": "0"})


def test_a_key_that_cannot_be_used_is_said_and_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        trust_for(tmp_path / "none.pem")
    (tmp_path / "odd.pem").write_text("nothing")
    with pytest.raises(InvalidInput, match="key file"):
        trust_for(tmp_path / "odd.pem")


def test_the_coordinator_is_found_in_whose_state_the_key_lies(tmp_path: Path) -> None:
    state = tmp_path / ".local/state/lepton-edge/coordinator"
    whereabouts.keep(state, "127.0.0.1", 8018)
    home = {"HOME": str(tmp_path)}
    assert coordinator_beside(None, True, home) == "127.0.0.1:8018", "in the open there is no key"
    assert coordinator_beside(None, None, home) == "", "without a key nobody is asked"
    own = written(state / "security" / "admin.pem", "admin")
    assert coordinator_beside(None, None, home) == "127.0.0.1:8018"
    assert coordinator_beside(own, None, {}) == "127.0.0.1:8018"
    application = written(tmp_path / "camera.pem", "camera")
    assert coordinator_beside(application, None, home) == "127.0.0.1:8018", "a key by the same coordinator"
    other = written(tmp_path / ".config" / "lepton-edge" / "key.pem", "of another coordinator", Authority())
    assert coordinator_beside(None, None, home) == ""
    assert coordinator_beside(other, None, home) == ""

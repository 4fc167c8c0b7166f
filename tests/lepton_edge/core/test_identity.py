"""Who may do what, and what never shows."""

from __future__ import annotations

import pytest

from lepton_edge.core.identity import ANY_MODEL, Credentials, Identity, Role


@pytest.mark.parametrize(
    ("identity", "allowed"),
    [
        (Identity(Role.CLIENT, "app", ("coffee",)), True),
        (Identity(Role.CLIENT, "app", (ANY_MODEL,)), True),
        (Identity(Role.CLIENT, "app", ("tea",)), False),
        (Identity(Role.CLIENT, "app"), False),
        (Identity(Role.AGENT, "pi"), False),
        (Identity(Role.ADMIN, "me"), True),
    ],
)
def test_a_client_infers_on_the_models_it_was_given_and_an_agent_on_none(
    identity: Identity, allowed: bool
) -> None:
    assert identity.may_infer("coffee") is allowed


def test_agents_and_clients_do_not_administer() -> None:
    assert [role for role in Role if Identity(role, "x").may_administer()] == [Role.COORDINATOR, Role.ADMIN]


def test_a_key_does_not_show() -> None:
    assert "secret" not in repr(Credentials(b"ca", b"certificate", b"secret"))

"""Tokens on the command line: printed once, alone on standard output."""

from __future__ import annotations

from lepton_edge.core.keys import CreateToken, ListTokens, RevokeToken
from tests.lepton_edge.cli.conftest import CommandLine


def test_a_token_is_alone_on_standard_output(line: CommandLine) -> None:
    line.tell("token", token="ab", text="LE1.x.y.z", uses=3, expires=1.8e9)
    said = line.run("token", "create", "--ttl", "2h", "--uses", "3", "--role", "client", "--model", "net")
    assert said.out == "LE1.x.y.z\n"
    assert "good for 3 to join until" in said.err
    assert line.calls == [CreateToken(7200.0, 3, "client", ("net",))]  # type: ignore[arg-type]


def test_a_list_shows_what_is_left(line: CommandLine) -> None:
    line.tell(
        "tokens", tokens=[{"token": "abcd", "role": "agent", "left": 2, "expires": 1.8e9, "models": []}]
    )
    said = line.run("token", "list")
    assert "abcd" in said.out
    assert line.calls == [ListTokens()]


def test_one_is_revoked(line: CommandLine) -> None:
    line.tell("token", token="abcd", revoked=True)
    assert line.run("token", "revoke", "abcd").out == "abcd: revoked\n"
    assert line.calls == [RevokeToken("abcd")]


def test_a_duration_that_is_none_is_a_wrong_command_line(line: CommandLine) -> None:
    said = line.run("token", "create", "--ttl", "soon")
    assert said.code == 2
    assert "--ttl" in said.err
    assert line.calls == []

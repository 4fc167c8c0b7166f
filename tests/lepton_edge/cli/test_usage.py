"""A wrong command line is told in one line: what is wrong, and what to write instead."""

from __future__ import annotations

import pytest

from lepton_edge.cli import usage
from tests.lepton_edge.cli.conftest import CommandLine


@pytest.mark.parametrize(
    ("words", "said", "meant"),
    [
        ("statsu", "there is no command 'statsu'", "did you mean status? lepton-edge --help"),
        ("plan explian x", "there is no command 'explian'", "did you mean explain"),
        ("xyzzy", "there is no command 'xyzzy'", "lepton-edge --help lists them all"),
        ("infer", "lepton-edge infer: NAME is missing", "write: lepton-edge infer [OPTIONS] NAME [FILE]..."),
        (
            "infer m x.npy --deadlin 3",
            "lepton-edge infer has no option --deadlin",
            "did you mean --deadline?",
        ),
        ("--format json status", "no option --format", "follow its name: lepton-edge COMMAND --format"),
        ("infer m x.npy --page", "--page needs a value", "--help"),
        ("status now", "lepton-edge status: too many words: now", "write: lepton-edge status [OPTIONS]"),
        ("deploy m --queue z", "'--queue': 'z' is not one of 'block'", "see: lepton-edge deploy --help"),
        ("infer m --repeat 0 x", "'--repeat': it must be", "see: lepton-edge infer --help"),
    ],
)
def test_what_is_wrong_and_what_was_meant(line: CommandLine, words: str, said: str, meant: str) -> None:
    ended = line.run(*words.split())
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    wrong, _, to_do = ended.err.partition(" / what to do: ")
    assert wrong.startswith("error: ")
    assert said in wrong
    assert meant in to_do


def test_a_group_alone_shows_its_commands(line: CommandLine) -> None:
    ended = line.run("plan")
    assert ended.code == 2
    assert "explain" in ended.out + ended.err
    assert "error:" not in ended.err


def test_who_is_not_called_by_its_name_is_named_as_people_know_it(line: CommandLine) -> None:
    assert usage.path(None) == "lepton-edge"
    assert "root" not in line.run("infer").err


def test_a_token_in_a_wrong_place_is_not_shown(line: CommandLine) -> None:
    token = f"LE1.{'a' * 64}.{'0' * 12}.{'S' * 43}"
    ended = line.run("token", "revoke", "x", token)
    assert ended.code == 2
    assert "a token stands there without its option / what to do: write --token before it" in ended.err
    for words in (("status", "--coordinator", token), ("deploy", token), (token,), (f"--{token}",)):
        said = line.run(*words)
        assert "SSSS" not in said.err + said.out, words

"""What a device joined is found again, and half of it is nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_agents import cli, enlisting
from device_agents.membership import KEY_FILE, MEMBERSHIP_FILE, Membership, keep, membership
from lepton_edge.core.errors import InvalidInput, Unavailable, UsageError
from lepton_edge.security.keyring import Keyring

PI = Membership("10.0.0.1:8010", "pi", "board")


def test_it_counts_with_its_key_alone(tmp_path: Path) -> None:
    assert membership(tmp_path) is None
    keep(tmp_path, PI)
    assert membership(tmp_path) is None
    Keyring(tmp_path).write(KEY_FILE, b"key")
    assert membership(tmp_path) == PI
    Keyring(tmp_path).write(MEMBERSHIP_FILE, b"{")
    with pytest.raises(InvalidInput):
        membership(tmp_path)


def test_who_has_joined_need_say_no_more_and_flags_win(tmp_path: Path) -> None:
    keep(tmp_path, PI)
    Keyring(tmp_path).write(KEY_FILE, b"key")
    flags = {"state_directory": tmp_path, "name": "pi"}
    found = cli.configuration(flags, None, {})
    assert (found.coordinator, found.role, found.secure) == ("10.0.0.1:8010", "board", True)
    other = cli.configuration({**flags, "coordinator": "10.0.0.2:8010", "secure": False}, None, {})
    assert (other.coordinator, other.secure) == ("10.0.0.2:8010", False)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ((None, None, None), {"bind": None, "secure": None}),
        (("0.0.0.0", None, None), {"bind": "0.0.0.0", "secure": None}),
        ((None, "0.0.0.0", None), {"bind": "0.0.0.0", "secure": False}),
        ((None, None, False), {"bind": None, "secure": False}),
    ],
)
def test_where_it_listens(
    given: tuple[str | None, str | None, bool | None], found: dict[str, object]
) -> None:
    assert cli.listening(*given) == found


@pytest.mark.parametrize(
    "given", [("0.0.0.0", "0.0.0.0", None), (None, "0.0.0.0", True), ("0.0.0.0", None, False)]
)
def test_nobody_listens_in_the_open_by_mistake(given: tuple[str | None, str | None, bool | None]) -> None:
    with pytest.raises(UsageError):
        cli.listening(*given)


def test_a_token_where_an_address_belongs_is_not_shown() -> None:
    enlisting.refuse_misplaced(None)
    enlisting.refuse_misplaced("10.0.0.1:8010")
    with pytest.raises(UsageError, match="a token stands where") as told:
        enlisting.refuse_misplaced("LE1.aa.bb.secret")
    assert "secret" not in str(told.value)


def test_who_reaches_no_coordinator_is_asked_for_what_mostly_is_the_reason(tmp_path: Path) -> None:
    told = {"role": "board", "state_directory": tmp_path, "secure": True, "coordinator": "127.0.0.1:9"}
    with pytest.raises(Unavailable, match="no coordinator was reached: 127.0.0.1:9") as failed:
        enlisting.enlist(cli.configuration(told, None, {}), f"LE1.{'a' * 64}.{'0' * 12}.{'S' * 43}")
    assert "--bind 0.0.0.0" in failed.value.hint


def test_a_name_cannot_be_joined_without_a_token_or_an_address(tmp_path: Path) -> None:
    config = cli.configuration({"role": "board", "state_directory": tmp_path, "secure": True}, None, {})
    with pytest.raises(UsageError, match="token"):
        enlisting.enlist(config, None)
    with pytest.raises(UsageError, match="where"):
        enlisting.enlist(config, "LE1.x")

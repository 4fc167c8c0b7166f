"""Which agent a command means that names none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from device_agents import named
from device_agents.membership import KEY_FILE, Membership, joined_here, keep
from lepton_edge.core.errors import UsageError
from lepton_edge.security.keyring import Keyring


@pytest.fixture
def states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where agents keep their state; the host is called vm."""
    monkeypatch.setattr("socket.gethostname", lambda: "vm")
    return tmp_path / "lepton-edge"


def join(states: Path, name: str, role: str = "board", folder: str = "") -> None:
    directory = states / (folder or f"agent-{name}")
    keep(directory, Membership("10.0.0.1:8010", name, role))
    Keyring(directory).write(KEY_FILE, b"key")


def meant(states: Path, role: str = "", **flags: Any) -> named.Meant:
    return named.meant("start", flags, None, {"XDG_STATE_HOME": str(states.parent)}, role=role)


def test_the_only_one_that_joined_is_meant(states: Path) -> None:
    join(states, "kitchen")
    found = meant(states, role="cloud")
    assert found.flags == {"name": "kitchen"}, "its role is the one that it joined with"
    assert (found.directory, found.not_joined()) == (states / "agent-kitchen", None)


def test_who_joins_another_coordinator_is_another_agent(states: Path) -> None:
    join(states, "kitchen")
    environment = {"XDG_STATE_HOME": str(states.parent)}
    for address, name in (("10.0.0.1:8010", "kitchen"), ("10.0.0.2:8010", "vm")):
        found = named.meant("join", {"coordinator": address}, None, environment, role="board", joins=True)
        assert found.name == name, "what it had joined would be lost"
    moved = named.meant("start", {"coordinator": "10.0.0.2:8010"}, None, environment)
    assert moved.name == "kitchen", "a coordinator may have another address"


def test_of_several_one_has_to_be_named(states: Path) -> None:
    join(states, "kitchen")
    join(states, "garden")
    with pytest.raises(UsageError, match="several agents joined here: garden, kitchen") as told:
        meant(states)
    assert (
        "lepton-edge agent start --name garden or lepton-edge agent start --name kitchen" in told.value.hint
    )
    assert meant(states, name="garden").joined == Membership("10.0.0.1:8010", "garden", "board")
    join(states, "vm")
    assert meant(states).name == "vm", "the one that is called as the host is"


def test_the_role_tells_them_apart(states: Path) -> None:
    join(states, "kitchen")
    join(states, "server", "cloud")
    found = named.meant("start", {"role": "cloud"}, None, {"XDG_STATE_HOME": str(states.parent)})
    assert found.name == "server"


def test_a_state_directory_says_who_it_is(states: Path) -> None:
    join(states, "kitchen", folder="elsewhere")
    assert meant(states, state_directory=states / "elsewhere").flags["name"] == "kitchen"
    assert meant(states).name == "vm", "nobody looks there otherwise"


def test_who_speaks_in_the_open_is_not_taken_for_a_member(states: Path) -> None:
    join(states, "kitchen")
    for secure in (False, "0", "false"):
        found = meant(states, secure=secure)
        assert (found.name, found.not_joined()) == ("vm", None)


def test_who_has_not_joined_hears_who_has(states: Path) -> None:
    alone = meant(states).not_joined()
    assert alone is not None
    assert alone.message == "'vm' has not joined a coordinator"
    assert "agent join HOST:PORT" in alone.hint
    join(states, "kitchen")
    beside = meant(states, name="vm").not_joined()
    assert beside is not None
    assert "joined here: kitchen (board)" in beside.message
    assert "lepton-edge agent start --name kitchen" in beside.hint


def test_files_and_variables_name_one_too(states: Path, tmp_path: Path) -> None:
    join(states, "kitchen")
    environment = {"XDG_STATE_HOME": str(states.parent), "LEPTON_EDGE_NAME": "attic"}
    assert named.meant("start", {}, None, environment).name == "attic"
    file = tmp_path / "agent.toml"
    file.write_text('[agent]\nname = "cellar"\nthreads = 2\n')
    del environment["LEPTON_EDGE_NAME"]
    assert named.meant("start", {}, file, environment).name == "cellar"


def test_the_next_step_is_exact(states: Path) -> None:
    assert meant(states).next_step("board").endswith("start it: lepton-edge agent start")
    join(states, "kitchen")
    assert "helps boards" in meant(states, name="vm").next_step("cloud")
    assert meant(states, name="vm").next_step("cloud").endswith("agent start --name vm")


def test_half_a_membership_is_none(states: Path) -> None:
    join(states, "kitchen")
    Keyring(states / "agent-broken").write("joined.json", b"{")
    Keyring(states / "agent-broken").write(KEY_FILE, b"key")
    assert [one.name for one in joined_here(states)] == ["kitchen"]


def test_who_has_no_home_says_where_its_state_is(
    states: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(UsageError, match="no home") as told:
        named.meant("start", {}, None, {})
    assert "--state-directory" in told.value.hint
    join(states, "kitchen", folder="here")
    assert named.meant("start", {"state_directory": states / "here"}, None, {}).name == "kitchen"

"""The coordinator that is obeyed, on the disk."""

from __future__ import annotations

import dataclasses

import pytest

from device_agents.driver.loyalty import Loyalty
from lepton_edge.core.errors import NotLeader
from lepton_edge.core.messages import Leader, Welcome

WELCOME = Welcome("board", 6.0, 1.5, "test", 3, Leader("a", 3, "x"))


def _welcome(*leader):
    return dataclasses.replace(WELCOME, leader=Leader(*leader))


def test_it_remembers_the_newest_across_a_restart(tmp_path):
    file = tmp_path / "leader.json"
    Loyalty(file).heed(WELCOME, serves=False)
    again = Loyalty(file)
    assert again.leader == WELCOME.leader
    again.heed(_welcome("a", 4, "y"), serves=True)
    with pytest.raises(NotLeader):
        Loyalty(file).heed(WELCOME, serves=True)


def test_it_changes_over_once_when_a_person_says_so(tmp_path):
    loyalty = Loyalty(tmp_path / "leader.json", adopt=True)
    loyalty.heed(WELCOME, serves=False)
    with pytest.raises(NotLeader):
        loyalty.heed(_welcome("b", 1, "y"), serves=True)
    again = Loyalty(tmp_path / "leader.json", adopt=True)
    again.heed(_welcome("b", 1, "y"), serves=True)
    assert again.leader.identity == "b"
    assert not again.adopt


def test_an_older_coordinator_that_tells_no_token_changes_nothing(tmp_path):
    loyalty = Loyalty(tmp_path / "leader.json")
    loyalty.heed(WELCOME, serves=False)
    loyalty.heed(dataclasses.replace(WELCOME, leader=None), serves=True)
    assert Loyalty(tmp_path / "leader.json").leader == WELCOME.leader


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"identity": 1}', "\x00"])
def test_a_file_that_cannot_be_read_is_as_none(tmp_path, text):
    (tmp_path / "leader.json").write_text(text)
    assert Loyalty(tmp_path / "leader.json").leader is None


def test_a_disk_that_refuses_leaves_it_in_memory(tmp_path):
    loyalty = Loyalty(tmp_path / "missing" / "leader.json")
    loyalty.heed(WELCOME, serves=False)
    assert loyalty.leader == WELCOME.leader

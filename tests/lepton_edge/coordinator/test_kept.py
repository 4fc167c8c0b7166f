"""States that earlier releases left are read: dumps of what they truly wrote, kept here for good.

A new dump joins with each version of the tables that was released: `sqlite3 coordinator.db .dump` of a small fleet with
one deployed model, and its `PRAGMA user_version`.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lepton_edge.coordinator.records import ACTIVE
from lepton_edge.coordinator.server import remembered
from lepton_edge.coordinator.state import Settings, validate_state
from lepton_edge.coordinator.store import MIGRATIONS, Store
from lepton_edge.coordinator.vault import Vault
from partitioner.units import Seconds

KEPT = sorted(Path(__file__).with_name("kept").glob("coordinator-*.sql"))
THEN = Seconds(1795381400.0)
"""When the dumps were made: tokens and certificates end."""


@pytest.mark.parametrize("dump", KEPT, ids=lambda path: path.stem)
def test_a_state_of_then_is_read_and_written_now(dump: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "coordinator.db")) as rows:
        rows.executescript(dump.read_text("utf-8"))
    store = Store(tmp_path)
    found = store.load()
    assert [(one.device, one.role) for one in found.devices] == [("board", "board"), ("cloud", "cloud")]
    assert [one.name for one in found.models] == ["small"]
    assert sorted(device for _, _, kept in found.profiles for device in [kept.profile.device]) == [
        "board",
        "cloud",
    ]
    (epoch,) = found.epochs
    assert (epoch.state, epoch.epoch, epoch.board) == (ACTIVE, 1, "board")
    assert epoch.book is not None
    assert {page.name for page in epoch.book.pages} >= {"local", "cloud-raw"}
    assert store.find_weight(epoch.book.blocks[0].weights[0].sha256) is not None

    state = remembered(found, Settings("now", store.begin_term(), Seconds(6.0), Seconds(1.5)))
    validate_state(state)
    assert state.settings.term == 2
    for record in state.epochs.values():
        store.keep_epoch(record)
    store.close()
    with closing(sqlite3.connect(tmp_path / "coordinator.db")) as rows:
        assert rows.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    again = Store(tmp_path)
    assert again.load().epochs == found.epochs
    again.close()


def test_each_version_that_was_released_is_kept() -> None:
    assert [path.stem for path in KEPT] == ["coordinator-3", "coordinator-4"]


@pytest.mark.parametrize(
    ("version", "given", "revoked"),
    [(3, set(), set()), (4, {"local", "board", "cloud", "app"}, {"app"})],
)
def test_who_had_joined_then_still_has(
    version: int, given: set[str], revoked: set[str], tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "coordinator.db")) as rows:
        rows.executescript((KEPT[0].parent / f"coordinator-{version}.sql").read_text("utf-8"))
    store = Store(tmp_path)
    held = Vault(store).load(THEN)
    store.close()
    assert {one.name for one in held.certificates} == given
    assert {one.name for one in held.certificates if one.revoked} == revoked
    assert len(held.tokens) == (version > 3)

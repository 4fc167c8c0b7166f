"""The coordinator's memory: what was kept is there after a kill -9 at any point, and after a full disk."""

from __future__ import annotations

import dataclasses
import json
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lepton_edge.coordinator.records import (
    ACTIVE,
    DRAINING,
    FAILED,
    PREPARING,
    RETIRED,
    EpochRecord,
    Hold,
    ProfileRecord,
    changed_since,
    fingerprint,
)
from lepton_edge.coordinator.store import MIGRATIONS, Store
from lepton_edge.core.changes import Change
from lepton_edge.core.errors import AlreadyExists, IncompatibleVersion, StorageFull
from lepton_edge.core.messages import Deploy, ShowEvents, Wishes
from partitioner.plan import WeightRef
from partitioner.units import Seconds


def _epoch(make: Any, number: int, state: str = ACTIVE, model: str = "net") -> EpochRecord:
    holds = (Hold("board", (0, 1)), Hold("cloud", (1,)))
    ready = ("board", "cloud")
    return EpochRecord(model, "v1", number, state, make.book(), holds, ready, '{"why":1}', board="board")


def test_everything_comes_back(tmp_path: Path, make: Any) -> None:
    store = Store(tmp_path)
    record = ProfileRecord(make.profile("board"), "x86|4", Seconds(1.7e9), "30 ms, predicted 20 ms")
    store.keep_device(make.hello("board"))
    store.keep_model(make.model())
    store.keep_weights("net", "v1", (WeightRef("w", 64, 4096, "a" * 64),))
    store.keep_profile("net", "v1", record)
    store.keep_link("board", "cloud", make.link)
    store.keep_epoch(_epoch(make, 1))
    store.close()
    again = Store(tmp_path)
    found = again.load()
    assert found.devices == (make.hello("board"),)
    assert found.models == (make.model(),)
    assert found.profiles == (("net", "v1", record),)
    assert found.links == (("board", "cloud", make.link),)
    assert found.epochs == (_epoch(make, 1),)
    place = again.find_weight("a" * 64)
    assert place is not None
    assert (place.model, place.version, place.offset, place.length) == ("net", "v1", 64, 4096)
    assert again.find_weight("b" * 64) is None


def test_wishes_come_back_with_their_epoch(tmp_path: Path, make: Any) -> None:
    wishes = Wishes(throughput=1.0, stay=("a", "b"), max_loss=0.0, board_memory=1 << 28)
    request = Deploy("net", True, False, "board", "cloud", "", wishes)
    store = Store(tmp_path)
    store.keep_epoch(dataclasses.replace(_epoch(make, 1), request=request))
    store.close()
    (found,) = Store(tmp_path).load().epochs
    assert found.request == request


def test_what_an_older_release_kept_is_read(tmp_path: Path, make: Any) -> None:
    store = Store(tmp_path)
    store.keep_profile("net", "v1", ProfileRecord(make.profile("board"), "x86|4"))
    store.keep_device(make.hello("board"))
    store.keep_device(make.hello("cloud", "cloud"))
    store.keep_epoch(_epoch(make, 1))
    store.close()
    rows = sqlite3.connect(tmp_path / "coordinator.db")
    for table, dropped in (("profiles", ("measured_at", "drift")), ("epochs", ("request", "board"))):
        (text,) = rows.execute(f"SELECT record FROM {table}").fetchone()
        old = {name: value for name, value in json.loads(text).items() if name not in dropped}
        rows.execute(f"UPDATE {table} SET record = ?", (json.dumps(old),))
    rows.commit()
    rows.close()
    found = Store(tmp_path).load()
    assert (found.profiles[0][2].measured_at, found.profiles[0][2].drift) == (0.0, "")
    assert found.epochs[0].request is None
    assert found.epochs[0].board == "board", "of one epoch for a model, the board is the device of that role"
    assert changed_since("x86|4", fingerprint(make.hello("board"))) == "measured by another release"


def test_a_retired_epoch_keeps_its_explanation_over_a_restart(tmp_path: Path, make: Any) -> None:
    store = Store(tmp_path)
    store.keep_epoch(_epoch(make, 1, DRAINING))
    (found,) = store.load().epochs
    assert (found.state, found.book, found.document) == (RETIRED, None, '{"why":1}')


def test_the_term_counts_starts(tmp_path: Path) -> None:
    for expected in (1, 2, 3):
        store = Store(tmp_path)
        assert store.begin_term() == expected
        store.close()


def test_what_a_restart_finds_undecided_is_over(tmp_path: Path, make: Any) -> None:
    store = Store(tmp_path)
    for number, state in enumerate((DRAINING, ACTIVE, PREPARING), start=1):
        store.keep_epoch(_epoch(make, number, state))
    states = {record.epoch: record.state for record in store.load().epochs}
    assert states == {1: RETIRED, 2: ACTIVE, 3: FAILED}


def test_of_two_active_epochs_the_newest_counts(tmp_path: Path, make: Any) -> None:
    store = Store(tmp_path)
    store.keep_epoch(_epoch(make, 1))
    store.keep_epoch(_epoch(make, 2))
    assert [record.state for record in store.load().epochs] == [RETIRED, ACTIVE]


def test_every_board_keeps_its_active_epoch(tmp_path: Path, make: Any) -> None:
    store = Store(tmp_path)
    for number, board in ((1, "one"), (2, "two"), (3, "one"), (4, "")):
        store.keep_epoch(dataclasses.replace(_epoch(make, number), board=board))
    assert [record.state for record in store.load().epochs] == [RETIRED, ACTIVE, ACTIVE, ACTIVE]


def test_ended_epochs_are_remembered_boundedly(tmp_path: Path, make: Any) -> None:
    store = Store(tmp_path)
    for number in range(1, 40):
        store.keep_epoch(_epoch(make, number, RETIRED))
    store.keep_epoch(_epoch(make, 40))
    kept = [record.epoch for record in store.load().epochs]
    assert kept == list(range(20, 41))


def test_a_forgotten_model_leaves_its_epochs_as_tombstones(tmp_path: Path, make: Any) -> None:
    store = Store(tmp_path)
    store.keep_model(make.model())
    store.keep_profile("net", "v1", ProfileRecord(make.profile("board"), ""))
    store.keep_epoch(_epoch(make, 1, RETIRED))
    store.forget_model("net")
    found = store.load()
    assert (found.models, found.profiles) == ((), ())
    assert len(found.epochs) == 1


def test_a_second_coordinator_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(AlreadyExists, match="another coordinator uses"):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()


def test_a_directory_of_a_newer_coordinator_is_refused(tmp_path: Path) -> None:
    Store(tmp_path).close()
    rows = sqlite3.connect(tmp_path / "coordinator.db")
    rows.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    rows.close()
    with pytest.raises(IncompatibleVersion, match="newer coordinator"):
        Store(tmp_path)


def test_the_first_version_of_the_tables_can_be_read(tmp_path: Path, make: Any) -> None:
    """A file as version 1 wrote it, with a field that is gone and without those that came later."""
    rows = sqlite3.connect(tmp_path / "coordinator.db")
    rows.executescript(MIGRATIONS[0])
    record = '{"name":"net","version":"v1","weights":7,"colour":"blue"}'
    rows.execute("INSERT INTO models VALUES ('net', 'v1', ?)", (record,))
    rows.execute("PRAGMA user_version = 1")
    rows.commit()
    rows.close()
    store = Store(tmp_path)
    assert store.load().models[0].weights == 7
    store.keep_epoch(_epoch(make, 1))
    assert len(store.load().epochs) == 1


def test_a_full_disk_is_a_typed_error_and_leaves_the_old_rows(tmp_path: Path, make: Any) -> None:
    store = Store(tmp_path)
    store.keep_epoch(_epoch(make, 1))
    store._rows.execute("PRAGMA max_page_count = 30")
    with pytest.raises(StorageFull, match="no space"):
        store.keep_epoch(dataclasses.replace(_epoch(make, 2), document="x" * 1_000_000))
    assert [record.epoch for record in store.load().epochs] == [1]
    store.keep_link("board", "cloud", make.link)


WRITER = """
import json, sys
from pathlib import Path
from lepton_edge.coordinator.records import EpochRecord
from lepton_edge.coordinator.store import Store
store = Store(Path(sys.argv[1]))
term = store.begin_term()
first = max([record.epoch for record in store.load().epochs], default=0)
for number in range(first + 1, first + 100_000):
    store.keep_epoch(EpochRecord("net", "v1", number, "RETIRED", document="x" * 20_000))
    print(json.dumps(number), flush=True)
"""


def test_it_survives_kill_9_at_any_point(tmp_path: Path) -> None:
    """Everything that the killed process said it had kept is there, and nothing is half there."""
    said = 0
    pause = random.Random(7)
    for round_number in range(1, 7):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            said = json.loads(writer.stdout.readline())
            time.sleep(pause.uniform(0.0, 0.05))
            writer.kill()
            rest = writer.stdout.read().split("\n")[:-1]
            said = json.loads(rest[-1]) if rest else said
        store = Store(tmp_path)
        kept = store.load().epochs
        assert kept[-1].epoch >= said
        assert all(len(record.document) == 20_000 for record in kept)
        assert store._rows.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert store.begin_term() == 2 * round_number
        store.close()


def test_a_state_has_one_identity_and_each_start_a_higher_term(tmp_path: Path) -> None:
    store = Store(tmp_path / "state")
    identity = store.identity()
    assert len(identity) == 32
    assert (store.begin_term(), store.identity()) == (1, identity)
    store.raise_term(7)  # a copy of it has come that far
    store.raise_term(5)
    store.close()
    again = Store(tmp_path / "state")
    assert (again.begin_term(), again.identity()) == (8, identity)
    again.close()
    other = Store(tmp_path / "other")
    assert other.identity() != identity
    other.close()


# --- changes ------------------------------------------------------------------------------------------------


def _change(serial: int, **about: Any) -> Change:
    return Change(serial, float(serial), about.pop("kind", "deploy"), "why", **about)


def test_changes_are_found_by_number_age_and_what_they_are_about(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep_changes(
        [_change(1, model="net"), _change(2, device="pi"), _change(3, kind="turn", model="net")]
    )

    def found(now: float = 10.0, most: int = 10, **asked: Any) -> list[int]:
        return [one.serial for one in store.changes(ShowEvents(**asked), now, most)]

    assert found() == [1, 2, 3]
    assert found(since=1) == [2, 3]
    assert found(age=7.5) == [3]
    assert found(model="net") == [1, 3]
    assert found(device="pi") == [2]
    assert found(model="net", kind="turn") == [3]
    assert found(most=2) == [2, 3], "the newest"
    store.close()


def test_a_change_told_anew_replaces_what_was_told_and_open_ones_are_remembered(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep_changes([_change(1, verdict="pending"), _change(2, verdict="pending")])
    store.keep_changes([_change(1, verdict="kept", measured_after=0.5)])
    assert store.changes(ShowEvents(), 10.0)[0].measured_after == 0.5
    loaded = store.load()
    assert (loaded.serial, [one.serial for one in loaded.open]) == (2, [2])
    store.close()


def test_only_the_newest_changes_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lepton_edge.coordinator.store.MAX_CHANGES", 5)
    store = Store(tmp_path)
    for start in (1, 8):
        store.keep_changes([_change(serial) for serial in range(start, start + 7)])
    assert [one.serial for one in store.changes(ShowEvents(), 99.0)] == [10, 11, 12, 13, 14]
    assert store.load().serial == 14
    store.close()

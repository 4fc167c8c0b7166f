"""The active epochs on the disk."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from device_agents.driver import saved as room
from device_agents.driver.saved import SavedEpochs
from device_agents.machine.events import SavedEpoch
from lepton_edge.core.messages import Peer
from lepton_edge.security import private
from tests.device_agents.engine.models import small_model
from tests.device_agents.fleet import book_of


@pytest.fixture
def epochs(tmp_path):
    (tmp_path / "model").mkdir()
    book, _ = book_of(small_model(tmp_path / "model"))
    return (SavedEpoch(3, book, (0, 1), (Peer("cloud", ("h:1",)),)),)


def test_what_was_written_is_read(tmp_path, epochs) -> None:
    saved = SavedEpochs(tmp_path / "epochs.json")
    assert saved.read() == ()
    saved.write(epochs)
    assert saved.read() == epochs
    saved.write(())
    assert saved.read() == ()


@pytest.mark.parametrize("text", ["{", "[]", '{"epochs": [{"epoch": 1}]}', '{"epochs": 3}', "\x00"])
def test_a_broken_file_is_put_aside_and_not_trusted(tmp_path, epochs, text) -> None:
    saved = SavedEpochs(tmp_path / "epochs.json")
    saved.file.write_text(text)
    assert saved.read() == ()
    assert saved.file.with_suffix(".unreadable").read_text() == text
    saved.write(epochs)
    assert saved.read() == epochs


def test_a_write_that_dies_half_way_leaves_the_old_file(tmp_path, epochs) -> None:
    saved = SavedEpochs(tmp_path / "epochs.json")
    saved.write(epochs)
    saved.file.with_suffix(".new").write_text('{"format": 1, "epo')  # what a kill -9 leaves
    assert saved.read() == epochs


def test_what_it_writes_is_known_to_be_state(tmp_path, epochs) -> None:
    """Else older files beside it would stay open to others: among things that are not ours, modes are left alone."""
    saved = SavedEpochs(tmp_path / "state" / "epochs.json")
    saved.file.parent.mkdir()
    saved.file.write_text("{")
    saved.read()
    saved.write(epochs)
    assert len(list(saved.file.parent.iterdir())) == 3
    assert private.foreign(saved.file.parent) == []


def test_a_change_writes_the_epochs_that_changed(tmp_path, epochs) -> None:
    """A cloud that serves hundreds of boards keeps an epoch of each: one more may not cost what all of them did."""
    saved = SavedEpochs(tmp_path / "epochs.json")
    many = tuple(dataclasses.replace(epochs[0], epoch=number) for number in range(1, 9))
    saved.write(many)
    first = _files(saved)
    assert len(first) == 8
    changed = (*many[1:], dataclasses.replace(many[0], epoch=9))
    saved.write(changed)
    second = _files(saved)
    assert len(second) == 8
    assert {name for name in second if first.get(name) == second[name]} == set(first) & set(second)
    assert len(set(first) & set(second)) == 7
    assert saved.read() == changed
    assert SavedEpochs(saved.file).read() == changed


def _files(saved: SavedEpochs) -> dict[str, int]:
    """Return the files of epochs, each with when it was written."""
    return {file.name: file.stat().st_mtime_ns for file in saved.folder.iterdir()}


def test_after_a_restart_what_lies_there_is_not_written_again(tmp_path, epochs) -> None:
    saved = SavedEpochs(tmp_path / "epochs.json")
    saved.write(epochs)
    first = _files(saved)
    again = SavedEpochs(saved.file)
    again.write(again.read())
    assert _files(again) == first


def test_an_epoch_that_cannot_be_read_does_not_take_the_others_with_it(tmp_path, epochs) -> None:
    saved = SavedEpochs(tmp_path / "epochs.json")
    two = (*epochs, dataclasses.replace(epochs[0], epoch=4))
    saved.write(two)
    index = json.loads(saved.file.read_text())
    broken = saved.folder / index["epochs"][0]["file"]
    broken.write_text('{"epoch": {"epo')
    assert SavedEpochs(saved.file).read() == two[1:]
    assert broken.with_suffix(".unreadable").exists()
    (saved.folder / index["epochs"][1]["file"]).unlink()
    assert SavedEpochs(saved.file).read() == ()


@pytest.mark.parametrize("when", range(4))
def test_a_disk_that_refuses_at_any_point_leaves_what_was_saved(tmp_path, epochs, monkeypatch, when) -> None:
    saved = SavedEpochs(tmp_path / "epochs.json")
    saved.write(epochs)
    new = tuple(dataclasses.replace(epochs[0], epoch=number) for number in (5, 6, 7))
    written = []

    def refused(file: Path, text: str) -> None:
        if len(written) == when:
            raise OSError(28, "No space left on device")
        written.append(file)
        write_whole(file, text)

    write_whole = room.write_whole
    monkeypatch.setattr(room, "write_whole", refused)
    saved.keep(new)
    assert saved.due == new
    assert SavedEpochs(saved.file).read() == epochs
    monkeypatch.setattr(room, "write_whole", write_whole)
    saved.keep(new)
    assert not saved.refused
    assert SavedEpochs(saved.file).read() == new
    assert len(_files(saved)) == len(new)


def test_an_index_leads_nowhere_else(tmp_path, epochs) -> None:
    saved = SavedEpochs(tmp_path / "epochs.json")
    saved.write(epochs)
    (name,) = _files(saved)
    (saved.folder / name).rename(tmp_path / name)
    index = json.loads(saved.file.read_text())
    index["epochs"][0]["file"] = f"../{name}"
    saved.file.write_text(json.dumps(index))
    assert SavedEpochs(saved.file).read() == ()


def test_what_would_be_served_is_known_without_reading_it(tmp_path, epochs) -> None:
    saved = SavedEpochs(tmp_path / "epochs.json")
    saved.write(epochs)
    assert room.served(saved.file) == [(epochs[0].book.model, 3)]
    earlier = Path(__file__).with_name("kept") / "epochs-1.json"
    assert room.served(earlier) == [("small", 1)]


def _refuse(saved: SavedEpochs) -> None:
    saved.file.with_suffix(".new").mkdir()  # it is no file: whoever writes is refused


def test_a_disk_that_refuses_is_told_once_and_counted_until_it_takes_again(tmp_path, epochs) -> None:
    saved = SavedEpochs(tmp_path / "epochs.json")
    _refuse(saved)
    with capture_logs() as told:
        for _ in range(5):
            saved.keep(epochs)
    assert [one["log_level"] for one in told] == ["warning"]
    saved.file.with_suffix(".new").rmdir()
    with capture_logs() as told:
        saved.keep(epochs)
        saved.keep(epochs)
    assert [(one["log_level"], one["refused"]) for one in told] == [("info", 5)]


async def test_what_the_disk_refused_is_written_when_it_takes_again(tmp_path, epochs, monkeypatch) -> None:
    monkeypatch.setattr(room, "AGAIN", 0.01)
    saved = SavedEpochs(tmp_path / "epochs.json")
    watch = asyncio.create_task(saved.watch())
    _refuse(saved)
    saved.keep(epochs)
    await asyncio.sleep(0.03)
    saved.file.with_suffix(".new").rmdir()
    while saved.refused:
        await asyncio.sleep(0.01)
    watch.cancel()
    assert saved.read() == epochs


@pytest.mark.parametrize(
    "kept", sorted(Path(__file__).with_name("kept").glob("epochs-*.json")), ids=lambda path: path.stem
)
def test_what_an_earlier_release_saved_is_read(tmp_path, kept) -> None:
    """What it truly wrote, kept here for good: a board that was updated serves it after a reboot."""
    file = tmp_path / "epochs.json"
    file.write_bytes(kept.read_bytes())
    if kept.with_suffix("").is_dir():  # since format 2 each epoch has a file of its own
        shutil.copytree(kept.with_suffix(""), file.with_suffix(""))
    (found,) = SavedEpochs(file).read()
    assert (found.book.model, found.epoch, len(found.hold)) == ("small", 1, len(found.book.blocks))
    assert [peer.device for peer in found.peers] == ["cloud"]
    assert not file.with_suffix(".unreadable").exists()

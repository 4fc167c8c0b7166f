"""The active epochs on the disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from device_agents.driver import saved as room
from device_agents.driver.saved import SavedEpochs
from device_agents.machine.events import SavedEpoch
from lepton_edge.core.messages import Peer
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
    (found,) = SavedEpochs(file).read()
    assert (found.book.model, found.epoch, len(found.hold)) == ("small", 1, len(found.book.blocks))
    assert [peer.device for peer in found.peers] == ["cloud"]
    assert not file.with_suffix(".unreadable").exists()

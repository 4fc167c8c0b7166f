"""Facts of a machine, read from a tree of files as a Raspberry Pi or a Jetson has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lepton_edge.doctor import system


def put(root: Path, name: str, text: str = "") -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def test_this_machine_has_64_bits_and_what_is_needed(tmp_path: Path) -> None:
    facts = system.facts(tmp_path / "state")
    assert facts.bits == 64
    assert facts.writable
    assert facts.disk_free
    wheels = dict(facts.wheels)
    assert wheels["numpy"]
    assert facts.memory_available > 0


def test_a_clock_that_was_set_shows(tmp_path: Path) -> None:
    assert system.synchronised(tmp_path) is None
    put(tmp_path, system.SYNCHRONISED)
    assert system.synchronised(tmp_path) is True


def test_the_name_of_the_distribution(tmp_path: Path) -> None:
    put(tmp_path, "etc/os-release", 'NAME="x"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
    assert system.facts(tmp_path, root=tmp_path).system.startswith("Debian GNU/Linux 12 (bookworm) (")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_ours_cannot_be_written() -> None:
    assert not system.writable(Path("/"))


def test_a_file_in_the_way_is_no_folder_to_write_in(tmp_path: Path) -> None:
    put(tmp_path, "file")
    assert not system.writable(tmp_path / "file")
    assert not list(tmp_path.glob("tmp*"))

"""A machine is known by what is not on its storage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from device_agents import fingerprint as room
from device_agents.fingerprint import fingerprint


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(room, "SERIALS", (tmp_path / "serial-number",))
    monkeypatch.setattr(room, "INTERFACES", tmp_path / "net")
    monkeypatch.setattr(room, "MACHINE_ID", tmp_path / "machine-id")
    return tmp_path


def interface(machine: Path, name: str, address: str, device: str = "", kind: str = "0") -> None:
    one = machine / "net" / name
    one.mkdir(parents=True)
    (one / "address").write_text(address + "\n")
    (one / "addr_assign_type").write_text(kind)
    if device:
        target = machine / device
        target.mkdir(parents=True)
        (one / "device").symlink_to(target)


def test_where_nothing_tells_machines_apart_nothing_is_said(machine: Path) -> None:
    assert fingerprint() == ""
    assert len(fingerprint("container 7")) == 64
    assert fingerprint("container 7") != fingerprint("container 8")


def test_a_boards_serial_number_counts_first(machine: Path) -> None:
    (machine / "machine-id").write_text("copied along")
    copied = fingerprint()
    (machine / "serial-number").write_text("1000000012345678\0")
    board = fingerprint()
    interface(machine, "eth0", "b8:27:eb:00:00:01", "pci/eth0")
    (machine / "machine-id").write_text("another")
    assert fingerprint() == board != copied
    assert "1000000012345678" not in board


def test_built_in_interfaces_count_and_dongles_and_virtual_ones_do_not(machine: Path) -> None:
    interface(machine, "eth0", "b8:27:eb:00:00:01", "pci/eth0")
    alone = fingerprint()
    interface(machine, "docker0", "02:42:00:00:00:01")
    interface(machine, "usb0", "00:11:22:33:44:55", "pci/usb1/net")
    interface(machine, "wlan0", "aa:bb:cc:dd:ee:ff", "pci/wlan0", kind="3")
    assert fingerprint() == alone
    interface(machine, "eth1", "b8:27:eb:00:00:02", "pci/eth1")
    assert fingerprint() != alone

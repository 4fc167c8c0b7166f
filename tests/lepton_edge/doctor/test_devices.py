"""What computes besides the processor, and a Pi's flags, read from trees of files as boards have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_edge.doctor import devices
from tests.lepton_edge.doctor.test_system import put

OLD, PI5 = (
    "sys/devices/platform/soc/soc:firmware",
    "sys/devices/platform/soc@107c000000/soc@107c000000:firmware",
)
HWMON = "sys/class/hwmon/hwmon2"


def on_pci(root: Path, vendor: str, product: str, kind: str, slot: str = "0000:01:00.0") -> None:
    place = f"sys/bus/pci/devices/{slot}"
    for name, text in (("vendor", vendor), ("device", product), ("class", kind)):
        put(root, f"{place}/{name}", text + "\n")


@pytest.mark.parametrize("folder", [OLD, PI5])
def test_a_pis_flags_are_read_as_it_writes_them(tmp_path: Path, folder: str) -> None:
    assert devices.flags(tmp_path) is None
    put(tmp_path, f"{folder}/get_throttled", "50005\n")
    assert devices.flags(tmp_path) == 0x50005
    put(tmp_path, f"{folder}/get_throttled", "?")
    assert devices.flags(tmp_path) is None


def test_a_kernel_without_flags_tells_the_supply_alone(tmp_path: Path) -> None:
    put(tmp_path, f"{HWMON}/name", "rpi_volt\n")
    put(tmp_path, f"{HWMON}/in0_lcrit_alarm", "0\n")
    assert devices.flags(tmp_path) == 0
    put(tmp_path, f"{HWMON}/in0_lcrit_alarm", "1\n")
    assert devices.flags(tmp_path) == 1
    put(tmp_path, f"{HWMON}/name", "nvme\n")
    assert devices.flags(tmp_path) is None


def test_a_pi_is_known_by_its_name(tmp_path: Path) -> None:
    assert not devices.is_pi(tmp_path)
    put(tmp_path, devices.PI_MODEL, "Raspberry Pi 5 Model B Rev 1.0\0")
    assert devices.is_pi(tmp_path)


def test_a_jetsons_graphics_processor_is_told_once(tmp_path: Path) -> None:
    assert devices.accelerators(tmp_path) == ()
    put(tmp_path, "etc/nv_tegra_release")
    put(tmp_path, "dev/nvidia0")
    assert devices.accelerators(tmp_path) == ("a Jetson's graphics processor",)
    put(tmp_path, "dev/hailo0")
    assert len(devices.accelerators(tmp_path)) == 2


def test_a_graphics_processor_without_a_driver_is_found_on_its_bus(tmp_path: Path) -> None:
    on_pci(tmp_path, "0x10de", "0x2684", "0x030000")
    assert devices.accelerators(tmp_path) == ("an NVIDIA graphics processor",)
    put(tmp_path, "proc/driver/nvidia/version", "NVRM")
    assert devices.accelerators(tmp_path) == ("an NVIDIA graphics processor",), "once"


def test_what_only_sounds_or_only_draws_for_everybody_is_none(tmp_path: Path) -> None:
    on_pci(tmp_path, "0x10de", "0x22ba", "0x040300")  # the sound of a graphics card
    on_pci(tmp_path, "0x8086", "0x46a6", "0x030000", "0000:00:02.0")  # a laptop's own
    assert devices.accelerators(tmp_path) == ()


def test_an_accelerator_on_a_bus_is_named(tmp_path: Path) -> None:
    on_pci(tmp_path, "0x1e60", "0x2864", "0x120000")
    put(tmp_path, "sys/bus/usb/devices/2-1/idVendor", "18d1\n")
    put(tmp_path, "sys/bus/usb/devices/2-1/idProduct", "9302\n")
    assert devices.accelerators(tmp_path) == ("a Hailo accelerator", "a Coral accelerator")


def test_commands_that_fail_say_nothing() -> None:
    assert devices.said(["/nonexistent"]) == ""
    assert devices.said(["echo", "throttled=0x0"]) == "throttled=0x0\n"

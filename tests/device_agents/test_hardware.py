"""The probe finds out what the system tells, and survives what it does not."""

from __future__ import annotations

from device_agents import hardware


def test_a_probe_has_what_planning_needs():
    found = hardware.probe()
    assert found.cores >= 1
    assert 0 < found.memory_available <= found.memory_total
    assert "CPUExecutionProvider" in found.providers
    assert found.architecture
    assert found.processor


def test_the_hottest_processor_zone_counts(tmp_path, monkeypatch):
    sensors = [("cpu-thermal", "48312"), ("gpu-thermal", "61000"), ("soc", "52100")]
    for index, (kind, value) in enumerate(sensors):
        zone = tmp_path / f"thermal_zone{index}"
        zone.mkdir()
        (zone / "type").write_text(kind)
        (zone / "temp").write_text(value)
    monkeypatch.setattr(hardware, "THERMAL_ZONES", tmp_path)
    assert hardware.temperature() == 52.1


def test_a_broken_sensor_is_no_error(tmp_path, monkeypatch):
    zone = tmp_path / "thermal_zone0"
    zone.mkdir()
    (zone / "temp").write_text("nonsense")
    monkeypatch.setattr(hardware, "THERMAL_ZONES", tmp_path)
    assert hardware.temperature() == hardware.UNKNOWN_TEMPERATURE


def test_a_boards_own_name_wins(tmp_path, monkeypatch):
    model = tmp_path / "model"
    model.write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")
    monkeypatch.setattr(hardware, "PROCESSOR_FILES", (model,))
    assert hardware.processor() == "Raspberry Pi 5 Model B Rev 1.0"


def test_a_containers_limit_is_its_memory(tmp_path, monkeypatch):
    (tmp_path / "max").write_text(str(200 << 20))
    (tmp_path / "current").write_text(str(50 << 20))
    monkeypatch.setattr(hardware, "CGROUP_MEMORY", (tmp_path / "max",))
    monkeypatch.setattr(hardware, "CGROUP_USED", (tmp_path / "current",))
    assert hardware.memory() == (200 << 20, 150 << 20)


def test_a_power_mode_is_a_jetsons_else_the_governor_else_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "NVPMODEL", tmp_path / "status")
    monkeypatch.setattr(hardware, "GOVERNORS", (tmp_path / "none", tmp_path / "governor"))
    assert hardware.power_mode() == ""
    (tmp_path / "governor").write_text("schedutil\n")
    assert hardware.power_mode() == "schedutil"
    (tmp_path / "status").write_text("nonsense")
    assert hardware.power_mode() == "schedutil"
    (tmp_path / "status").write_text("pmode:0002\n")
    assert hardware.power_mode() == "nvpmodel 2"


def test_features_are_those_that_kernels_are_chosen_by(tmp_path, monkeypatch):
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(hardware, "CPUINFO", file)
    assert hardware.features() == ()
    file.write_text(
        "processor\t: 0\nflags\t\t: fpu avx2 avx512_vnni sse\n\nprocessor\t: 1\nflags\t\t: fpu avx_vnni\n"
    )
    assert hardware.features() == ("avx2", "avx512_vnni")
    file.write_text("processor : 0\nFeatures : fp asimd asimdhp asimddp\n")
    assert hardware.features() == ("asimd", "asimdhp", "asimddp")

"""Candidates on devices: pushed, measured, and removed whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lepton_edge.cli import measuring
from lepton_edge.cli.measuring import DeviceMeasure
from lepton_edge.compress import judging
from lepton_edge.core.errors import NotFound, Overloaded, Unavailable, UnknownModel, UsageError

CANDIDATE, ORIGINAL = Path("candidate.onnx"), Path("original.onnx")


class Asked:
    """A client that remembers what it was asked; models take as long as their file's name says."""

    def __init__(self, *devices: str) -> None:
        self.names = devices
        self.pushed: dict[str, Path] = {}
        self.options: list[dict[str, Any]] = []
        self.refreshed: list[tuple[str, str]] = []
        self.originals: Iterator[float] = iter(())
        self.broken = False
        self.told: dict[str, Any] = {}

    def devices(self) -> Any:
        return {"devices": [{"device": name, **self.told.get(name, {})} for name in self.names]}

    def push(self, name: str, file: Path, **options: Any) -> Any:
        self.pushed[name] = file
        self.options.append(options)

    def remove(self, name: str) -> Any:
        if name not in self.pushed:
            raise UnknownModel(name)
        del self.pushed[name]

    def profile(self, name: str, *, refresh: bool, devices: list[str]) -> Any:
        if self.broken:
            raise Unavailable("the board is gone")
        assert refresh
        (device,) = devices
        self.refreshed.append((device, name.rpartition("-")[2]))
        median = next(self.originals, 0.004) if self.pushed[name] == ORIGINAL else 0.001
        whole = {"median": median, "spread": 0.0001, "runs": 20}
        return {"devices": [{"device": one, "profile": {"whole": whole}} for one in self.names]}


def measure(asked: Any, *devices: str, **options: Any) -> DeviceMeasure:
    return DeviceMeasure(asked, devices, {"x": (1, 3)}, **options)


def test_both_are_measured_anew_on_each_device_and_removed() -> None:
    asked = Asked("board", "shed", "cloud")
    with measure(asked, "board", "shed") as timed:
        found = timed(CANDIDATE, ORIGINAL)
        timed(CANDIDATE, ORIGINAL)
        assert len(asked.pushed) == 2
    assert [(one.candidate.device, one.ratio, one.candidate.runs) for one in found] == [
        ("board", 0.25, 20),
        ("shed", 0.25, 20),
    ]
    turns = ["original", "candidate", "original"]  # on one device after the other: the cloud is not asked
    once = [(device, what) for device in ("board", "shed") for what in turns]
    assert asked.refreshed == [*once, *once]
    assert asked.options[0]["shapes"] == {"x": (1, 3)}
    assert asked.pushed == {}


def test_a_device_that_changes_its_speed_meanwhile_is_not_called_faster() -> None:
    asked = Asked("board")
    asked.originals = iter((0.001, 0.0014, 0.0012))
    with measure(asked, "board") as timed:
        (found,) = timed(CANDIDATE, ORIGINAL)
    assert found.original.median == pytest.approx(0.0012)
    assert (found.original.runs, found.candidate.runs) == (60, 40)  # two turns: it never was steady
    assert judging.not_faster([found], "latency")
    asked.originals = iter((0.00119, 0.00121))
    with measure(asked, "board") as timed:
        (found,) = timed(CANDIDATE, ORIGINAL)
    assert not judging.not_faster([found], "latency")
    assert (found.original.runs, found.candidate.runs) == (40, 20)


def test_the_original_is_pushed_once() -> None:
    asked = Asked("board")
    with measure(asked, "board") as timed:
        timed(CANDIDATE, ORIGINAL)
        timed(CANDIDATE, ORIGINAL)
    assert len(asked.options) == 3


@pytest.mark.parametrize("fault", [KeyboardInterrupt, Unavailable])
def test_everything_is_removed_after_an_interruption(fault: Any) -> None:
    asked = Asked("board")
    with pytest.raises(fault), measure(asked, "board") as timed:  # noqa: PT012 - it is raised behind the call
        timed(CANDIDATE, ORIGINAL)
        raise fault("stop")
    assert asked.pushed == {}


def test_a_push_that_broke_off_is_removed_too() -> None:
    asked = Asked("board")
    asked.broken = True
    with pytest.raises(Unavailable, match="board is gone"), measure(asked, "board") as timed:
        timed(CANDIDATE, ORIGINAL)
    assert asked.pushed == {}


def test_a_measurement_that_goes_on_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "AGAIN", 0.0)
    asked, busy = Asked("board"), [1, 1, 1]
    remove = asked.remove

    def later(name: str) -> None:
        if busy:
            busy.pop()
            raise Overloaded("it is being measured")
        remove(name)

    asked.remove = later  # type: ignore[method-assign]
    with measure(asked, "board") as timed:
        timed(CANDIDATE, ORIGINAL)
    assert asked.pushed == {}


def test_what_cannot_be_removed_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    asked = Asked("board")

    def remove(name: str) -> None:
        raise Unavailable("the coordinator is away")

    asked.remove = remove  # type: ignore[method-assign]
    with measure(asked, "board") as timed:
        timed(CANDIDATE, ORIGINAL)
    told = capsys.readouterr().err
    assert "could not be removed: the coordinator is away; lepton-edge model remove compress-" in told


def test_a_device_that_is_not_there_is_said_at_once() -> None:
    with pytest.raises(NotFound, match="no device 'attic'"), measure(Asked("board"), "attic"):
        pass


def test_a_device_that_is_away_is_said_at_once() -> None:
    asked = Asked("board")
    asked.told["board"] = {"connected": False}
    with pytest.raises(Unavailable, match="board is not connected"), measure(asked, "board"):
        pass


def test_the_platform_is_the_devices() -> None:
    asked = Asked("board", "shed", "cloud", "old")
    for name, kind in (("board", "aarch64"), ("shed", "arm64"), ("cloud", "x86_64")):
        asked.told[name] = {"hardware": {"architecture": kind}}
    for devices, platform in ((["board", "shed"], "arm64"), (["cloud"], "x86"), (["old"], "")):
        with measure(asked, *devices) as timed:
            assert timed.platform() == platform
    with (
        measure(asked, "board", "cloud") as timed,
        pytest.raises(UsageError, match="board is aarch64, cloud is x86_64"),
    ):
        timed.platform()


def test_a_processor_that_saturates_decides_for_its_like() -> None:
    asked = Asked("new", "old", "silent")
    asked.told["new"] = {"hardware": {"architecture": "x86_64", "features": ["avx2", "avx512_vnni"]}}
    asked.told["old"] = {"hardware": {"architecture": "x86_64", "features": ["avx2"]}}
    asked.told["silent"] = {"hardware": {"architecture": "x86_64"}}
    for devices, platform in ((["new"], "x86"), (["old"], "x86-novnni"), (["new", "old"], "x86-novnni")):
        with measure(asked, *devices) as timed:
            assert timed.platform() == platform
    with measure(asked, "silent") as timed:
        assert timed.platform() == "x86"


def test_a_device_that_measured_nothing_is_said() -> None:
    asked = Asked("board")
    nothing = {"devices": [{"device": "board", "profile": {}}]}
    asked.profile = lambda name, refresh, devices: nothing  # type: ignore[method-assign]
    with pytest.raises(NotFound, match="board measured nothing"), measure(asked, "board") as timed:
        timed(CANDIDATE, ORIGINAL)

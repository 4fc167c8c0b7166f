"""Candidates of a compression, timed on real devices: pushed, measured and removed again by the client.

Law: a `Measure` for the compress room, which knows no device. Whatever ends it (an error, Ctrl-C), the models that it
pushed are removed. The original is measured before and after every candidate, on one device after the other: a board
gets warm, and others use it.
"""

from __future__ import annotations

import math
import secrets
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from lepton_edge.cli.output import dig
from lepton_edge.client import Client
from lepton_edge.compress.platforms import common, of_processor
from lepton_edge.compress.recipe import Compared, Timing
from lepton_edge.core.errors import LeptonError, NotFound, Overloaded, Unavailable, UnknownModel, UsageError
from partitioner.units import Bytes, DeviceId, Seconds

Shapes = Mapping[str, tuple[int, ...]]

REMOVAL_PATIENCE, AGAIN = 120.0, 0.5
"""Seconds for which a device's measurement is waited for, and between two tries."""

STEADY, MOST_TURNS = 0.03, 2
"""Of the original's time, what its measurements may be apart before there is another turn; and how many there are."""


class DeviceMeasure:
    """Measures on `devices` through `asked`; use it in a `with` statement.

    Args:
        asked: a client of the coordinator that they are registered with.
        devices: their names.
        shapes: sizes for inputs with dynamic dimensions, by input name.
        manifest: of the model, so that pictures are prepared there too.
    """

    def __init__(
        self, asked: Client, devices: Sequence[str], shapes: Shapes, manifest: Path | None = None
    ) -> None:
        self._asked = asked
        self._devices = list(devices)
        self._shapes = dict(shapes)
        self._manifest = manifest
        self._mark = f"compress-{secrets.token_hex(4)}"
        self._pushed: set[str] = set()
        self._kinds: dict[str, str] = {}
        self._platforms: dict[str, str] = {}

    def __enter__(self) -> DeviceMeasure:
        """Look whether the devices are there.

        Raises:
            NotFound: one is not registered.
            Unavailable: one is not connected.
        """
        known = {str(one.get("device")): one for one in self._asked.devices().get("devices", [])}
        for name in self._devices:
            if name not in known:
                raise NotFound(f"there is no device {name!r}", f"registered: {', '.join(known) or 'none'}")
            if not known[name].get("connected", True):
                raise Unavailable(f"{name} is not connected", "see lepton-edge device list")
        for name in self._devices:
            hardware = dig(known[name], "hardware") or {}
            kind, features = str(hardware.get("architecture") or ""), hardware.get("features") or []
            self._kinds[name] = kind
            self._platforms[name] = of_processor(kind, [str(one) for one in features])
        return self

    def platform(self) -> str:
        """Return the name of the platform whose models are right on all devices; "" where they did not tell.

        Raises:
            UsageError: they are of several kinds, and no model is right on all.
        """
        found = common(list(self._platforms.values()))
        if found is None:
            told = ", ".join(f"{name} is {kind or 'unknown'}" for name, kind in self._kinds.items())
            hint = "compress for one kind at a time, or say --platform"
            raise UsageError(f"--device: processors of several kinds: {told}", hint)
        return found

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was pushed; say what could not be, and how to."""
        for name in sorted(self._pushed):
            self._remove(name)

    def _remove(self, name: str) -> None:
        """Remove one model; a device that is measuring it still is waited for, since that cannot be broken off."""
        end = time.monotonic() + REMOVAL_PATIENCE
        while (failed := self._tried(name)) is not None and time.monotonic() < end:
            if not isinstance(failed, Overloaded):
                break
            time.sleep(AGAIN)
        if failed is not None:
            told = f"{name} could not be removed: {failed.message}; lepton-edge model remove {name}"
            print(told, file=sys.stderr)

    def _tried(self, name: str) -> LeptonError | None:
        try:
            self._asked.remove(name)
        except UnknownModel:  # it never got so far
            return None
        except LeptonError as failed:
            return failed
        return None

    def __call__(self, candidate: Path, original: Path) -> Sequence[Compared]:
        """Return both times on every device; keeps `compress.measure.Measure`.

        Raises:
            LeptonError: a device could not measure it.
        """
        first, second = f"{self._mark}-original", f"{self._mark}-candidate"
        if first not in self._pushed:
            self._push(first, original)
        self._push(second, candidate)
        return tuple(self._compared(first, second, name) for name in self._devices)

    def _push(self, name: str, file: Path) -> None:
        self._pushed.add(name)
        self._asked.push(name, file, manifest=self._manifest, shapes=self._shapes)

    def _compared(self, original: str, candidate: str, device: str) -> Compared:
        """Return both times on `device`, taken in turns; the original first and last, for the device changes its speed.

        Where the original's are too far apart, there is another turn, `MOST_TURNS` at most.
        """
        before, between = [self._measured(original, device)], list[Timing]()
        for _ in range(MOST_TURNS):
            between.append(self._measured(candidate, device))
            before.append(self._measured(original, device))
            if _apart(before) <= STEADY * before[0].median:
                break
        return Compared(together(between), together(before))

    def _measured(self, name: str, device: str) -> Timing:
        told = self._asked.profile(name, refresh=True, devices=[device])
        rows = {str(one.get("device")): one for one in told.get("devices", [])}
        return _timing(device, rows.get(device))


def together(timings: Sequence[Timing]) -> Timing:
    """Return measurements of one model on one device as one.

    What they are apart is no scatter that more runs make smaller: the spread is as wide as lets the error of the
    median be that much.
    """
    first, runs = timings[0], sum(one.runs for one in timings)
    spread = max(*(one.spread for one in timings), _apart(timings) * math.sqrt(runs))
    median = Seconds(statistics.fmean(one.median for one in timings))
    memory = max(one.memory for one in timings)
    return Timing(first.device, median, Seconds(spread), runs, memory)


def _apart(timings: Sequence[Timing]) -> float:
    """Return how uncertain the mean of the medians is, by how far they are apart; 0 of one."""
    medians = [one.median for one in timings]
    return (max(medians) - min(medians)) / 2 / math.sqrt(max(1, len(medians) - 1))


def _timing(device: str, row: dict[str, Any] | None) -> Timing:
    whole = dig(row or {}, "profile", "whole")
    if not isinstance(whole, dict) or "median" not in whole:
        raise NotFound(f"{device} measured nothing", "see lepton-edge status, and the agent's log")
    spread, runs = float(whole.get("spread") or 0.0), int(whole.get("runs") or 0)
    memory = dig(row or {}, "profile", "activation_peak") or 0
    return Timing(
        DeviceId(device), Seconds(float(whole["median"])), Seconds(spread), runs, Bytes(int(memory))
    )

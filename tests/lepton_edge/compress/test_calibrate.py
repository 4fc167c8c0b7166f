"""Statistics are those of numpy, in bounded memory; bad data is named."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from lepton_edge.compress import calibrate, ranges
from lepton_edge.compress.errors import TooLittleData, UnusableData
from lepton_edge.compress.technique import Sample
from tests.lepton_edge.compress.hard_nets import run, with_weights
from tests.lepton_edge.compress.small import classifier
from tests.lepton_edge.compress.small_nets import Pictures, net, weights_of

NAMES = ["x", "ar", "c", "y"]


def everything(model: object) -> dict[str, np.ndarray]:
    watcher = calibrate.Observer(net(), NAMES)
    found: dict[str, list[np.ndarray]] = {}
    for sample in Pictures():
        for name, one in watcher.watch(sample):
            found.setdefault(name, []).append(one)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def test_ranges_are_smallest_and_largest_values_and_zero() -> None:
    found = calibrate.observe(net(), NAMES, Pictures())
    for name, values in everything(net()).items():
        assert found[name].low == min(float(values.min()), 0.0)
        assert found[name].high == max(float(values.max()), 0.0)


def test_statistics_of_channels_are_those_of_numpy() -> None:
    found = calibrate.channels(net(), {"ar": 1, "y": 1}, Pictures())
    whole = everything(net())
    np.testing.assert_allclose(found["ar"].mean, whole["ar"].mean(axis=(0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(found["y"].largest, np.abs(whole["y"]).max(axis=0), rtol=1e-6)


def test_no_run_returns_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[int] = []
    real = calibrate.runtime.run

    def noting(*arguments: object) -> dict[str, np.ndarray]:
        made = real(*arguments)  # type: ignore[arg-type]
        fetched.append(sum(one.nbytes for one in made.values()))
        return made

    expected = calibrate.observe(net(), NAMES, Pictures())
    monkeypatch.setattr(calibrate.runtime, "run", noting)
    monkeypatch.setattr(calibrate, "FETCHED_AT_ONCE", 10_000)
    assert calibrate.observe(net(), NAMES, Pictures()) == expected
    probed, others = fetched[0], fetched[1:]
    assert max(others) <= 10_000 < probed


def test_nothing_but_inputs_may_be_watched() -> None:
    seen = calibrate.observe(net(), ["x"], Pictures(3))
    assert list(seen) == ["x"]


def test_progress_tells_passes_and_samples() -> None:
    told: list[tuple[str, int, int]] = []
    calibrate.observe(net(), NAMES, Pictures(3), ranges.MSE, lambda *one: told.append(one))
    assert told[2:4] == [("calibration: ranges", 3, 3), ("calibration: histograms", 1, 3)]


class Given:
    def __init__(self, *arrays: np.ndarray) -> None:
        self._held = [Sample({"x": one}, f"row {index}") for index, one in enumerate(arrays)]

    def __iter__(self) -> Iterator[Sample]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


def test_no_sample_is_too_little() -> None:
    with pytest.raises(TooLittleData, match="no sample"):
        calibrate.observe(classifier(), ["r"], Given())


def test_nan_in_an_answer_names_tensor_and_sample() -> None:
    good, bad = np.ones((1, 16), np.float32), np.full((1, 16), np.inf, np.float32)
    with pytest.raises(UnusableData, match=r"'r'.*row 1"):
        calibrate.observe(classifier(), ["r"], Given(good, bad))


def test_the_model_given_is_not_changed() -> None:
    model = with_weights(net(), w0=weights_of(net())["w0"])
    before = model.SerializeToString()
    calibrate.channels(model, {"ar": 1}, Pictures(2))
    assert model.SerializeToString() == before
    assert set(run(model, x=next(iter(Pictures(1))).feeds["x"])) == {"y"}

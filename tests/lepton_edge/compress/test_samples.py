"""Samples from folders, archives and Python, and how they are split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_edge.compress.errors import TooLittleData, UnusableData
from lepton_edge.compress.samples import first_feeds, open_samples, set_apart, split
from lepton_edge.compress.technique import Sample
from tests.lepton_edge.compress import small

MODEL = small.classifier()


def row(value: float) -> np.ndarray[Any, Any]:
    return np.full((1, 16), value, np.float32)


def test_a_list_can_be_gone_through_again() -> None:
    samples = open_samples([{"x": row(value)} for value in range(5)], MODEL)
    assert len(samples) == 5
    assert [one.feeds["x"][0, 0] for one in samples] == [one.feeds["x"][0, 0] for one in samples]
    assert not samples.labelled


def test_a_function_is_called_for_each_pass() -> None:
    passes = []

    def again() -> Iterator[Any]:
        passes.append(1)
        return iter([({"x": row(1)}, 3)])

    samples = open_samples(again, MODEL)
    assert samples.labelled
    before = len(passes)
    list(samples)
    list(samples)
    assert len(passes) == before + 2


def test_an_iterator_is_refused() -> None:
    with pytest.raises(UnusableData, match="only once"):
        open_samples(iter([{"x": row(1)}]), MODEL)


@pytest.mark.parametrize("given", [[3], [[1.0, 2.0]]])
def test_what_is_no_sample_is_refused(given: list[Any]) -> None:
    with pytest.raises(UnusableData, match="sample 0 is a"):
        open_samples(given, MODEL)


def test_nothing_is_too_little(tmp_path: Path) -> None:
    for where in ([], tmp_path):
        with pytest.raises(TooLittleData, match="no sample"):
            open_samples(where, MODEL)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnusableData, match="no folder or file"):
        open_samples(tmp_path / "none", MODEL)
    (tmp_path / "data.csv").write_text("1,2")
    with pytest.raises(UnusableData, match="no .npz"):
        open_samples(tmp_path / "data.csv", MODEL)


def test_an_archive_gives_its_rows_with_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros((9, 16), np.float32), labels=np.arange(9))
    samples = open_samples(tmp_path / "d.npz", MODEL)
    assert len(samples) == 9
    assert [int(one.label) for one in samples if one.label is not None] == list(range(9))
    assert next(iter(samples)).feeds["x"].shape == (1, 16)


def given(pictures: int, crops: int) -> list[Sample]:
    return [
        Sample({"x": row(10 * picture + crop)}, f"picture {picture}")
        for picture in range(pictures)
        for crop in range(crops)
    ]


def test_crops_of_one_picture_stay_on_one_side() -> None:
    samples = open_samples(given(12, 5), MODEL)
    calibration, held_out = split(samples, seed=3, share=0.5)
    assert len(calibration) + len(held_out) == 60
    assert not set(calibration.sources) & set(held_out.sources)
    assert len(set(calibration.sources)) == 6
    assert {one.source for one in calibration} == set(calibration.sources)


def test_a_split_is_the_seeds() -> None:
    samples = open_samples(given(20, 1), MODEL)
    assert split(samples, 1)[0].sources == split(samples, 1)[0].sources
    assert split(samples, 1)[0].sources != split(samples, 2)[0].sources


def test_too_few_pictures_are_refused_however_many_crops() -> None:
    with pytest.raises(TooLittleData, match="7 different samples"):
        split(open_samples(given(7, 30), MODEL))


def test_a_few_are_spread_over_all() -> None:
    samples = open_samples(given(40, 1), MODEL).take(4)
    assert [one.source for one in samples] == ["picture 0", "picture 10", "picture 20", "picture 30"]
    assert len(open_samples(given(3, 1), MODEL).take(10)) == 3


def test_the_digest_is_of_values_and_labels() -> None:
    def digest(value: float, label: int) -> str:
        return open_samples([({"x": row(value)}, label)], MODEL).digest()

    assert digest(1, 1) == digest(1, 1)
    assert len({digest(1, 1), digest(2, 1), digest(1, 2)}) == 3


def test_a_sample_is_refused_when_it_is_read_not_when_others_are() -> None:
    samples = open_samples([{"x": row(1)}, {"x": row(np.nan)}], MODEL)
    reading = iter(samples)
    next(reading)
    with pytest.raises(UnusableData, match="sample 1: input 'x' holds NaN"):
        next(reading)


def test_first_feeds() -> None:
    assert [one["x"][0, 0] for one in first_feeds(open_samples(given(5, 1), MODEL), 2)] == [0, 10]


@pytest.mark.parametrize("given", [None, 7])
def test_what_is_no_data_at_all_is_refused(given: Any) -> None:
    with pytest.raises(UnusableData, match="is no data"):
        open_samples(given, small.classifier())


def test_arrays_of_no_shape_are_refused() -> None:
    with pytest.raises(UnusableData, match="sample 0 is no array"):
        open_samples([{"x": [[1.0], [2.0, 3.0]]}], small.classifier())


def test_data_that_become_fewer_are_noticed() -> None:
    given = small.data(small.classifier(), 12)
    samples = open_samples(lambda: iter(given), small.classifier())
    del given[5:]
    with pytest.raises(UnusableData, match="sample 5 was there before"):
        list(samples)


def test_a_function_that_fails_is_said_with_its_place() -> None:
    def broken() -> Iterator[Any]:
        yield {"x": np.zeros((1, 16), np.float32)}
        raise KeyError("photographs")

    with pytest.raises(UnusableData, match=r"KeyError: 'photographs' \(test_samples.py:\d+\)"):
        open_samples(broken, small.classifier())


def test_a_share_of_the_pictures_is_set_apart_where_there_are_enough() -> None:
    chosen = open_samples(small.data(small.classifier(), 60), small.classifier())
    rest, apart = set_apart(chosen, 0, 0.25)
    assert apart is not None
    assert (len(rest), len(apart)) == (45, 15)
    assert not set(rest.sources) & set(apart.sources)
    assert set_apart(chosen.take(30), 0, 0.25) == (chosen.take(30), None)

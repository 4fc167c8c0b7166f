"""Why a division may not run, in a person's words and numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from partitioner.book.legal import forbidden, is_legal, over
from partitioner.book.setting import Setting
from partitioner.plan import Prediction
from partitioner.solve import CodecOption
from partitioner.solve.problem import NO_LIMITS, Joules, Limits
from partitioner.units import Bytes, CodecName, Seconds, TensorName

Make = Callable[..., Setting]
CUT = frozenset(range(8))
PAGE = Prediction(Seconds(0.1), Seconds(0.1), Seconds(0), Seconds(0), Seconds(0), 900, 100, 0, 0.05, 2.0)


@pytest.mark.parametrize(
    ("wishes", "why"),
    [
        ({}, ""),
        ({"board_memory": Bytes(5_000_000)}, "the board needs 6.3 MB and has 5.0 MB"),
        ({"cloud_memory": Bytes(5_000_000)}, "the cloud needs 8.8 MB and has 5.0 MB"),
        ({"stay": (TensorName("t4"),)}, "t4 would leave the board, where it is to stay"),
        ({"first_layers": 6}, "layer5 would leave the board, where it is to run"),
        ({"first_layers": 5}, ""),
        ({"keep_input": True}, ""),
    ],
)
def test_each_wish_forbids_in_its_own_words(setting_of: Make, wishes: dict[str, object], why: str) -> None:
    setting = setting_of(**wishes)
    assert forbidden(setting.wish, CUT) == why
    assert is_legal(setting.wish, CUT) == (not why)


def test_a_kept_input_forbids_what_only_prepares_it(setting_of: Make) -> None:
    wish = setting_of(keep_input=True).wish
    assert forbidden(wish, frozenset(range(3))) == "x would leave the board, where the input is to be kept"


def test_without_an_allowed_codec_a_cut_is_not_legal(setting_of: Make) -> None:
    problem = setting_of().problem
    nothing = {**problem.options, TensorName("t4"): (CodecOption(CodecName("raw"), Bytes(1), allowed=False),)}
    assert not is_legal(dataclasses.replace(problem, options=nothing), CUT)


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (NO_LIMITS, ""),
        (Limits(latency=Seconds(0.05)), "it takes 100.0 ms, and 50.0 ms are allowed"),
        (Limits(energy=Joules(1.0)), "it takes 2 J, and 1 J are allowed"),
        (Limits(egress=500.0), "it sends 1.0 kB, and 0.5 kB are allowed"),
        (Limits(loss=0.01), "its codecs lose up to 3.00 %, and 1.00 % are allowed"),
        (Limits(bottleneck=Seconds(0.04)), "it answers 20.00 a second, and 25.00 a second are asked"),
    ],
)
def test_each_limit_is_told_with_what_it_needs(limits: Limits, why: str) -> None:
    assert over(limits, PAGE, 0.03) == why

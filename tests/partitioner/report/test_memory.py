"""What each device needs, by the planner's own rule."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from partitioner.book import BookOptions
from partitioner.costs import DeviceProfile
from partitioner.units import Bytes

Document = dict[str, Any]


def test_weights_and_activations_with_headroom_against_the_limit(explained: Callable[..., Document]) -> None:
    board, cloud = explained(BookOptions(board_memory=Bytes(60_000_000), headroom=0.25))["memory"]
    assert (board["device"], board["limit"], cloud["limit"]) == ("board", 60_000_000, 0)
    assert board["weights"] == 12 << 20
    assert board["needed"] == round((board["weights"] + board["activations"]) * 1.25)
    assert board["activations"] >= 1_605_632
    assert board["activations_measured"] is False


def test_a_measured_peak_is_said_to_be_measured(
    explained: Callable[..., Document], board: DeviceProfile
) -> None:
    told = explained(board=dataclasses.replace(board, activation_peak=Bytes(50_000_000)))["memory"][0]
    assert told["activations"] == pytest.approx(50_000_000)
    assert told["activations_measured"] is True


def test_with_the_input_kept_the_cloud_needs_less(explained: Callable[..., Document]) -> None:
    board, cloud = explained(BookOptions(keep_input=True))["memory"]
    assert cloud["weights"] < board["weights"]
    assert cloud["layers"] < board["layers"]

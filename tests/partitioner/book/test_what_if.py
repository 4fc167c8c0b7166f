"""Profiles of devices and links that are not: everything of a device scales, nothing of the others does."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.book.what_if import changed, faster
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.errors import InvalidProblem, ProfileError
from partitioner.predict import stage_costs
from partitioner.units import DeviceId, Seconds


def test_a_device_twice_as_fast_takes_half_of_every_second(
    compiled: CompiledModel, board: DeviceProfile
) -> None:
    board = dataclasses.replace(
        board,
        send_message=Seconds(1e-3),
        send_byte=2e-9,
        receive_message=Seconds(2e-3),
        receive_byte=3e-9,
    )
    before, after = stage_costs(board, compiled.graph), stage_costs(faster(board, 2.0), compiled.graph)
    for field in dataclasses.fields(before):
        was, now = getattr(before, field.name), getattr(after, field.name)
        if field.name in ("error", "noise"):
            assert now == pytest.approx(was), field.name
        else:
            assert now == pytest.approx(tuple(x / 2 for x in was) if isinstance(was, tuple) else was / 2)
    for was, now in zip(board.codecs, faster(board, 2.0).codecs, strict=True):
        assert (now.encode, now.decode) == pytest.approx((was.encode / 2, was.decode / 2))


def test_only_what_was_named_changes(board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile) -> None:
    assert changed(board, cloud, lte) == (board, cloud, lte)
    one, two, link = changed(board, cloud, lte, speed={DeviceId("cloud"): 4.0})
    assert one == board
    assert two is not None
    assert two.whole.median == pytest.approx(cloud.whole.median / 4)
    assert link == lte


def test_a_link_of_other_rates_is_a_declared_one(
    board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    _, _, link = changed(board, cloud, lte, link_rate=(7e5, 3e6))
    assert link is not None
    assert (link.up, link.down, link.delay_up, link.measured) == (7e5, 3e6, lte.delay_up, False)
    _, _, link = changed(board, cloud, lte, link_delay=(0.1, 0.2))
    assert link is not None
    assert (link.up, link.delay_up, link.delay_down) == (lte.up, 0.1, 0.2)


def test_what_cannot_be_is_refused(board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile) -> None:
    with pytest.raises(InvalidProblem, match=r"no device is called bord \(there is: board, cloud\)"):
        changed(board, cloud, lte, speed={DeviceId("bord"): 2.0})
    with pytest.raises(InvalidProblem, match="board cannot be 0.0 times as fast"):
        changed(board, cloud, lte, speed={DeviceId("board"): 0.0})
    with pytest.raises(InvalidProblem, match="no link to change"):
        changed(board, None, None, link_rate=(1.0, 1.0))
    with pytest.raises(ProfileError, match="a link cannot have the rates"):
        changed(board, cloud, lte, link_rate=(0.0, 1.0))

"""Which devices a model runs on, and what each holds."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lepton_edge.coordinator import placement
from lepton_edge.coordinator.records import Hold
from lepton_edge.coordinator.state import Device
from lepton_edge.core.errors import NotFound, RequestError
from lepton_edge.core.messages import Deploy
from partitioner.compiled import READ_OPSET
from partitioner.errors import ModelTooLarge, UnsupportedOperator


def _device(make: Any, name: str, role: str = "board", memory: int = 1 << 30) -> Device:
    greeting = make.hello(name, role)
    hardware = dataclasses.replace(greeting.hardware, memory_available=memory)
    return Device(dataclasses.replace(greeting, hardware=hardware), stream=f"s-{name}")


def test_the_only_ones_are_chosen(make: Any) -> None:
    devices = [_device(make, "b"), _device(make, "c", "cloud")]
    board, cloud = placement.choose(devices, Deploy("net"))
    assert (board.name, cloud.name) == ("b", "c")


def test_two_boards_need_a_name(make: Any) -> None:
    devices = [_device(make, "b1"), _device(make, "b2")]
    with pytest.raises(RequestError, match="more than one board: b1, b2"):
        placement.choose(devices, Deploy("net"))
    board, cloud = placement.choose(devices, Deploy("net", board="b2"))
    assert board is not None
    assert (board.name, cloud) == ("b2", None)


def test_a_cloud_alone_will_do(make: Any) -> None:
    assert placement.choose([_device(make, "c", "cloud")], Deploy("net"))[0] is None


def test_nobody_is_not_enough() -> None:
    with pytest.raises(NotFound, match="no agent is connected"):
        placement.choose([], Deploy("net"))


def test_a_name_of_the_wrong_role_is_not_found(make: Any) -> None:
    with pytest.raises(NotFound, match="no cloud called 'b'"):
        placement.choose([_device(make, "b")], Deploy("net", cloud="b"))


def test_headroom_counts(make: Any) -> None:
    device = _device(make, "b", memory=119)
    with pytest.raises(ModelTooLarge):
        placement.check_size("net", 100, [device])
    placement.check_size("net", 99, [device])
    placement.check_size("net", 100, [_device(make, "b", memory=0)])


def test_the_board_holds_everything_and_the_cloud_what_pages_use(make: Any) -> None:
    holds = placement.holds(make.book(), _device(make, "board"), _device(make, "cloud", "cloud"))
    assert holds == (Hold("board", (0, 1)), Hold("cloud", (1,)))


def test_a_small_board_holds_only_what_its_pages_use(make: Any) -> None:
    book = make.book()
    far = dataclasses.replace(book, pages=book.pages[1:])
    holds = placement.holds(far, _device(make, "board", memory=6000), _device(make, "cloud", "cloud"))
    assert holds == (Hold("board", (0,)), Hold("cloud", (1,)))
    declared = placement.holds(far, _device(make, "board"), _device(make, "cloud", "cloud"), 6000)
    assert declared == holds, "what was declared counts, not what the device has"


def test_a_tied_weight_counts_once(make: Any) -> None:
    book = make.book()
    tied = dataclasses.replace(book, blocks=(book.blocks[0], dataclasses.replace(book.blocks[0], index=1)))
    assert placement.block_weights(book, (0, 1)) == 8192
    assert placement.block_weights(tied, (0, 1)) == 4096


def test_a_board_that_no_page_lets_run_everything_holds_its_part_only(make: Any) -> None:
    """It may lack an operator of the rest, which it could not even open."""
    book = make.book()
    far = dataclasses.replace(book, pages=book.pages[1:])
    assert placement.holds(far, _device(make, "board"), None) == (Hold("board", (0,)),)


def _with_engine(make: Any, name: str, engine: str) -> Device:
    device = _device(make, name)
    hardware = dataclasses.replace(device.hello.hardware, engine=engine)
    return Device(dataclasses.replace(device.hello, hardware=hardware), stream=f"s-{name}")


def test_a_model_that_is_too_new_for_an_engine_is_refused_by_name(make: Any) -> None:
    old, new = (
        _with_engine(make, "board", "onnxruntime 1.23.2"),
        _with_engine(make, "cloud", "onnxruntime 1.31.1"),
    )
    placement.check_engine("net", READ_OPSET, [old, new])
    placement.check_engine(
        "net", READ_OPSET + 1, [new, _with_engine(make, "board", "")]
    )  # one that does not tell may
    with pytest.raises(UnsupportedOperator, match="uses opset 24, and board has onnxruntime 1.23.2") as told:
        placement.check_engine("net", READ_OPSET + 1, [new, old])
    assert "export the model with opset 23" in told.value.hint


def test_custom_operators_need_somebody_who_may_load_their_library(make: Any) -> None:
    operators = ("ai.onnx/Conv", "com.microsoft/Gelu", "mine/Secret")
    without = Device(make.hello("b"), stream="s-b")
    having = Device(make.hello("c", "cloud", custom_domains=("mine",)), stream="s-c")
    assert placement.foreign(without, operators) == ("mine/Secret",)
    assert placement.foreign(having, operators) == ()
    placement.check_custom("net", operators, [without, having])
    placement.check_custom("net", operators[:2], [without])
    with pytest.raises(UnsupportedOperator, match="mine/Secret") as refused:
        placement.check_custom("net", operators, [without])
    assert "--allow-custom-ops mine=LIBRARY" in refused.value.hint

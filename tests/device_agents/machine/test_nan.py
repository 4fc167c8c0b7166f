"""NaN is refused in every floating-point dtype; what only looks doubtful is not."""

from __future__ import annotations

import numpy as np
import pytest

from device_agents.machine.commands import Refuse, RunSegment
from device_agents.machine.nan import refuse_nan
from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.frames import WireTensor

NAN, INF = float("nan"), float("inf")


def _tensor(values, dtype="float32", codec="raw"):
    if dtype == "bfloat16":  # the upper half of a float32
        payload = (np.array(values, np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
    else:
        payload = np.array(values).astype(dtype).tobytes()
    return WireTensor("x", dtype, (len(values),), codec, payload)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_nan_is_counted_and_infinities_pass(dtype) -> None:
    with pytest.raises(InvalidInput, match=r"'x' holds NaN: 2 of its values") as caught:
        refuse_nan([_tensor([1.0], dtype), _tensor([NAN, 1.0, -NAN, INF], dtype)])
    assert caught.value.fault == "caller"
    refuse_nan([_tensor([INF, -INF, 0.0], dtype), _tensor([6e4, 6e4], dtype), _tensor([], dtype)])


def test_what_is_no_float_or_travels_encoded_is_not_looked_into() -> None:
    refuse_nan([_tensor([255] * 8, "uint8"), _tensor([-1], "int64"), _tensor([NAN], "float32", "u8+zstd")])


def test_a_tensor_in_the_middle_of_a_received_buffer_is_read_where_it_lies() -> None:
    whole = memoryview(b"\0" + np.array([0.0, NAN], np.float32).tobytes())
    with pytest.raises(InvalidInput, match="1 of its values"):
        refuse_nan([WireTensor("x", "float32", (2,), "raw", whole[1:])])


def test_an_entry_refuses_and_a_later_stage_does_not(world) -> None:
    """What a model computes on the way may be NaN; that is not for a stage to judge."""
    broken = np.full((1, 3, 224, 224), NAN, np.float32).tobytes()
    x = WireTensor("x", "float32", (1, 3, 224, 224), "raw", broken)
    board = world.agent()
    refused = world.only(world.ask(board, tensors=(x,)), Refuse)
    assert refused.frame.error.code == "invalid_input"
    assert not board.works
    mid = WireTensor("mid", "float32", (1, 8), "raw", np.full((1, 8), NAN, np.float32).tobytes())
    cloud = world.agent("cloud")
    world.only(world.ask(cloud, tensors=(mid,), epoch=1, page="cut-4", first_block=4), RunSegment)

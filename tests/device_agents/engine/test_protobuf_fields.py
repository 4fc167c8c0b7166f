"""Fields of a protobuf message, and bytes that are none."""

from __future__ import annotations

import pytest
from onnx import helper

from device_agents.engine.protobuf_fields import fields
from partitioner.errors import InvalidModel


def test_the_fields_of_a_node_come_in_order():
    node = helper.make_node("Add", ["a", "b"], ["c"], name="n").SerializeToString()
    found = [(number, bytes(value)) for number, value in fields(memoryview(node))]
    assert found == [(1, b"a"), (1, b"b"), (2, b"c"), (3, b"n"), (4, b"Add")]


@pytest.mark.parametrize(
    "message",
    [b"\x0a\x05abc", b"\xff" * 12, b"\x0b", b"\x0a"],
    ids=["shorter than it says", "an endless number", "a group", "no length"],
)
def test_what_is_no_protobuf_is_refused(message):
    with pytest.raises(InvalidModel):
        list(fields(memoryview(message)))

"""The fields of a serialized protobuf message, without protobuf.

Law: reads, and reads nothing else; knows no message. A board has no `onnx`, and of a graph only a few fields are
wanted, so the wire format is walked as it is (https://protobuf.dev/programming-guides/encoding). No field is copied.
"""

from __future__ import annotations

from collections.abc import Iterator

from partitioner.errors import InvalidModel

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield (number, bytes) of the length-delimited fields; skip the others.

    Raises:
        InvalidModel: the bytes are no protobuf.
    """
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if kind == BYTES:
            length, position = _varint(message, position)
            if position + length > len(message):
                raise _broken()
            yield number, message[position : position + length]
            position += length
        else:
            position = _skip(message, position, kind)


def _skip(message: memoryview, position: int, kind: int) -> int:
    if kind == VARINT:
        return _varint(message, position)[1]
    if kind not in (FIXED32, FIXED64):
        raise _broken()
    return position + (4 if kind == FIXED32 else 8)


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(message) and shift < 70:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise _broken()


def _broken() -> InvalidModel:
    return InvalidModel("the bytes are no serialized ONNX graph", "push the model again")

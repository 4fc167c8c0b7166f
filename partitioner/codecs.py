"""How a tensor may travel, declared as data.

Law: a codec is a declaration: what it holds, its graph part (arithmetic, run by the engine) and its byte part
(compression, run by the wire), each by name. Nothing here encodes anything. A trained codec belongs to one tensor of
one model, which brings its two graphs along (`plan.Coder`); its name says that it is one. Another new codec is one
entry in ``CODECS`` plus, where it brings a new one, a graph part in `device_agents/engine/graph_parts.py` or a byte
part in `lepton_edge/wire/byte_parts.py` (and either in numpy in `partitioner/profile/lossy.py`, to measure what it
loses).
"""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass

from partitioner.units import CodecName

ALL_DTYPES = frozenset(
    [
        "bool",
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "float16",
        "bfloat16",
        "float32",
        "float64",
    ]
)
DTYPE_BYTES = {
    "bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "float16": 2, "bfloat16": 2,
    "int32": 4, "uint32": 4, "float32": 4, "int64": 8, "uint64": 8, "float64": 8,
}  # fmt: skip


GRAPH_PARTS = {"cast_f16": "float16", "round_bf16": "uint16", "affine_u8": "uint8"}
"""The graph parts, each with the dtype of what it makes of a float32 tensor (numpy has no bfloat16: its bits)."""


@dataclass(frozen=True)
class Codec:
    """One way for a tensor to travel.

    Attributes:
        name: its name on the wire and in reports.
        holds: dtypes it accepts (numpy names).
        lossless: whether decode(encode(x)) == x bit for bit.
        graph_part: arithmetic before the bytes: "" (none), or one of `GRAPH_PARTS`.
        byte_part: compression of the bytes: "" (none), "zstd", "lz4", "sparse" or "jpeg".
        nominal_ratio: bytes in / bytes out expected before any measurement.
        pictures_only: holds only uint8 tensors of shape [height, width, 3].
        rates: bytes of the tensor that one core encodes and decodes a second, before any measurement.
        behind: the codec whose stand-in it is: as many bytes, more loss, offered where that one cannot hold a tensor.
        since: the minor version of the protocol from which on a peer knows it.
    """

    name: CodecName
    holds: frozenset[str]
    lossless: bool
    graph_part: str = ""
    byte_part: str = ""
    nominal_ratio: float = 1.0
    pictures_only: bool = False
    rates: tuple[float, float] = (math.inf, math.inf)
    behind: CodecName = CodecName("")
    since: int = 0


_FLOATS = frozenset({"float32"})

RAW = Codec(CodecName("raw"), ALL_DTYPES, lossless=True)
ZSTD = Codec(
    CodecName("zstd"),
    ALL_DTYPES,
    lossless=True,
    byte_part="zstd",
    nominal_ratio=1.1,
    rates=(3e8, 8e8),
    since=1,
)
SPARSE = Codec(
    CodecName("sparse"),
    _FLOATS,
    lossless=True,
    byte_part="sparse",
    nominal_ratio=1.5,
    rates=(6e8, 6e8),
    since=1,
)
F16 = Codec(
    CodecName("f16"), _FLOATS, lossless=False, graph_part="cast_f16", nominal_ratio=2.0, rates=(1.7e9, 1.7e9)
)
F16_SPARSE = Codec(
    CodecName("f16+sparse"), _FLOATS, lossless=False, graph_part="cast_f16", byte_part="sparse",
    nominal_ratio=3.0, rates=(5e8, 5e8), since=1,
)  # fmt: skip
BF16 = Codec(
    CodecName("bf16"), _FLOATS, lossless=False, graph_part="round_bf16", nominal_ratio=2.0, rates=(1.7e9, 1.7e9),
    behind=CodecName("f16"), since=1,
)  # fmt: skip
U8 = Codec(
    CodecName("u8"),
    _FLOATS,
    lossless=False,
    graph_part="affine_u8",
    nominal_ratio=4.0,
    rates=(3e9, 6e9),
    since=1,
)
U8_LZ4 = Codec(
    CodecName("u8+lz4"), _FLOATS, lossless=False, graph_part="affine_u8", byte_part="lz4", nominal_ratio=4.3,
    rates=(1e9, 3e9), since=1,
)  # fmt: skip
U8_ZSTD = Codec(
    CodecName("u8+zstd"), _FLOATS, lossless=False, graph_part="affine_u8", byte_part="zstd", nominal_ratio=5.0,
    rates=(3e8, 6e8),
)  # fmt: skip
JPEG = Codec(
    CodecName("jpeg"), frozenset({"uint8"}), lossless=False, byte_part="jpeg", nominal_ratio=10.0, pictures_only=True,
    rates=(6e7, 8e7),
)  # fmt: skip

CODECS: dict[CodecName, Codec] = {
    codec.name: codec for codec in (RAW, ZSTD, SPARSE, F16, F16_SPARSE, BF16, U8, U8_LZ4, U8_ZSTD, JPEG)
}

TRAINED = "bottleneck:"
"""How the name of a trained codec begins."""
CODE = "code"
"""The byte part of a trained codec: what its encoder makes, packed where it has `LEAST_PACKED` bytes or more."""
CODE_PACKING = "zstd"
LEAST_PACKED = 512
"""Bytes of a code below which packing costs a slow device more than it can save."""
_TRAINED_NAME = re.compile(rf"{TRAINED}[A-Za-z0-9._-]{{1,80}}")


def codec_named(name: CodecName) -> Codec | None:
    """Return what is declared of a codec: one of ``CODECS``, or a trained one; None for a name that is neither."""
    return CODECS.get(name) or _trained(name)


@functools.lru_cache(maxsize=256)
def _trained(name: CodecName) -> Codec | None:
    if not _TRAINED_NAME.fullmatch(name):
        return None
    return Codec(name, _FLOATS, lossless=False, byte_part=CODE, nominal_ratio=16.0, rates=(2e7, 2e7), since=1)

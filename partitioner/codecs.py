"""How a tensor may travel, declared as data.

Law: a codec is a declaration: what it holds, its graph part (arithmetic, run by the engine) and its byte part
(compression, run by the wire), each by name. Nothing here encodes anything. A new codec is one entry in ``CODECS``
plus one piece in `device_agents/engine` (graph part) or `lepton_edge/wire/tensors.py` (byte part).
"""

from __future__ import annotations

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


@dataclass(frozen=True)
class Codec:
    """One way for a tensor to travel.

    Attributes:
        name: its name on the wire and in reports.
        holds: dtypes it accepts (numpy names).
        lossless: whether decode(encode(x)) == x bit for bit.
        graph_part: arithmetic before the bytes: "" (none), "cast_f16" or "affine_u8".
        byte_part: compression of the bytes: "" (none), "zstd" or "jpeg".
        nominal_ratio: bytes in / bytes out expected before any measurement.
        pictures_only: holds only uint8 tensors of shape [height, width, 3].
    """

    name: CodecName
    holds: frozenset[str]
    lossless: bool
    graph_part: str = ""
    byte_part: str = ""
    nominal_ratio: float = 1.0
    pictures_only: bool = False


RAW = Codec(CodecName("raw"), ALL_DTYPES, lossless=True)
F16 = Codec(
    CodecName("f16"), frozenset({"float32"}), lossless=False, graph_part="cast_f16", nominal_ratio=2.0
)
U8_ZSTD = Codec(
    CodecName("u8+zstd"), frozenset({"float32"}), lossless=False, graph_part="affine_u8", byte_part="zstd",
    nominal_ratio=5.0,
)  # fmt: skip
JPEG = Codec(
    CodecName("jpeg"),
    frozenset({"uint8"}),
    lossless=False,
    byte_part="jpeg",
    nominal_ratio=10.0,
    pictures_only=True,
)

CODECS: dict[CodecName, Codec] = {codec.name: codec for codec in (RAW, F16, U8_ZSTD, JPEG)}

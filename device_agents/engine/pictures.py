"""The pseudo-node decode_picture: an encoded picture in, RGB pixels out.

Law: an adapter from a block's tensors to the wire's picture decoder; the limits and the typed errors are the
wire's.
"""

from __future__ import annotations

from collections.abc import Mapping

from lepton_edge.core.results import Array
from lepton_edge.wire.byte_parts import bytes_of
from lepton_edge.wire.tensors import decode_picture
from partitioner.plan import Block
from partitioner.units import TensorName

DECODE_PICTURE = "decode_picture"


class PictureDecoder:
    """Runs a decode_picture block: uint8 [bytes] -> uint8 [height, width, 3]."""

    def __init__(self, block: Block) -> None:
        self._given = block.inputs[0].name
        self._made = block.outputs[0].name

    def run(self, env: Mapping[TensorName, Array], run_options: object = None) -> dict[TensorName, Array]:
        """Decode the picture; InvalidInput when the bytes are no picture, or a gigantic one."""
        return {self._made: decode_picture(bytes_of(env[self._given]))}

"""A model in another version of the standard operators, for a platform.

Law: only the words of a refusal; how it is done stands in `partitioner.onnx_io.opsets`. Whoever calls compares the
answers.
"""

from __future__ import annotations

from onnx import ModelProto

from lepton_edge.compress.errors import CompressionRefused
from partitioner.errors import InvalidModel
from partitioner.onnx_io import opsets


def convert(model: ModelProto, to: int) -> ModelProto:
    """Return `model` in version `to` of the standard operators.

    Raises:
        CompressionRefused: an operator cannot be had in it; names it.
    """
    try:
        return opsets.convert(model, to)
    except InvalidModel as error:
        raise CompressionRefused(error.message, error.hint) from error

"""The nouns of plans: what a block says of itself."""

from __future__ import annotations

import pytest

from partitioner.plan import Block, TensorSpec


@pytest.mark.parametrize(
    ("inputs", "outputs", "may"),
    [
        ([("batch", 3)], [("batch", 5)], True),
        ([("batch", 3), ("batch",)], [("", 5)], True),
        ([(1, 3)], [(1, 5)], False),
        ([("batch", 3)], [(1, 5)], False),
        ([("batch", 3), ("other", 3)], [("batch", 5)], False),
        ([("", 3)], [("", 5)], False),
        ([()], [("batch",)], False),
        ([("bytes",)], [("height", "width", 3)], False),
        ([], [("batch", 3)], False),
    ],
)
def test_which_blocks_may_have_rows(inputs, outputs, may):
    sides = [
        tuple(TensorSpec(f"{place}", "float32", shape) for place, shape in enumerate(side))
        for side in (inputs, outputs)
    ]
    assert Block(0, "onnx", *sides).has_rows is may

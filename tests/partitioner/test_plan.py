"""The nouns of plans: what a block says of itself, a book as each device holds it."""

from __future__ import annotations

import pytest

from partitioner.plan import Block, Fused, HeldVariant, PlanBook, Replica, TensorSpec


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


def test_a_book_as_each_device_holds_it():
    own, other = (Block(0, "onnx", (), (), digit * 64) for digit in "12")
    held = HeldVariant("board", "int8", (other,), "g" * 64, "b" * 64, 7, 0.05, (Fused("board", 0, 1, other),))
    book = PlanBook(
        "net", "v", (own,), (), (), (), (), "local", blob="c" * 64, variants=(held,),
        replicas=(Replica("twin", "board"), Replica("other cloud", "cloud")),
    )  # fmt: skip
    mine = book.held_by("board")
    assert (mine.blocks, mine.golden, mine.blob, mine.blob_size) == ((other,), "g" * 64, "b" * 64, 7)
    assert (mine.tolerance, mine.fused, mine.variants) == (0.05, held.fused, ())
    assert book.held_by("twin") == mine, "it stands in for the board"
    assert book.held_by("cloud").blocks == book.held_by("other cloud").blocks == (own,)
    assert book.held_by("cloud").variants == ()
    assert mine.held_by("board") is mine

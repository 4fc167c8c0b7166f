"""What a caller may give, and what it is told when it gives something else."""

from __future__ import annotations

import dataclasses

import pytest

from device_agents.machine.door import check_stage, enter
from lepton_edge.core.errors import InvalidInput
from partitioner.plan import Block, Frontier, InputSpec, OutputSpec, PlanBook, TensorSpec

WANTED = ("y@scores", "y@indices")


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "boundary", "entered"),
    [
        ("x", "uint8", (900,), 0, "x@encoded"),
        ("x@encoded", "uint8", (900,), 0, "x@encoded"),
        ("x", "uint8", (480, 640, 3), 1, "x@picture"),
        ("x@picture", "uint8", (480, 640, 3), 1, "x@picture"),
        ("x", "float32", (1, 3, 224, 224), 3, "x"),
    ],
)
def test_a_picture_enters_in_each_of_its_forms(world, name, dtype, shape, boundary, entered) -> None:
    entrance = enter(world.book(), [world.tensor(name, dtype, shape)], WANTED)
    assert entrance.boundary == boundary
    assert [tensor.name for tensor in entrance.tensors] == [entered]


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "says"),
    [
        ("z", "float32", (1,), r"no input 'z'.*\['x'\]"),
        (
            "x",
            "float64",
            (1, 3, 224, 224),
            r"must be float32 \[1, 3, 224, 224\], but float64 \[1, 3, 224, 224\]",
        ),
        ("x", "float32", (1, 3, 224, 225), r"but float32 \[1, 3, 224, 225\] was given"),
        ("x", "float32", (3, 224, 224), "give an array of that shape"),
        ("x", "uint8", (480, 640), r"uint8 \[any, any, 3\], but uint8 \[480, 640\]"),
        ("x", "uint8", (1, 4000, 3), "4000 x 1; one side may be 40 times"),
        ("x", "uint8", (0,), "empty"),
        ("x", "uint8", (0, 640, 3), "empty"),
    ],
)
def test_a_wrong_input_is_told_what_was_expected(world, name, dtype, shape, says) -> None:
    with pytest.raises(InvalidInput, match=says):
        enter(world.book(), [world.tensor(name, dtype, shape)], WANTED)


def test_one_input_in_two_forms_is_refused(world) -> None:
    given = [world.tensor("x"), world.tensor("x", "float32", (1, 3, 224, 224))]
    with pytest.raises(InvalidInput, match="twice"):
        enter(world.book(), given, WANTED)


def test_nothing_given_names_what_is_missing(world) -> None:
    with pytest.raises(InvalidInput, match=r"\['x'\]"):
        enter(world.book(), [], WANTED)


def test_no_entry_behind_a_wanted_output(world) -> None:
    """An output made early cannot be had from a caller's tensor that comes after it."""
    book = world.book()
    given = [world.tensor("x", "float32", (1, 3, 224, 224))]
    with pytest.raises(InvalidInput, match="no door"):
        enter(book, given, ("x@resized",))


def _text_book() -> PlanBook:
    ids, mask = (
        TensorSpec("ids", "int64", ("batch", "length")),
        TensorSpec("mask", "int64", ("batch", "length")),
    )
    hidden, out = (
        TensorSpec("h", "float32", ("batch", "length", 8)),
        TensorSpec("out", "float32", ("batch", 8)),
    )
    blocks = (Block(0, "onnx", (ids,), (hidden,)), Block(1, "onnx", (hidden, mask), (out,)))
    frontiers = (Frontier((ids, mask)), Frontier((hidden, mask)), Frontier(()))
    inputs = (InputSpec(ids), InputSpec(mask))
    return PlanBook("text", "v", blocks, frontiers, inputs, (OutputSpec("out"),), (), "local")


def test_several_inputs_enter_together_and_agree_on_their_dimensions(world) -> None:
    book = _text_book()
    ids, mask = world.tensor("ids", "int64", (1, 7)), world.tensor("mask", "int64", (1, 7))
    assert [tensor.name for tensor in enter(book, [mask, ids], ("out",)).tensors] == ["ids", "mask"]
    with pytest.raises(InvalidInput, match=r"'length' is 7 .* and 8 in mask"):
        enter(book, [ids, dataclasses.replace(mask, shape=(1, 8))], ("out",))
    with pytest.raises(InvalidInput, match=r"needs the inputs \['mask'\] too"):
        enter(book, [ids], ("out",))
    with pytest.raises(InvalidInput, match="mask is empty"):
        enter(book, [dataclasses.replace(mask, shape=(1, 0))], ("out",))


def test_a_stage_wants_exactly_its_frontier(world) -> None:
    frontier = world.book().frontiers[4]
    check_stage(frontier, [world.tensor("mid", "float32", (1, 8))])
    for wrong in ([], [world.tensor("x")], [world.tensor("mid", "float32", (1, 9))]):
        with pytest.raises(InvalidInput):
            check_stage(frontier, wrong)


def test_the_bytes_of_a_picture_are_no_array_and_said_to_be_none(world) -> None:
    book = dataclasses.replace(world.book(), inputs=(InputSpec(TensorSpec("x", "float32", (1, 3, 8, 8))),))
    with pytest.raises(
        InvalidInput, match="the 691 bytes of a file were given, and the model declares no"
    ) as told:
        enter(book, [world.tensor("x", "uint8", (691,))], WANTED)
    assert "--manifest" in told.value.hint
    with pytest.raises(InvalidInput) as told:
        enter(book, [world.tensor("x", "float64", (1, 3, 8))], WANTED)
    assert told.value.hint == "convert it, for instance with .astype('float32'), and give it that shape"

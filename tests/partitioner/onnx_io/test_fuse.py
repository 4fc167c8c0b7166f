"""Each rule joins what belongs together, and stops where a cut is worth something."""

from __future__ import annotations

from partitioner.codecs import DTYPE_BYTES
from partitioner.onnx_io.duplicate import Duplication
from partitioner.onnx_io.fuse import MAX_REGION, Rules
from partitioner.onnx_io.infer import TensorType
from partitioner.onnx_io.vertices import Vertex, Vertices


def rules(*lines: str, outputs: str = "", protected: str = "", **types: TensorType) -> Rules:
    """Rules over a graph written as "Operator: reads -> makes"; x is its input, tensors are 1 kB of floats."""
    made = []
    for index, line in enumerate(lines):
        operator, _, ends = line.partition(":")
        reads, makes = (tuple(words.split()) for words in ends.split("->"))
        made.append(Vertex(index, f"n{index}", operator, reads, makes))
    names = {name for vertex in made for name in (*vertex.reads, *vertex.makes)}
    known = {name: types.get(name, of_bytes(1024)) for name in names}
    all_of = Vertices(tuple(made), ("x",), tuple(outputs.split()), known)
    reads_of = Duplication(frozenset(), {vertex.index: vertex.reads for vertex in made})
    return Rules(all_of, reads_of, frozenset(protected.split()))


def joined(of: Rules) -> set[frozenset[int]]:
    """Return what is joined with what."""
    return {frozenset(pair) for pair in of.joins() if len(set(pair)) == 2}


def pairs(*wanted: tuple[int, int]) -> set[frozenset[int]]:
    return {frozenset(one) for one in wanted}


def of_bytes(size: int, dtype: str = "float32") -> TensorType:
    shape = (size // DTYPE_BYTES.get(dtype, 1),)
    return TensorType(dtype, shape, shape)


def test_an_activation_belongs_to_what_it_follows() -> None:
    assert joined(rules("Conv: x -> a", "Relu: a -> b", "Conv: b -> c")) == pairs((0, 1))


def test_two_heavy_operators_are_two_layers() -> None:
    assert joined(rules("Conv: x -> a", "Conv: a -> b")) == set()


def test_what_makes_more_bytes_than_it_takes_away_stays_alone() -> None:
    grows = rules("Conv: x -> a", "Concat: a x -> b", b=of_bytes(2048))
    assert joined(grows) == set()


def test_a_value_with_other_readers_is_a_place_to_cut() -> None:
    assert joined(rules("Conv: x -> a", "Relu: a -> b", "MaxPool: a -> c", "Conv: b -> d")) == set()


def test_an_output_or_a_door_is_not_swallowed() -> None:
    lines = ("Conv: x -> a", "Relu: a -> b")
    assert joined(rules(*lines, outputs="a")) == set()
    assert joined(rules(*lines, protected="a")) == set()


def test_a_residual_sum_belongs_to_the_later_of_its_branches() -> None:
    assert joined(rules("Conv: x -> a", "Conv: a -> b", "Conv: b -> c", "Add: a c -> d")) == pairs((2, 3))
    assert joined(rules("Conv: x -> a", "Conv: x -> b", "Add: a b -> c")) == pairs((1, 2))


def test_a_float_is_quantized_where_it_is_made_whoever_else_reads_it() -> None:
    lines = ("Conv: x -> a", "QuantizeLinear: a -> q", "MaxPool: a -> b")
    assert joined(rules(*lines, q=of_bytes(256, "uint8"))) == pairs((0, 1))
    assert joined(rules(*lines, q=of_bytes(256, "uint8"), protected="a")) == set()


def test_what_cannot_cross_stays_with_its_maker_and_all_readers() -> None:
    lines = ("SequenceConstruct: x -> s", "SequenceAt: s -> a", "SequenceLength: s -> b")
    assert joined(rules(*lines, s=of_bytes(0, ""))) >= pairs((0, 1), (0, 2))


def test_an_input_that_cannot_cross_holds_its_readers_together() -> None:
    lines = ("Conv: w -> c", "StringNormalizer: x -> a", "LabelEncoder: x -> b")
    assert joined(rules(*lines, x=of_bytes(0, ""))) == pairs((1, 2))


def test_a_shape_is_taken_where_its_tensor_is_made() -> None:
    lines = ("Conv: x -> a", "Shape: a -> s", "MaxPool: a -> b", "Expand: b s -> c")
    assert pairs((0, 1)) <= joined(rules(*lines, s=of_bytes(32, "int64")))
    assert not pairs((0, 1)) & joined(rules(*lines, s=of_bytes(4096, "int64"))), "that is no few numbers"


def test_paths_that_meet_again_are_one_with_what_they_left() -> None:
    silu = ("Conv: x -> a", "Sigmoid: a -> b", "Mul: a b -> c", "Conv: c -> d")
    found = joined(rules(*silu))
    assert pairs((1, 2), (0, 1)) <= found
    assert not any(3 in pair for pair in found)


def test_paths_that_meet_are_one_even_where_their_start_goes_elsewhere_too() -> None:
    found = joined(rules("Conv: x -> a", "Sigmoid: a -> b", "Mul: a b -> c", "Conv: a -> d", "Conv: c -> e"))
    assert found == pairs((1, 2)), "the start is needed elsewhere: the cut behind it stays"


def test_paths_that_grow_are_one_but_not_with_what_they_left() -> None:
    found = joined(rules("Conv: x -> a", "Exp: a -> b", "Concat: a b -> c", "Conv: c -> d", c=of_bytes(4096)))
    assert found == pairs((1, 2))


def test_branches_with_a_heavy_operator_do_not_meet() -> None:
    found = joined(rules("Conv: x -> a", "Conv: a -> b", "Add: a b -> c", "Conv: c -> d"))
    assert found == pairs((1, 2)), "the sum follows the branch; the branch is no activation"


def test_a_region_is_looked_for_only_so_far() -> None:
    def path(length: int) -> Rules:
        steps = [f"Relu: t{index} -> t{index + 1}" for index in range(length)]
        return rules("Conv: x -> t0", *steps, f"Add: t0 t{length} -> y", "Conv: y -> z")

    assert pairs((0, 1)) <= joined(path(MAX_REGION - 2))
    assert not pairs((0, 1)) & joined(path(MAX_REGION + 1))

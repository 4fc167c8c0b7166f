"""Where the caller's tensors enter a book.

Law: names, dtypes and shapes are checked here, once, and trusted inside. This room reads what is declared
of a tensor, never its bytes. For a picture input X the caller may give an encoded picture (uint8 [bytes]),
a picture (uint8 [height, width, 3]) or X itself; each is a tensor of the composed graph of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.frames import WireTensor
from lepton_edge.core.pictures import check_size
from partitioner.plan import Dim, Frontier, InputSpec, PlanBook, TensorSpec
from partitioner.units import TensorName

PICTURE_SHAPE: tuple[Dim, ...] = ("", "", 3)


@dataclass(frozen=True)
class Entrance:
    """The boundary at which a request enters its book, and the frontier's tensors, by the graph's names.

    `given` are those names for everything that was given, in the caller's order.
    """

    boundary: int
    tensors: tuple[WireTensor, ...]
    given: tuple[TensorName, ...] = ()


def enter(book: PlanBook, given: Sequence[WireTensor], wanted: Iterable[TensorName]) -> Entrance:
    """Return the largest boundary whose whole frontier was given and before which nothing `wanted` is made.

    Raises:
        InvalidInput: an unknown, double or missing input, or one of a dtype or shape that the model does
        not take.
    """
    named = _named(book, given)
    made_by = {spec.name: block.index for block in book.blocks for spec in block.outputs}
    latest = min((made_by[name] for name in wanted if name in made_by), default=len(book.blocks))
    for boundary in range(min(latest, len(book.blocks) - 1), -1, -1):
        names = [spec.name for spec in book.frontiers[boundary].tensors]
        if names and all(name in named for name in names):
            return Entrance(boundary, tuple(named[name] for name in names), tuple(named))
    raise _no_door(book, named)


def check_stage(frontier: Frontier, given: Sequence[WireTensor]) -> None:
    """Check that a stage got exactly the frontier it begins with; raise InvalidInput where it did not."""
    expected = {spec.name: spec for spec in frontier.tensors}
    names = sorted(tensor.name for tensor in given)
    if names != sorted(expected):
        raise InvalidInput(f"this stage begins with the tensors {sorted(expected)}; {names} came in")
    bound: dict[str, int] = {}
    for tensor in given:
        _fit(tensor, expected[tensor.name], bound)


def is_answer(wanted: Sequence[TensorSpec], given: Sequence[WireTensor]) -> bool:
    """Say whether a far side's answer is the tensors that it was asked for, each of its dtype.

    Shapes are not held against it: what a model declares of its outputs is often not what it makes.
    """
    if len(given) != len(wanted):
        return False
    dtypes = {spec.name: spec.dtype for spec in wanted}
    return {tensor.name for tensor in given} == dtypes.keys() and all(
        [tensor.dtype == dtypes[tensor.name] for tensor in given]
    )


def _named(book: PlanBook, given: Sequence[WireTensor]) -> dict[TensorName, WireTensor]:
    named: dict[TensorName, WireTensor] = {}
    taken: set[TensorName] = set()
    bound: dict[str, int] = {}
    for tensor in given:
        spec = _input_of(book, tensor)
        if spec.tensor.name in taken:
            raise InvalidInput(f"the input {spec.tensor.name!r} was given twice", "give each input once")
        taken.add(spec.tensor.name)
        target = _form(spec, tensor)
        _fit(tensor, target, bound)
        if target.name == spec.picture:
            check_size(tensor.shape[1], tensor.shape[0])
        named[target.name] = replace(tensor, name=target.name)
    return named


def _input_of(book: PlanBook, tensor: WireTensor) -> InputSpec:
    for spec in book.inputs:
        if tensor.name in {spec.tensor.name, spec.picture, spec.encoded} - {""}:
            return spec
    names = [str(spec.tensor.name) for spec in book.inputs]
    raise InvalidInput(f"{book.model} has no input {tensor.name!r}", f"its inputs are {names}")


def _form(spec: InputSpec, tensor: WireTensor) -> TensorSpec:
    """Return which of the forms of an input this tensor is meant to be."""
    picture = TensorSpec(spec.picture, "uint8", PICTURE_SHAPE)
    encoded = TensorSpec(spec.encoded, "uint8", ("",))
    if (
        not spec.encoded
        or tensor.dtype != "uint8"
        or spec.tensor.dtype == "uint8"
        and _fits(tensor, spec.tensor)
    ):
        return spec.tensor
    if tensor.name in (spec.picture, spec.encoded):
        return picture if tensor.name == spec.picture else encoded
    return encoded if len(tensor.shape) == 1 else picture


def _fits(tensor: WireTensor, spec: TensorSpec) -> bool:
    return len(tensor.shape) == len(spec.shape) and all(
        not isinstance(want, int) or have == want for have, want in zip(tensor.shape, spec.shape, strict=True)
    )


def _fit(tensor: WireTensor, spec: TensorSpec, bound: dict[str, int]) -> None:
    """Check dtype and shape; a named dimension must have one size in all inputs (`bound` remembers them)."""
    if tensor.dtype == "uint8" and len(tensor.shape) == 1 and not _fits(tensor, spec):
        raise InvalidInput(
            f"{spec.name} must be {_shown(spec)}, but the {tensor.shape[0]} bytes of a file were given, and the model "
            "declares no pictures for it",
            "give an array (.npy); or push the model again with a manifest that says how a picture becomes its input: "
            "lepton-edge model push NAME FILE.onnx --manifest FILE.toml",
        )
    if tensor.dtype != spec.dtype:
        reshape = "" if _fits(tensor, spec) else ", and give it that shape"
        raise InvalidInput(
            f"{spec.name} must be {_shown(spec)}, but {tensor.dtype} {list(tensor.shape)} was given",
            f"convert it, for instance with .astype({spec.dtype!r}){reshape}",
        )
    if not _fits(tensor, spec):
        raise InvalidInput(
            f"{spec.name} must be {_shown(spec)}, but {tensor.dtype} {list(tensor.shape)} was given",
            "give an array of that shape",
        )
    for have, want in zip(tensor.shape, spec.shape, strict=True):
        _bind(spec, have, want, bound)


def _bind(spec: TensorSpec, have: int, want: Dim, bound: dict[str, int]) -> None:
    if isinstance(want, int):
        return
    if have == 0:
        raise InvalidInput(f"{spec.name} is empty: its shape has a 0", f"it must be {_shown(spec)}")
    if want and bound.setdefault(want, have) != have:
        raise InvalidInput(
            f"the dimension {want!r} is {bound[want]} in one tensor and {have} in {spec.name}",
            "give it one size everywhere",
        )


def _shown(spec: TensorSpec) -> str:
    return f"{spec.dtype} [{', '.join(str(dim) if dim != '' else 'any' for dim in spec.shape)}]"


def _no_door(book: PlanBook, named: dict[TensorName, WireTensor]) -> InvalidInput:
    missing = [
        str(spec.tensor.name)
        for spec in book.inputs
        if not {spec.tensor.name, spec.picture, spec.encoded} & named.keys()
    ]
    if missing:
        return InvalidInput(f"{book.model} needs the inputs {missing} too", "give every input of the model")
    forms = ", ".join(_forms(spec) for spec in book.inputs)
    return InvalidInput(f"the active plan of {book.model} has no door for these forms of its inputs", forms)


def _forms(spec: InputSpec) -> str:
    if not spec.encoded:
        return f"{spec.tensor.name} as {_shown(spec.tensor)}"
    return f"{spec.tensor.name} as an encoded picture, or as uint8 [height, width, 3]"

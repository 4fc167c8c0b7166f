"""Whether a sample fits a model, and what it takes to make it fit.

Law: the one door through which samples come in: names, dtypes, shapes and finite values are checked here and trusted
behind. A float may become another float and an integer another integer; nothing is scaled, resized or guessed but what
the manifest says of pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto, ValueInfoProto, helper

from lepton_edge.compress.errors import UnusableData
from lepton_edge.compress.pictures import Preparer
from lepton_edge.compress.technique import Sample
from lepton_edge.core.results import Array


@dataclass(frozen=True)
class InputRule:
    """What one input takes: its dtype, and its shape with None for a dynamic dimension."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]


def input_rules(model: ModelProto) -> dict[str, InputRule]:
    """Return what each input of `model` takes; initializers that are inputs too are none."""
    weights = {one.name for one in model.graph.initializer}
    return {one.name: _rule(one) for one in model.graph.input if one.name not in weights}


def _rule(given: ValueInfoProto) -> InputRule:
    kind = given.type.tensor_type
    shape = tuple(dim.dim_value if dim.dim_value > 0 else None for dim in kind.shape.dim)
    return InputRule(given.name, np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type)), shape)


class Fitting:
    """Makes samples fit a model's inputs."""

    def __init__(self, model: ModelProto, pictures: Mapping[str, Preparer]) -> None:
        self.rules = input_rules(model)
        self.pictures = pictures

    def fit(self, sample: Sample) -> Sample:
        """Return `sample` with feeds as the model takes them.

        Raises:
            UnusableData: an input is missing or unknown, or of the wrong dtype or shape, or not finite.
        """
        missing = self.rules.keys() - sample.feeds.keys()
        unknown = sample.feeds.keys() - self.rules.keys()
        if missing or unknown:
            wrong = (
                f"lacks {_listed(missing)}"
                if missing
                else f"has {_listed(unknown)}, which no input is called"
            )
            raise UnusableData(f"{sample.source} {wrong}", f"the model's inputs are {_listed(self.rules)}")
        feeds = {
            name: self._fit(rule, sample.feeds[name], sample.source) for name, rule in self.rules.items()
        }
        return Sample(feeds, sample.source, sample.label)

    def _fit(self, rule: InputRule, array: Array, source: str) -> Array:
        preparer = self.pictures.get(rule.name)
        if preparer is not None and array.dtype == np.uint8:
            if array.ndim == 1:
                array = preparer.from_file(array.tobytes(), source)
            elif array.ndim == 3 and array.shape[2] == 3:
                array = preparer.from_pixels(np.ascontiguousarray(array))
        return _finite(_shaped(rule, _cast(rule, array, source), source), rule, source)


def _cast(rule: InputRule, array: Array, source: str) -> Array:
    if array.dtype == rule.dtype:
        return array
    kinds = {"f": "f", "i": "i", "u": "i"}
    same = kinds.get(array.dtype.kind) == kinds.get(rule.dtype.kind) is not None
    if not same:
        raise UnusableData(
            f"{source}: input {rule.name!r} is {array.dtype}, the model takes {rule.dtype}",
            "convert it first",
        )
    with np.errstate(over="ignore"):
        made = array.astype(rule.dtype)
    if made.dtype.kind != "f" and not np.array_equal(made, array):
        raise UnusableData(
            f"{source}: input {rule.name!r} has values that {rule.dtype} cannot hold", "check it"
        )
    return made


def _shaped(rule: InputRule, array: Array, source: str) -> Array:
    given = array
    if array.ndim == len(rule.shape) - 1 and rule.shape[0] in (None, 1):
        array = array[np.newaxis]
    agrees = array.ndim == len(rule.shape) and all(
        want in (None, have) for want, have in zip(rule.shape, array.shape, strict=True)
    )
    if not agrees:
        wanted = " x ".join("?" if one is None else str(one) for one in rule.shape)
        found = " x ".join(map(str, given.shape)) or "a single number"
        raise UnusableData(
            f"{source}: input {rule.name!r} is {found}, the model takes {wanted}", "check its shape"
        )
    return np.ascontiguousarray(array)


def _finite(array: Array, rule: InputRule, source: str) -> Array:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        what = "NaN" if np.isnan(array).any() else "infinite"
        raise UnusableData(f"{source}: input {rule.name!r} holds {what} values", "mend or remove that sample")
    return array


def _listed(names: Any) -> str:
    return ", ".join(repr(one) for one in sorted(names))

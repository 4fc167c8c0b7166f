"""What somebody could see of the inputs in what leaves the board: each cut of a plan under the simplest attack.

Law: runs the compiled model on the samples that were pushed, and hands what its cuts hold to `inversion`. Tensors are
taken as computed, before their codec. It promises nothing: a figure is what an attacker can at least do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from partitioner.compiled import CompiledModel
from partitioner.errors import InvalidProblem
from partitioner.profile.activations import activations
from partitioner.profile.inversion import LEAST, SIDE, Array, Inversion, invert, pictures_of, reduced
from partitioner.units import TensorName

SAMPLES = 32
MOST_CUTS = 16

Document = dict[str, Any]
Cuts = Mapping[str, Sequence[TensorName]]
"""By page, the tensors that leave the board."""


def privacy(directory: Path, compiled: CompiledModel, cuts: Cuts) -> Document:
    """Return for each cut how well inputs are reconstructed from it, or why that cannot be said.

    `ssim` is 1 for a perfect picture; `blind` is what is reached without any tensor. A cut that sends the input
    itself has no ssim, and says so. Raises InvalidModel when a sample picture cannot be decoded.
    """
    found: Document = {"side": SIDE, "samples": 0, "cuts": [], "unmeasured": ""}
    own = _inputs(compiled)
    name = next((spec.tensor.name for spec in compiled.inputs), None)
    pictures = None if name is None else _pictures(directory, compiled, name)
    if isinstance(pictures, str) or pictures is None:
        return {**found, "unmeasured": pictures or "the model has no input"}
    rows = []
    for page, tensors in list(cuts.items())[:MOST_CUTS]:
        sent = bool(own & set(tensors))
        seen = None if sent else _inverted(directory, compiled, tensors, pictures)
        rows.append(_row(page, tensors, sent, seen))
    return {**found, "samples": len(pictures), "cuts": rows}


def _row(page: str, tensors: Sequence[TensorName], sent: bool, seen: Inversion | None) -> Document:
    measured = {"ssim": seen.ssim if seen else None, "blind": seen.blind if seen else None}
    return {"page": page, "tensors": list(tensors), "sends_input": sent, **measured}


def _inputs(compiled: CompiledModel) -> set[TensorName]:
    """Return every tensor that is an input: encoded, as a picture, resized, or as an array."""
    names = {name for spec in compiled.inputs for name in (spec.encoded, spec.picture, spec.tensor.name)}
    layers = compiled.graph.layers
    for tensor in compiled.graph.tensors:
        maker = layers[tensor.producer] if tensor.producer >= 0 else None
        if maker is None or maker.pseudo or maker.from_input:
            names.add(tensor.name)
    return {name for name in names if name}


def _pictures(directory: Path, compiled: CompiledModel, name: TensorName) -> list[Array] | str:
    """Return the samples as pictures, or why there are none."""
    try:
        arrays = [one[name] for one in activations(directory, compiled, [name], SAMPLES)]
    except InvalidProblem:
        return "the samples do not give what the model computes with"
    if len(arrays) < LEAST:
        return f"{len(arrays)} samples were pushed; {LEAST} are needed: model push --samples"
    return pictures_of(arrays) or f"the input {name} is no picture of one or three channels"


def _inverted(
    directory: Path, compiled: CompiledModel, tensors: Sequence[TensorName], pictures: Sequence[Array]
) -> Inversion | None:
    """Return how well the cut is inverted; None where it cannot be computed or holds no numbers."""
    names = list(tensors)
    held = []
    for one in activations(directory, compiled, names, SAMPLES):
        if any(one[name].dtype.kind not in "fiub" for name in names):
            return None
        held.append([reduced(one[name]) for name in names])
    return invert(held, pictures) if names else None

"""One node as an operator sees it.

Law: a noun; it holds no tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import Tensor


@dataclass
class Call:
    """One node: what it is called, its attributes as Python values, the operator set, and whether we train.

    `training` is the one thing that changes: batch normalisation and dropout look at it.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    opset: int = 17
    training: bool = False

    def get(self, name: str, default: Any) -> Any:
        """Return attribute `name`, or `default` where the node has none."""
        return self.attributes.get(name, default)

    def integers(self, name: str, values: Sequence[Tensor | None], position: int) -> list[int] | None:
        """Return integers that are attribute `name` in older operator sets, an input in newer ones; None: neither."""
        if name in self.attributes:
            return [int(one) for one in self.attributes[name]]
        given = values[position] if len(values) > position else None
        return None if given is None else [int(one) for one in given.reshape(-1).tolist()]


Values: TypeAlias = Sequence[Any]
"""Inputs of an operator: tensors, None where an optional one is left out."""

Operator: TypeAlias = Callable[[Call, Values], Any]
"""Returns one tensor, or a tuple of them."""

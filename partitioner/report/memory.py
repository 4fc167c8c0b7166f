"""The memory that each device needs for the book, as a document.

Law: as `document.py`'s. The rule is the planner's (`partitioner.solve.problem`): the weights of all layers held,
a tied one once, plus the largest activation of any of them, times 1 + headroom.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from partitioner.book import BookOptions, Draft
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile
from partitioner.predict import activations
from partitioner.units import DeviceId

Document = dict[str, Any]


def memory(
    compiled: CompiledModel, draft: Draft, profiles: Mapping[str, DeviceProfile], options: BookOptions
) -> list[Document]:
    """Return, for each role of `profiles`, what its device needs so that every page of the book can run.

    `limit` is 0 where there is none.
    """
    held = held_layers(draft)
    limits = {"board": options.board_memory, "cloud": options.cloud_memory}
    return [
        _needs(compiled, profile, role, held[role])
        | {"headroom": options.headroom, "limit": limits.get(role, 0)}
        | {"needed": _needed(compiled, profile, held[role], options.headroom)}
        for role, profile in profiles.items()
    ]


def held_layers(draft: Draft) -> dict[str, frozenset[int]]:
    """Return the layers that each role holds so that every page of the book can run."""
    everything = draft.boundaries[-1]
    if len(draft.page(draft.active).stages) == 1:
        return {"board": everything, "cloud": everything}
    on_board = [layers_of(draft, page.name, draft.board) for page in draft.pages]
    in_cloud = [layers_of(draft, page.name, draft.cloud) for page in draft.pages]
    return {"board": frozenset().union(*on_board), "cloud": frozenset().union(*in_cloud)}


def layers_of(draft: Draft, name: str, device: DeviceId) -> frozenset[int]:
    """Return the layers that `device` runs in the page called `name`."""
    page = next(page for page in draft.pages if page.name == name)
    parts = [
        draft.boundaries[stage.last] - draft.boundaries[stage.first]
        for stage in page.stages
        if stage.device == device
    ]
    return frozenset().union(*parts)


def weights_of(compiled: CompiledModel, layers: Iterable[int]) -> int:
    """Return the bytes of the weights of `layers`, a tied one once."""
    names = {name for index in layers for name in compiled.graph.layers[index].weight_names}
    return sum(ref.length for ref in compiled.weights if ref.name in names)


def _needs(compiled: CompiledModel, profile: DeviceProfile, role: str, layers: frozenset[int]) -> Document:
    return {
        "device": profile.device,
        "role": role,
        "layers": len(layers),
        "weights": weights_of(compiled, layers),
        "activations": _largest_activation(compiled, profile, layers),
        "activations_measured": profile.activation_peak > 0,
    }


def _needed(compiled: CompiledModel, profile: DeviceProfile, layers: frozenset[int], headroom: float) -> int:
    held = weights_of(compiled, layers) + _largest_activation(compiled, profile, layers)
    return round(held * (1 + headroom))


def _largest_activation(compiled: CompiledModel, profile: DeviceProfile, layers: frozenset[int]) -> int:
    each = activations(profile, compiled.graph)
    return max((each[index] for index in layers), default=0) if each else 0

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
from partitioner.units import Bytes, DeviceId, TensorName

Document = dict[str, Any]
Sizes = Mapping[TensorName, Bytes]


def memory(
    compiled: CompiledModel, draft: Draft, profiles: Mapping[str, DeviceProfile], options: BookOptions
) -> list[Document]:
    """Return, for each role of `profiles`, what its device needs so that every page of the book can run.

    `limit` is 0 where there is none.
    """
    held = held_layers(draft)
    limits = {"board": options.board_memory, "cloud": options.cloud_memory}
    return [
        _needs(compiled, profile, held[role], own_weights(options, role), options.headroom)
        | {"role": role, "headroom": options.headroom, "limit": limits.get(role, 0)}
        for role, profile in profiles.items()
    ]


def own_weights(options: BookOptions, role: str) -> Sizes | None:
    """Return the bytes of each initializer as the device of `role` holds it; None where the model says it."""
    return {"board": options.board_weights, "cloud": options.cloud_weights}.get(role)


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


def weights_of(compiled: CompiledModel, layers: Iterable[int], own: Sizes | None = None) -> int:
    """Return the bytes of the weights of `layers`, a tied one once; by `own` sizes where they are given."""
    names = {name for index in layers for name in compiled.graph.layers[index].weight_names}
    sizes = {ref.name: ref.length for ref in compiled.weights} if own is None else own
    return sum(size for name, size in sizes.items() if name in names)


def _needs(
    compiled: CompiledModel,
    profile: DeviceProfile,
    layers: frozenset[int],
    own: Sizes | None,
    headroom: float,
) -> Document:
    weights = weights_of(compiled, layers, own)
    alive = _largest_activation(compiled, profile, layers)
    return {
        "device": profile.device,
        "layers": len(layers),
        "weights": weights,
        "activations": alive,
        "activations_measured": profile.activation_peak > 0,
        "needed": round((weights + alive) * (1 + headroom)),
    }


def _largest_activation(compiled: CompiledModel, profile: DeviceProfile, layers: frozenset[int]) -> int:
    each = activations(profile, compiled.graph)
    return max((each[index] for index in layers), default=0) if each else 0

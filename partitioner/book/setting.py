"""Everything a book is made from, worked out once: costs, codecs, the problem for the solver.

Law: a frozen value that the other files of this room read. It decides nothing.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass

from partitioner.book.crossing import codec_options, codec_seconds
from partitioner.book.draft import BookOptions
from partitioner.book.lacking import lacking
from partitioner.book.own import near_names
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.errors import InvalidProblem
from partitioner.graph import CostGraph
from partitioner.predict import activations, stage_costs
from partitioner.solve.problem import NO_LIMITS, Device, Problem, Watts, hops_of
from partitioner.units import Bytes, DeviceId

UNKNOWN = Watts(0.0)


@dataclass(frozen=True)
class Setting:
    """A board, a cloud, the link between them and the model.

    `problem` has every wish but the one to keep the input, which `wish` has too; `free` has none of them, and
    allows every codec: any page can be costed in it, those that may not run included.
    """

    compiled: CompiledModel
    board: DeviceProfile
    cloud: DeviceProfile
    link: LinkProfile
    options: BookOptions
    problem: Problem

    @property
    def graph(self) -> CostGraph:
        """The model's graph."""
        return self.compiled.graph

    @property
    def near(self) -> Device:
        """The board as the solver sees it."""
        return self.problem.devices[0]

    @property
    def far(self) -> Device:
        """The cloud as the solver sees it."""
        return self.problem.devices[1]

    @property
    def wish(self) -> Problem:
        """What was asked for, whole."""
        return dataclasses.replace(self.problem, keep_input=self.options.keep_input)

    @functools.cached_property
    def free(self) -> Problem:
        """The problem without a wish."""
        allowed = {
            name: tuple(dataclasses.replace(option, allowed=True) for option in options)
            for name, options in self.problem.options.items()
        }
        return dataclasses.replace(placeable(self.problem), options=allowed, limits=NO_LIMITS)


def make_setting(
    compiled: CompiledModel,
    board: DeviceProfile,
    cloud: DeviceProfile,
    link: LinkProfile,
    options: BookOptions,
) -> Setting:
    """Fit the costs, and state the problem.

    Raises:
        ProfileError: a profile is absurd or of another model.
        InvalidProblem: an operator that is lacked is none of the model's.
    """
    near = device_of(compiled, board, options.board_memory, options.board_watts, options.radio_watts)
    far = device_of(compiled, cloud, options.cloud_memory, options.cloud_watts)
    problem = Problem(
        compiled.graph,
        (
            dataclasses.replace(
                near, lacks=lacking(compiled.graph, options.board_lacks), weight_bytes=options.board_weights
            ),
            dataclasses.replace(
                far, lacks=lacking(compiled.graph, options.cloud_lacks), weight_bytes=options.cloud_weights
            ),
        ),
        hops_of(near.name, far.name, link),
        order=(near.name, far.name),
        options=codec_options(compiled),
        pins={layer: near.name for layer in _kept_layers(compiled.graph, options)},
        stay=frozenset(options.stay),
        weight_bytes={ref.name: ref.length for ref in compiled.weights},
        headroom=options.headroom,
        objective=options.objective,
        limits=options.limits,
    )
    return Setting(compiled, board, cloud, link, options, problem)


def placeable(problem: Problem) -> Problem:
    """Return the problem without what forbids a layer or a tensor a place, so that any division can be costed."""
    able = tuple(dataclasses.replace(device, lacks=frozenset()) for device in problem.devices)
    return dataclasses.replace(problem, devices=able, pins={}, stay=frozenset(), keep_input=False)


def device_of(
    compiled: CompiledModel,
    profile: DeviceProfile,
    memory: Bytes,
    watts: Watts = UNKNOWN,
    radio_watts: Watts = UNKNOWN,
) -> Device:
    """Return a profiled device as the solver sees it.

    Activations count where the profile measured their peak; elsewhere only the headroom stands for them.

    Raises:
        ProfileError: the profile is absurd or of another model.
    """
    return Device(
        DeviceId(profile.device),
        stage_costs(profile, compiled.graph),
        codec_seconds(compiled, profile),
        memory,
        activations(profile, compiled.graph) if profile.activation_peak else (),
        watts,
        radio_watts,
    )


def prepared(graph: CostGraph) -> frozenset[int]:
    """Return the layers that only prepare an input: pseudo-nodes and pre-processing."""
    return frozenset(layer.index for layer in graph.layers if layer.from_input or layer.pseudo)


def check_wishes(graph: CostGraph, options: BookOptions) -> None:
    """Refuse what cannot be meant of this model.

    Raises:
        InvalidProblem: a tensor that is to stay is none of the model's; more layers than it has are to stay.
    """
    known = {tensor.name for tensor in graph.tensors}
    for name in options.stay:
        if name not in known:
            raise InvalidProblem(
                f"no tensor of the model is called {name}{near_names(name, sorted(known))}",
                "`plan explain NAME --format json` lists them",
            )
    count = len(graph.layers) - len(prepared(graph))
    if options.first_layers > count:
        raise InvalidProblem(
            f"the first {options.first_layers} layers are to stay on the board, and the model has {count}",
            f"give 0 to {count}, such as --first-layers {min(3, count)}",
        )


def _kept_layers(graph: CostGraph, options: BookOptions) -> frozenset[int]:
    """Return the layers that the wishes pin to the board: the first of the model itself, the makers of outputs."""
    before = prepared(graph)
    inside = [layer.index for layer in graph.layers if layer.index not in before]
    makers = {one.producer for one in graph.tensors if one.is_output and one.producer >= 0}
    return frozenset(inside[: options.first_layers]) | (makers if options.keep_output else frozenset())

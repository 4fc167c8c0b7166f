"""What crosses each boundary, and the combinations of codecs that are worth choosing there.

Law: tables over a lattice, in numpy, for one pair of devices at a time; no stage, no search. A combination is a
codec for each tensor that crosses; of all combinations those stay that no other beats in every metric that this
problem looks at. Their number is bounded: past the bound they are thinned, and the table says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array

from partitioner.graph import CostTensor
from partitioner.solve.labels import Floats, ideals, thinned, undominated
from partitioner.solve.lattice import Bools, Lattice
from partitioner.solve.metrics import Metrics
from partitioner.solve.prices import Boundary, crossing
from partitioner.solve.problem import Problem, codec_options, may_cross
from partitioner.units import CodecName, TensorName

NEAR, HOP, FAR, BYTES, LOSS = range(5)  # columns of what a combination costs
MOST_COMBINATIONS = 48  # at one boundary of one pair of devices

Picks = tuple[int, ...]


@dataclass(frozen=True)
class Flow:
    """What crosses behind each down-set of a lattice.

    Attributes:
        tensors: those that may cross a boundary.
        live: bool [D, tensors].
        legal: bool [D], whether nothing that must not cross would cross there.
        outputs: bool [D, outputs], those made inside. sizes: their bytes.
    """

    tensors: tuple[CostTensor, ...]
    live: Bools
    legal: Bools
    outputs: Bools
    sizes: Floats


@dataclass(frozen=True)
class Crossings:
    """Combinations by down-set for one pair of devices; those of J are `start[J]` to `start[J + 1]`.

    Attributes:
        start: [D + 1].
        costs: [combinations, 5]: seconds of the near device, the hop and the far device (their share of
            the message and the far one's overhead included), wire bytes, loss.
        picks: option of each of the `open` tensors that are live; empty where no tensor has a choice.
        fixed: the option of each tensor that has no choice worth making; -1 for those that have.
        tight: whether nothing was thinned.
    """

    boundary: Boundary
    start: npt.NDArray[np.intp]
    costs: Floats
    picks: list[Picks]
    fixed: tuple[int, ...]
    tight: bool


@dataclass
class _Fronts:
    """Fronts of combinations of the tensors that have a choice, by those tensors, each built on its prefix's."""

    choices: dict[int, tuple[npt.NDArray[np.intp], Floats]]
    project: Floats
    optimistic: bool
    tight: bool = True
    known: dict[tuple[int, ...], tuple[Floats, list[Picks]]] = field(default_factory=dict)

    def of(self, tensors: tuple[int, ...]) -> tuple[Floats, list[Picks]]:
        if not tensors:
            return np.zeros((1, 5)), [()]
        if tensors not in self.known:
            self.known[tensors] = self._grown(tensors)
        return self.known[tensors]

    def _grown(self, tensors: tuple[int, ...]) -> tuple[Floats, list[Picks]]:
        before, picks = self.of(tensors[:-1])
        options, costs = self.choices[tensors[-1]]
        table = (before[:, None, :] + costs[None, :, :]).reshape(-1, 5)
        keep = undominated(table @ self.project)
        names = [(*picks[row // len(options)], int(options[row % len(options)])) for row in keep.tolist()]
        table = table[keep]
        if len(table) <= MOST_COMBINATIONS:
            return table, names
        self.tight = False
        chosen, place = thinned(table @ self.project, MOST_COMBINATIONS)
        fewer = ideals(table, place, len(chosen)) if self.optimistic else table[chosen]
        return fewer, [names[row] for row in chosen.tolist()]


def flow_of(problem: Problem, lattice: Lattice) -> Flow:
    """Return what crosses behind each down-set of `lattice`."""
    travelling = [one for one in problem.graph.tensors if set(one.consumers) - {one.producer}]
    live = _live(problem, lattice, travelling)
    may = np.array([may_cross(problem, one) for one in travelling], dtype=np.bool_)
    made = [one for one in problem.graph.tensors if one.is_output and one.producer >= 0]
    return Flow(
        tensors=tuple(one for one, free in zip(travelling, may, strict=True) if free),
        live=live[:, may],
        legal=np.asarray(~live[:, ~may].any(axis=1)),
        outputs=lattice.sets[:, [one.producer for one in made]],
        sizes=np.array([one.size for one in made], dtype=np.float64),
    )


def _live(problem: Problem, lattice: Lattice, tensors: list[CostTensor]) -> Bools:
    pairs = [(row, layer) for row, one in enumerate(tensors) for layer in set(one.consumers)]
    rows, layers = zip(*pairs, strict=True) if pairs else ((), ())
    shape = (len(tensors), len(problem.graph.layers))
    users = coo_array((np.ones(len(pairs), dtype=np.int32), (rows, layers)), shape=shape).tocsr()
    met = np.asarray((users @ lattice.sets.T.astype(np.int32)).T)
    waiting = met < np.array([len(set(one.consumers)) for one in tensors], dtype=np.int32)
    given = np.array([one.producer < 0 for one in tensors], dtype=np.bool_)
    made = lattice.sets[:, [max(one.producer, 0) for one in tensors]]
    return np.asarray(waiting & (made | given), dtype=np.bool_)


def crossings_of(
    problem: Problem, flow: Flow, boundary: Boundary, metrics: Metrics, optimistic: bool = False
) -> Crossings:
    """Return the combinations worth choosing at `boundary`; an optimistic table bounds those it thins."""
    project = projection(metrics, boundary)
    fixed: list[int] = []
    single = np.zeros((len(flow.tensors), 5))
    choices: dict[int, tuple[npt.NDArray[np.intp], Floats]] = {}
    for index, tensor in enumerate(flow.tensors):
        options, costs = _options(problem, boundary, tensor, project)
        fixed.append(int(options[0]) if len(options) == 1 else -1)
        if len(options) == 1:
            single[index] = costs[0]
        else:
            choices[index] = (options, costs)
    base = flow.live.astype(np.float64) @ single + _message(boundary)
    fronts = _Fronts(choices, project, optimistic)
    return _table(boundary, base, tuple(fixed), fronts, _open(flow, choices))


def _open(flow: Flow, choices: dict[int, tuple[npt.NDArray[np.intp], Floats]]) -> Iterator[tuple[int, ...]]:
    columns = np.array(sorted(choices), dtype=np.intp)
    for row in flow.live[:, columns]:
        yield tuple(columns[row].tolist())


def _table(
    boundary: Boundary, base: Floats, fixed: tuple[int, ...], fronts: _Fronts, live: Iterator[tuple[int, ...]]
) -> Crossings:
    if not fronts.choices:
        return Crossings(boundary, np.arange(len(base) + 1), base, [()] * len(base), fixed, True)
    counts: list[int] = []
    costs: list[Floats] = []
    picks: list[Picks] = []
    for row, tensors in zip(base, live, strict=True):
        table, names = fronts.of(tensors)
        counts.append(len(table))
        costs.append(table + row)
        picks.extend(names)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
    return Crossings(boundary, start, np.concatenate(costs), picks, fixed, fronts.tight)


def projection(metrics: Metrics, boundary: Boundary) -> Floats:
    """Return [5, metrics]: what each part of a combination's cost adds to every metric that is looked at."""
    near, far = boundary.near, boundary.far
    sums = np.stack(
        [
            metrics.second(near),
            metrics.hop_second(near, far),
            metrics.second(far),
            metrics.byte(),
            metrics.loss(),
        ]
    )
    return np.hstack([sums, np.eye(5)[:, :3]]) if metrics.loads else sums


def _options(
    problem: Problem, boundary: Boundary, tensor: CostTensor, project: Floats
) -> tuple[npt.NDArray[np.intp], Floats]:
    options = codec_options(problem, tensor)
    allowed = np.array([index for index, one in enumerate(options) if one.allowed], dtype=np.intp)
    found = [crossing(problem, boundary, tensor, options[index]) for index in allowed]
    table = np.array([[one.near, one.hop, one.far, one.wire_bytes, one.loss] for one in found])
    keep = undominated(table @ project)
    return allowed[keep], table[keep]


def _message(boundary: Boundary) -> Floats:
    if boundary.free:
        return np.array([0.0, 0.0, boundary.far.costs.overhead, 0.0, 0.0])
    near, far = boundary.near.costs, boundary.far.costs
    return np.array([near.send_message, 0.0, far.receive_message + far.overhead, 0.0, 0.0])


def picked(
    problem: Problem, flow: Flow, crossings: Crossings, down: int, combination: int
) -> dict[TensorName, CodecName]:
    """Return the codec of each tensor that crosses behind down-set `down` by `combination` (a row of `costs`)."""
    chosen = iter(crossings.picks[combination])
    codecs: dict[TensorName, CodecName] = {}
    for index in np.flatnonzero(flow.live[down]).tolist():
        tensor, fixed = flow.tensors[index], crossings.fixed[index]
        option = next(chosen) if fixed < 0 else fixed
        codecs[tensor.name] = codec_options(problem, tensor)[option].codec
    return codecs

"""One multi-label minimum cut: the staging of least price when every price is a sum.

Law: pure; tables and allowed stages in, a staging and a proven bound out. After Ishikawa (IEEE TPAMI 2003): for
every layer and boundary a vertex that is on the source's side when the layer is before the boundary.

- A layer's price in stage s is the capacity from its vertex at boundary s to the one at s - 1 (the sink before the
  first boundary, the source behind the last). Vertices between which the layer may not be are one vertex.
- A tensor's price at a boundary is the capacity from its maker to the last of its consumers; where there are
  several, by a vertex of its own, so that it is paid once. The graph DADS (INFOCOM 2019) is the case of two stages.
- Infinite capacity runs from a consumer to its maker at every boundary, so that every side is a down-set and
  nothing returns for free, and from a layer's vertex to its next one.
- "Paid if any of these layers is behind boundary j" is one vertex: source -> it (the price) -> them (infinite).
  "Paid if the engine's layers are on both sides" is two: some -> p (infinite), p -> q (price), q -> some (infinite).

scipy's maximum flow takes 32-bit integers only, and truncates wider ones without a word. Capacities are scaled so
that a staging known to be feasible costs 2^29, and rounded down: so the flow, scaled back, is itself a lower bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from partitioner.solve.incidence import Ints
from partitioner.solve.tables import Floats, Tables, plain_value
from partitioner.solve.wishes import Allowed

SOURCE, SINK, FIRST = 0, 1, 2
INFINITE = 2**30
FINITE = 2**29
FINE_GAP = 1e-7  # a wider gap after rounding asks for a finer scale
MOST_SCALES = 4
NEGLIGIBLE = 1e-15  # of a price: less than its rounding
LEAST_PRICE = 1e-290  # below it, no scale is a finite number


@dataclass(frozen=True)
class Cut:
    """The staging of a minimum cut, its price, and what no allowed staging is cheaper than (charges apart)."""

    stage_of: Ints
    value: float
    bound: float


@dataclass
class _Edges:
    """Edges under construction, in pieces."""

    vertices: int
    tails: list[Ints] = field(default_factory=list)
    heads: list[Ints] = field(default_factory=list)
    prices: list[Floats] = field(default_factory=list)

    def add(self, tails: Ints | int, heads: Ints | int, prices: Floats | float) -> None:
        """Add edges, one for each entry of the longest argument."""
        shape = np.broadcast(tails, heads, prices).shape
        self.tails.append(np.broadcast_to(tails, shape).ravel())
        self.heads.append(np.broadcast_to(heads, shape).ravel())
        self.prices.append(np.broadcast_to(np.asarray(prices, dtype=np.float64), shape).ravel())

    def vertex(self) -> int:
        """Return a new vertex."""
        self.vertices += 1
        return self.vertices - 1


def cheapest_staging(tables: Tables, allowed: Allowed) -> Cut:
    """Return the allowed staging of least price, charges apart, with its proven bound."""
    known = min((allowed.earliest, allowed.latest), key=lambda stage_of: plain_value(tables, stage_of))
    best = Cut(known, plain_value(tables, known), tables.constant)
    if allowed.table.sum() == len(allowed.table):
        return Cut(known, best.value, best.value)  # nothing is free to choose
    vertices, count = _vertices(allowed)
    edges = _edges(tables, allowed, vertices, count)
    for _ in range(MOST_SCALES):
        cut = _cut(tables, edges, vertices, best)
        finished = cut.value - cut.bound <= FINE_GAP * cut.value or cut.value > best.value / 2
        best = cut
        if finished:
            break
    return best


def _vertices(allowed: Allowed) -> tuple[Ints, int]:
    """Return [layers, k + 1], the vertex of each layer at each boundary (sink before all, source behind all)."""
    rank = np.cumsum(allowed.table, axis=1)
    most = rank[:, -1:]
    base = FIRST + np.concatenate([[0], np.cumsum(most[:, 0] - 1)])
    inner = np.where(rank == most, SOURCE, base[:-1, None] + rank - 1)
    vertices = np.where(rank == 0, SINK, inner)
    return np.concatenate([np.full((len(rank), 1), SINK), vertices], axis=1), int(base[-1])


def _edges(tables: Tables, allowed: Allowed, vertices: Ints, count: int) -> _Edges:
    arrays = tables.incidence
    edges = _Edges(count)
    least = np.where(allowed.table, tables.layers, np.inf).min(axis=1)
    edges.add(SOURCE, SINK, float(least.sum()))  # every cut pays each layer's least price
    held, stage = np.nonzero(allowed.table)
    edges.add(vertices[held, stage + 1], vertices[held, stage], tables.layers[held, stage] - least[held])
    edges.add(vertices[:, 1:-2], vertices[:, 2:-1], np.inf)
    for boundary in range(len(tables.used)):
        at = vertices[:, boundary + 1]
        edges.add(at[arrays.feeds[:, 1]], at[arrays.feeds[:, 0]], np.inf)
        edges.add(at[allowed.ties[:, 0]], at[allowed.ties[:, 1]], np.inf)
        edges.add(at[allowed.ties[:, 1]], at[allowed.ties[:, 0]], np.inf)
        _add_crossings(edges, tables, at, boundary)
        _add_any_behind(edges, float(tables.used[boundary]), at[arrays.ends])
        _add_any_behind(edges, float(tables.home[boundary]), at[arrays.makers])
        _add_divided(edges, float(tables.divided[boundary]), at[arrays.engine_first], at[arrays.engine_last])
    return edges


def _add_crossings(edges: _Edges, tables: Tables, at: Ints, boundary: int) -> None:
    arrays = tables.incidence
    makers = np.where(arrays.producer < 0, SOURCE, at[arrays.producer])
    prices = tables.crossing[:, boundary]
    consumers = np.bincount(arrays.last_tensor, minlength=len(arrays.consumed))
    own = np.where(consumers > 1, edges.vertices + np.cumsum(consumers > 1) - 1, -1)
    edges.vertices += int(np.count_nonzero(consumers > 1))
    several = own >= 0
    edges.add(makers[several], own[several], prices[several])
    heads = at[arrays.last_consumer]
    from_own = several[arrays.last_tensor]
    edges.add(own[arrays.last_tensor[from_own]], heads[from_own], np.inf)
    single = arrays.last_tensor[~from_own]
    edges.add(makers[single], heads[~from_own], prices[single])


def _add_any_behind(edges: _Edges, price: float, ends: Ints) -> None:
    if price > 0 and len(ends):
        own = edges.vertex()
        edges.add(SOURCE, own, price)
        edges.add(own, ends, np.inf)


def _add_divided(edges: _Edges, price: float, first: Ints, last: Ints) -> None:
    if price > 0 and len(first):
        before, behind = edges.vertex(), edges.vertex()
        edges.add(first, before, np.inf)
        edges.add(before, behind, price)
        edges.add(behind, last, np.inf)


def _cut(tables: Tables, edges: _Edges, vertices: Ints, known: Cut) -> Cut:
    """Cut with capacities scaled by what is `known`; return the better of what it finds and what is known."""
    tails, heads, prices, constant = _simplified(edges)
    constant += tables.constant
    free = known.value - constant
    if free <= NEGLIGIBLE * known.value or free < LEAST_PRICE or not len(tails):
        return Cut(known.stage_of, known.value, max(known.bound, min(constant, known.value)))
    scale = FINITE / free
    with np.errstate(over="ignore"):  # what overflows is infinite, and never cut
        network = _network(tails, heads, prices * scale, edges.vertices)
    flow = maximum_flow(network, SOURCE, SINK)
    before = np.zeros(edges.vertices, dtype=np.bool_)
    before[_reached(network, flow.flow)] = True
    stage_of = vertices.shape[1] - 1 - before[vertices[:, 1:]].sum(axis=1)
    bound = max(known.bound, constant + float(flow.flow_value) / scale)
    value = plain_value(tables, stage_of)
    if value < known.value:
        return Cut(stage_of, value, min(bound, value))
    return Cut(known.stage_of, known.value, min(bound, known.value))


def _simplified(edges: _Edges) -> tuple[Ints, Ints, Floats, float]:
    """Drop edges that no cut pays; return the rest, and the price of those that every cut pays."""
    tails = np.concatenate(edges.tails)
    heads = np.concatenate(edges.heads)
    prices = np.concatenate(edges.prices)
    always = (tails == SOURCE) & (heads == SINK)
    constant = float(prices[always].sum())
    kept = (tails != heads) & (tails != SINK) & (heads != SOURCE) & (prices > 0) & ~always
    return tails[kept], heads[kept], prices[kept], constant


def _network(tails: Ints, heads: Ints, scaled: Floats, vertices: int) -> csr_array:
    whole = np.minimum(np.floor(np.minimum(scaled, INFINITE)), INFINITE)
    whole = np.where(np.isinf(scaled), INFINITE, np.minimum(whole, FINITE))
    summed = coo_array((whole.astype(np.int64), (tails, heads)), shape=(vertices, vertices)).tocsr()
    capped: npt.NDArray[np.int32] = np.minimum(summed.data, INFINITE).astype(np.int32)
    return csr_array(
        (capped, summed.indices.astype(np.int32), summed.indptr.astype(np.int32)), shape=summed.shape
    )


def _reached(network: csr_array, flow: csr_array) -> Ints:
    residual = csr_array(network - flow)
    residual.data = (residual.data > 0).astype(np.int32)
    residual.eliminate_zeros()
    reached: Ints = breadth_first_order(residual, SOURCE, return_predecessors=False)
    return reached

"""How long planning takes, and how it grows: `python -m bench.planner`, one JSON line a graph.

Law: synthetic graphs in the shape of well-known ones (a chain with inverted-residual skips as in
MobileNetV2, dense blocks as in DenseNet-121, a long decoder); times are medians of single-threaded runs on
this machine. It measures the arithmetic of planning, not the truth of a plan.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

from bench.rows import Row
from partitioner.costs import LinkProfile
from partitioner.graph import CostGraph, CostTensor, Layer, down_sets
from partitioner.predict import StageCosts
from partitioner.solve import CodecOption, Problem, best_interior, solve
from partitioner.units import Bytes, CodecName, NodeName, Seconds, TensorName, megabits

MOST_DOWN_SETS = 20_000
RUNS = 7

Feeds = dict[int, list[int]]  # layer -> the layers that consume what it makes


def main() -> None:
    for name, feeds in graphs():
        problem = as_problem(feeds)
        solution = solve(problem)
        sets = down_sets(problem.graph, MOST_DOWN_SETS)
        count = len(sets) if sets is not None else f"more than {MOST_DOWN_SETS}"
        what = f"{name}: {len(problem.graph.layers)} layers, {count} down-sets"
        free = milliseconds(lambda problem=problem: solve(problem))
        Row("planner", f"solve, {what}", free, "ms", f"{solution.method}, gap {solution.gap:.3g}").print()
        inner = milliseconds(lambda problem=problem: best_interior(problem))
        Row("planner", f"best interior cut, {what}", inner, "ms", f"solve {free:.3g} ms").print()


def graphs() -> Iterator[tuple[str, Feeds]]:
    """Yield graphs by name."""
    yield "mobilenetv2-like, contracted", residual(57, every=3)
    yield "mobilenetv2-like, operators", residual(156, every=9)
    yield "densenet121-like", dense((6, 12, 24, 16))
    yield "decoder-like", residual(2400, every=8)


def residual(count: int, every: int) -> Feeds:
    """Return a chain with a skip connection over each second group of `every` layers."""
    feeds = {index: [index + 1] for index in range(count - 1)}
    feeds[count - 1] = []
    for start in range(0, count - every, 2 * every):
        feeds[start].append(start + every)
    return feeds


def dense(blocks: tuple[int, ...]) -> Feeds:
    """Return blocks in which every layer feeds all later ones of its block."""
    feeds: Feeds = {}
    for size in blocks:
        first = len(feeds)
        for index in range(first, first + size):
            feeds[index] = list(range(index + 1, first + size + 1))
    feeds[len(feeds)] = []
    return feeds


def as_problem(feeds: Feeds) -> Problem:
    """Return a planning problem over `feeds` with falling activations and three codecs a tensor."""
    count = len(feeds)
    layers = tuple(Layer(i, NodeName(f"layer{i}"), (), Bytes(50_000), ()) for i in range(count))
    given = CostTensor(TensorName("input"), "float32", (1,), Bytes(602_112), -1, (0,))
    made = tuple(
        CostTensor(TensorName(f"t{i}"), "float32", (1,), activation(i, count), i, tuple(after), not after)
        for i, after in feeds.items()
    )
    rate = megabits(5.85)
    return Problem(
        CostGraph(layers, (given, *made)),
        StageCosts((Seconds(0.240 / count),) * count, 2e-9, 2e-9, Seconds(2e-3), Seconds(1e-3)),
        StageCosts((Seconds(0.012 / count),) * count, 2e-10, 2e-10, Seconds(2e-4), Seconds(1e-3)),
        LinkProfile(rate, rate, Seconds(0.025), Seconds(0.025)),
        options={one.name: codecs(one.size) for one in made},
    )


def activation(index: int, count: int) -> Bytes:
    """Return the bytes behind layer `index`: large first, small last, as in a classifier."""
    return Bytes(round(1_600_000 * 0.002 ** (index / count)))


def codecs(size: int) -> tuple[CodecOption, ...]:
    """Return raw, half precision, and packed eight bits."""
    return (
        CodecOption(CodecName("raw"), Bytes(size)),
        CodecOption(CodecName("f16"), Bytes(size // 2), Seconds(size * 1e-9), Seconds(size * 1e-9)),
        CodecOption(CodecName("u8+zstd"), Bytes(size // 5), Seconds(size * 3e-9), Seconds(size * 2e-9)),
    )


def milliseconds(work: Callable[[], object]) -> float:
    """Return the median milliseconds of `work`."""
    times = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return round(1e3 * statistics.median(times), 2)


if __name__ == "__main__":
    main()

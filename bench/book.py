"""The two plan books: the full one's time and truth, the trimmed one's regret: `python -m bench.book`.

Law: questions are of `questions.py` (a board twenty times as slow as the cloud, Wi-Fi between them); single-threaded
runs on this machine. The truth of the full book is a fresh solve at each of 50 rates; the regret of the trimmed
one is against fresh solves over rates and loads (`partitioner.book.outlook`), in the same cost model.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from bench.questions import compiled, on_devices, question, residual
from bench.rows import Row
from partitioner.book import BookOptions, Span
from partitioner.book.boundaries import boundaries
from partitioner.book.choice import choose
from partitioner.book.full import HIGHEST, LOWEST, full_book, span_at
from partitioner.book.interior import is_interior
from partitioner.book.outlook import outlook, regret, solves_for
from partitioner.book.pages import candidates
from partitioner.book.scenarios import with_rate
from partitioner.book.setting import Setting
from partitioner.book.trimmed import trimmed_cuts
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile, Measurement
from partitioner.graph import CostGraph
from partitioner.solve import Problem, evaluate, solve
from partitioner.units import Bytes, BytesPerSecond, DeviceId, ModelName, ModelVersion, Seconds, Sha256

RUNS = 5
RATES = 50
GOAL = 0.2  # seconds, MobileNetV2 over 0.1 to 1,000 Mbit/s


def main() -> None:
    """Print a row a figure."""
    for name, graph in graphs():
        for row in (*full_rows(name, graph), *trimmed_rows(name, graph)):
            row.print()


def graphs() -> Iterator[tuple[str, CostGraph]]:
    """Yield real models where they are installed, and shapes of others."""
    yield from compiled()
    yield "mobilenetv2-like, contracted", question(residual(57, 3)).graph
    yield "decoder-like", question(residual(2400, 8)).graph


def full_rows(name: str, graph: CostGraph) -> Iterator[Row]:
    """Yield the full book's time and its distance from fresh solves."""
    problem, times = on_devices(graph), list[float]()
    most = solves_for(graph)
    while len(times) < RUNS and (not times or times[-1] < 1.0):
        began = time.perf_counter()
        spans = full_book(problem, most=most)
        times.append(time.perf_counter() - began)
    took, gap = round(statistics.median(times), 4), max(one.gap for one in spans)
    goal = GOAL if name == "mobilenetv2" else None
    met = None if goal is None else took <= goal
    what = f"full book, 0.1 to 1,000 Mbit/s, {name}: {len(graph.layers)} layers"
    yield Row("book", what, took, "s", f"{len(spans)} pieces, gap {gap:.2g}", goal, met)
    if most > RATES:
        worst = max(_distance(problem, rate, spans) for rate in _rates())
        yield Row(
            "book",
            f"full book against {RATES} fresh solves, {name}",
            worst,
            "relative",
            "",
            1e-5,
            worst <= 1e-5,
        )


def trimmed_rows(name: str, graph: CostGraph) -> Iterator[Row]:
    """Yield the trimmed book's regret, and how long choosing it takes."""
    setting = _setting(graph, on_devices(graph))
    began = time.perf_counter()
    known = outlook(setting)
    cuts = boundaries(setting, trimmed_cuts(setting, known))
    took = round(time.perf_counter() - began, 3)
    active = choose([one for one in candidates(setting, cuts, fused=True) if one.eligible])
    pages = [one for one in candidates(setting, cuts) if one.page.name != active.page.name and one.eligible]
    found = regret(setting, [one.page.prediction for one in (active, *pages)], known)
    assert found is not None
    inside = sum(is_interior(graph, cut) for cut in cuts)
    said = (
        f"{inside} cuts, worst {found.worst:.1%} at {found.worst_at}, {found.scenarios} scenarios, {took} s"
    )
    yield Row("book", f"trimmed book's mean regret, {name}", round(found.mean, 5), "relative", said)


def _distance(problem: Problem, rate: BytesPerSecond, spans: tuple[Span, ...]) -> float:
    there = with_rate(problem, rate / problem.hops[problem.entry, problem.devices[1].name].rate)
    page = evaluate(there, span_at(spans, rate).layout)
    return page.latency / solve(there, alternatives=False).value - 1.0


def _rates() -> Iterator[BytesPerSecond]:
    for step in range(RATES):
        yield BytesPerSecond(LOWEST * (HIGHEST / LOWEST) ** (step / (RATES - 1)))


def _setting(graph: CostGraph, problem: Problem) -> Setting:
    near, far = problem.devices
    up, down = problem.hops[near.name, far.name], problem.hops[far.name, near.name]
    link = LinkProfile(up.rate, down.rate, up.delay, down.delay, up.overhead)
    model = CompiledModel(
        ModelName("bench"), ModelVersion("0" * 16), graph, (), (), (), Sha256("0" * 64), Bytes(0)
    )
    return Setting(model, _profile(near.name), _profile(far.name), link, BookOptions(), problem)


def _profile(device: DeviceId) -> DeviceProfile:
    """Return a profile that nobody reads but for its name: the costs are in the problem."""
    return DeviceProfile(device, Measurement(Seconds(1.0), Seconds(0.0), 1), ())


if __name__ == "__main__":
    main()

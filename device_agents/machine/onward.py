"""How a request that is on its way may go on by another page.

Law: pure arithmetic on a book. The request has reached a boundary; pages lead on from there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from device_agents.machine.route import Route, made_in, route, shortened
from device_agents.machine.terms import Terms
from partitioner.plan import Page, PlanBook
from partitioner.units import Bytes, DeviceId, Seconds


def onward(book: PlanBook, hold: Collection[int], device: DeviceId, terms: Terms) -> Iterator[Terms]:
    """Yield the terms of the pages that lead from the boundary behind `terms` to another device, quickest first."""
    pages = sorted(book.pages, key=lambda page: page.prediction.latency)
    for page in pages:
        path = shortened(route(book, page, device, terms.route.last), book, terms.wanted)
        begins_here = path.first == terms.route.last and set(range(path.first, path.last)) <= set(hold)
        if page.name != terms.page and path.peer and begins_here:
            yield _by(book, hold, page, path, terms)


def _by(book: PlanBook, hold: Collection[int], page: Page, path: Route, before: Terms) -> Terms:
    ahead, end = page.prediction, len(book.blocks)
    made = {spec.name: spec for block in book.blocks[path.last :] for spec in block.outputs}
    beyond = made_in(book, before.wanted, path.last, end)
    rests = set(range(path.last, end)) <= set(hold)
    border = book.frontiers[path.last].tensors if rests else ()
    return replace(
        before,
        page=page.name,
        route=path,
        here=made_in(book, before.wanted, path.first, path.last),
        beyond=beyond,
        passes=False,
        far=Seconds(ahead.uplink + ahead.cloud + ahead.downlink),
        due=tuple(made[name] for name in beyond),
        keep=tuple(spec.name for spec in border),
        kept=Bytes(sum(spec.size for spec in border)),
    )

"""Which blocks run where, for one request: a page, entered at a boundary, seen from one device.

Law: arithmetic on a book. A page that cuts at c runs, for a request that enters at e, with its cut at
max(c, e).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from partitioner.codecs import RAW
from partitioner.plan import CodecChoice, OutputSpec, Page, PlanBook, Stage
from partitioner.units import BlockIndex, DeviceId, PageName, TensorName


@dataclass(frozen=True)
class Route:
    """What this device does with a request, and who goes on.

    Blocks [first, last) run here (none where first == last), then the frontier at `last` goes to `peer` by
    the codecs `forward`; `peer` is empty where this device ends the request.
    """

    first: int
    last: int
    peer: DeviceId = DeviceId("")
    forward: tuple[CodecChoice, ...] = ()


def route(book: PlanBook, page: Page, device: DeviceId, boundary: int) -> Route:
    """Return the route of `page` from `boundary` on, for `device`.

    A device that has no stage there only forwards.
    """
    stages = [
        stage for stage in (_from(stage, boundary) for stage in page.stages) if stage.first < stage.last
    ]
    if not stages:
        return Route(boundary, boundary)
    if stages[0].device != device:
        codecs = _codecs_before(page, boundary)
        return Route(boundary, boundary, stages[0].device, _forward(book, boundary, codecs))
    here = stages[0]
    if len(stages) == 1:
        return Route(here.first, here.last)
    return Route(here.first, here.last, stages[1].device, _forward(book, here.last, here.codecs))


def shortened(whole: Route, book: PlanBook, wanted: Collection[TensorName]) -> Route:
    """Return the route without its remote part where everything `wanted` is made before it."""
    if not whole.peer or made_in(book, wanted, whole.last, len(book.blocks)):
        return whole
    return Route(whole.first, whole.last)


def wanted_outputs(outputs: Iterable[OutputSpec], names: Collection[TensorName]) -> tuple[TensorName, ...]:
    """Return the tensors of the composed graph that answer for the outputs called `names`.

    No names stand for all.
    """
    return tuple(
        tensor
        for spec in outputs
        if not names or {spec.tensor, spec.scores, spec.indices} & set(names)
        for tensor in _tensors_of(spec)
    )


def made_in(book: PlanBook, wanted: Iterable[TensorName], first: int, last: int) -> tuple[TensorName, ...]:
    """Return those of `wanted` that blocks [first, last) make, in the order wanted."""
    made = {spec.name for block in book.blocks[first:last] for spec in block.outputs}
    return tuple(name for name in wanted if name in made)


def entry_page(book: PlanBook, named: PageName, device: DeviceId) -> Page:
    """Return the page that an entry takes: the one called `named`, or the active one; raises KeyError.

    An entry that is not the page's first device, and was not asked for a page, takes one that it begins.
    """
    page = book.page(named or book.active)
    if named or not page.stages or page.stages[0].device == device:
        return page
    return next((other for other in book.pages if _begins(other, device)), page)


def _begins(page: Page, device: DeviceId) -> bool:
    return next((stage.device == device for stage in page.stages if stage.first < stage.last), False)


def _tensors_of(spec: OutputSpec) -> list[TensorName]:
    kept = [spec.tensor] if spec.keep else []
    return [*kept, *(name for name in (spec.scores, spec.indices) if name)]


def _from(stage: Stage, boundary: int) -> Stage:
    first, last = (BlockIndex(max(end, boundary)) for end in (stage.first, stage.last))
    return Stage(stage.device, first, last, stage.codecs)


def _codecs_before(page: Page, boundary: int) -> tuple[CodecChoice, ...]:
    return next((stage.codecs for stage in page.stages if stage.last == boundary), ())


def _forward(book: PlanBook, boundary: int, codecs: Iterable[CodecChoice]) -> tuple[CodecChoice, ...]:
    chosen = {choice.tensor: choice.codec for choice in codecs}
    return tuple(
        CodecChoice(spec.name, chosen.get(spec.name, RAW.name)) for spec in book.frontiers[boundary].tensors
    )

"""On what terms a request runs here: its page, its route, its outputs; looked up once for requests alike.

Law: pure. Terms follow from a book, a device, and how a request looks: what it names, and the names, dtypes
and shapes of its tensors. So they are kept with the epoch, `MAX_LOOKS` of them, and the next request that looks
the same costs one look-up. What differs between two requests (bytes, deadlines, who is reachable) is no part.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from dataclasses import dataclass, replace

from device_agents.machine.door import check_stage, enter
from device_agents.machine.lines import LineRule, line_rule
from device_agents.machine.replicas import has_other_way, played_by
from device_agents.machine.route import Route, entry_page, made_in, route, shortened, wanted_outputs
from lepton_edge.core.errors import CorruptFrame, InvalidInput, Unavailable, UnknownPage
from lepton_edge.core.frames import Frame, WireTensor
from partitioner.plan import Page, PlanBook, TensorSpec
from partitioner.units import Bytes, DeviceId, PageName, Seconds, TensorName

MAX_LOOKS = 128
"""Shapes and choices of outputs are the caller's: beyond so many, everything is forgotten and looked up anew."""
ANY_PAGE = PageName("")


@dataclass(frozen=True)
class Terms:
    """What requests that look alike have in common.

    Attributes:
        page, route: as this device runs it.
        wanted: the tensors that answer. `here`: those of them that the route's own blocks make; `beyond`: those
            that come after.
        names: the tensors that came in by the graph's names, in the frontier's order: (their place, name).
        keep: what a fallback would run on from, of `kept` bytes by the book; empty where there can be none.
        passes: whether the tensors go on just as they came, since no block runs here and no codec changes.
        outside: this device is not its page's beginning: where it cannot pass a request on, it runs all of it.
        due: what the tensors of `beyond` are.
        far, near: predicted seconds of the stages after this one, and of the fallback.
        line: how an entry lets one caller's requests wait; None where they just come in order.
    """

    page: PageName
    route: Route
    wanted: tuple[TensorName, ...]
    here: tuple[TensorName, ...]
    beyond: tuple[TensorName, ...]
    names: tuple[tuple[int, TensorName], ...]
    passes: bool
    far: Seconds
    near: Seconds
    outside: bool = False
    keep: tuple[TensorName, ...] = ()
    kept: Bytes = Bytes(0)
    line: LineRule | None = None
    due: tuple[TensorSpec, ...] = ()

    def tensors(self, frame: Frame) -> tuple[WireTensor, ...]:
        """Return the tensors of `frame` by the graph's names, in the frontier's order."""
        return tuple([_named(frame.tensors[place], name) for place, name in self.names])


class KnownTerms:
    """The terms of one epoch: blocks `hold` of `book` are here."""

    def __init__(self, book: PlanBook, hold: Collection[int]) -> None:
        self._part = Part(book, frozenset(hold))
        self._known: dict[Hashable, Terms] = {}

    def __len__(self) -> int:
        """Return how many looks are known."""
        return len(self._known)

    def entry(self, device: DeviceId, frame: Frame, alone: bool = False, page: PageName = ANY_PAGE) -> Terms:
        """Return the terms of a client's request; `alone` where the far side is out of reach: all shall run here.

        `page` is what it takes where it names none: "" for what the book says.

        Raises:
            InvalidInput, UnknownPage: the caller's mistake.
            Unavailable: this device does not hold the blocks.
        """
        named = frame.page or page
        look = ("alone" if alone else "entry", named, frame.outputs, _look(frame))
        known = self._known.get(look)
        if known is None:
            asked = frame if named == frame.page else frame.but(page=named)
            known = self._keep(look, _entry(self._part, device, asked, alone))
        return known

    def stage(self, device: DeviceId, frame: Frame) -> Terms:
        """Return the terms of a request from the stage before.

        Raises:
            CorruptFrame, InvalidInput: it is no stage of this book.
            UnknownPage, Unavailable: this device cannot run it.
        """
        look = (frame.first_block, frame.page, frame.outputs, _look(frame))
        return self._known.get(look) or self._keep(look, _stage(self._part, device, frame))

    def _keep(self, look: Hashable, terms: Terms) -> Terms:
        if len(self._known) >= MAX_LOOKS:
            self._known.clear()
        self._known[look] = terms
        return terms


@dataclass(frozen=True)
class Part:
    """A book, and which of its blocks are here."""

    book: PlanBook
    hold: frozenset[int]

    def holds(self, first: int, last: int) -> bool:
        """Whether blocks [first, last) are all here."""
        return self.hold.issuperset(range(first, last))


def _look(frame: Frame) -> Hashable:
    return tuple([(one.name, one.dtype, one.shape, one.codec) for one in frame.tensors])


def _named(tensor: WireTensor, name: TensorName) -> WireTensor:
    return tensor if tensor.name == name else replace(tensor, name=name)


# --- an entry -------------------------------------------------------------------------------------


def _entry(part: Part, device: DeviceId, frame: Frame, alone: bool) -> Terms:
    book = part.book
    wanted = _wanted(book, frame)
    page = _page(book, frame, device)
    entrance = enter(book, frame.tensors, wanted)
    path = shortened(route(book, page, device, entrance.boundary), book, wanted)
    if alone:
        path = Route(entrance.boundary, len(book.blocks))
    _check_held(part, device, path)
    places = {name: place for place, name in enumerate(entrance.given)}
    terms = _terms(book, page, path, wanted, entrance.tensors)
    rests = path.peer and (part.holds(path.last, len(book.blocks)) or has_other_way(book, page))
    border = book.frontiers[path.last].tensors if rests else ()
    return replace(
        terms,
        page=page.name,
        outside=bool(page.stages) and page.stages[0].device != device,
        names=tuple((places[tensor.name], tensor.name) for tensor in entrance.tensors),
        keep=tuple(spec.name for spec in border),
        kept=Bytes(sum(spec.size for spec in border)),
        line=line_rule(book.queue, page),
    )


def _wanted(book: PlanBook, frame: Frame) -> tuple[TensorName, ...]:
    known = {name for spec in book.outputs for name in (spec.tensor, spec.scores, spec.indices) if name}
    unknown = sorted(set(frame.outputs) - known)
    if unknown:
        raise InvalidInput(f"{book.model} has no output {unknown[0]!r}", f"its outputs are {sorted(known)}")
    return wanted_outputs(book.outputs, frame.outputs)


# --- a later stage --------------------------------------------------------------------------------


def _stage(part: Part, device: DeviceId, frame: Frame) -> Terms:
    book, first = part.book, frame.first_block
    if not 0 <= first < len(book.blocks):
        raise CorruptFrame(f"block {first} does not exist: the book has {len(book.blocks)}")
    check_stage(book.frontiers[first], frame.tensors)
    declared = wanted_outputs(book.outputs, ())
    wanted = frame.outputs or made_in(book, declared, first, len(book.blocks))
    if made_in(book, wanted, first, len(book.blocks)) != wanted:
        raise CorruptFrame("a wanted output is not made from that block on")
    page = played_by(book, _page(book, frame, device), device)
    path = route(book, page, device, first)
    _check_held(part, device, path)
    if path.peer and path.first == path.last:
        raise CorruptFrame(f"block {first} is not a stage of {device} on page {frame.page!r}")
    return replace(_terms(book, page, shortened(path, book, wanted), wanted, frame.tensors), page=frame.page)


# --- both -----------------------------------------------------------------------------------------


def _terms(
    book: PlanBook,
    page: Page,
    path: Route,
    wanted: tuple[TensorName, ...],
    tensors: tuple[WireTensor, ...],
) -> Terms:
    ahead = page.prediction
    came = {tensor.name: tensor.codec for tensor in tensors}
    as_came = all(came.get(choice.tensor) == choice.codec for choice in path.forward)
    beyond = made_in(book, wanted, path.last, len(book.blocks))
    made = {spec.name: spec for block in book.blocks[path.last :] for spec in block.outputs}
    return Terms(
        page.name,
        path,
        wanted,
        here=made_in(book, wanted, path.first, path.last),
        beyond=beyond,
        names=tuple((place, tensor.name) for place, tensor in enumerate(tensors)),
        passes=path.first == path.last and bool(path.peer) and as_came,
        far=Seconds(ahead.uplink + ahead.cloud + ahead.downlink),
        near=next((one.prediction.latency for one in book.pages if one.name == book.fallback), Seconds(0.0)),
        due=tuple(made[name] for name in beyond),
    )


def _page(book: PlanBook, frame: Frame, device: DeviceId) -> Page:
    try:
        return entry_page(book, frame.page, device)
    except KeyError:
        names = [str(page.name) for page in book.pages]
        raise UnknownPage(f"{book.model} has no page {frame.page!r}", f"its pages are {names}") from None


def _check_held(part: Part, device: DeviceId, path: Route) -> None:
    if not part.holds(path.first, path.last):
        raise Unavailable(
            f"{device} does not hold blocks {path.first}..{path.last - 1} of {part.book.model}",
            "send the request to the board of the plan",
        )

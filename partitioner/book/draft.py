"""What a plan book is before its blocks are cut: boundaries, pages, the choice and its reasons.

Law: frozen nouns. The coordinator makes a `PlanBook` of a draft by cutting the model at its inner boundaries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from partitioner.plan import Page
from partitioner.solve.plans import Plan
from partitioner.solve.problem import LATENCY, NO_LIMITS, Layout, Limits, Objective, Watts
from partitioner.units import BlockIndex, Bytes, BytesPerSecond, DeviceId, PageName, Seconds, TensorName


@dataclass(frozen=True)
class BookOptions:
    """What the person who deploys asks for.

    Attributes:
        keep_input: the input, and what is made from it by mere preparation, stays on the board.
        board_memory, cloud_memory: bytes for weights, activations of a known peak and headroom; 0: no limit.
        headroom: fraction of weights and activations that must be free beside them.
        further_cuts: at most so many cuts beside the best ones, for other links and to compare with.
        cut_budget: further cuts may make the board-alone page slower by this fraction at most, since every page
            runs through every boundary of the book.
        objective, limits: what is minimised, and what a plan may cost at most.
        keep_output: the outputs are made on the board. stay: tensors that must not leave it.
        first_layers: so many layers of the chain stay on the board.
        own_cut: the person's own split: the name of a layer, or of a tensor; everything that it needs, and it,
            runs on the board, the rest in the cloud. Empty for none.
        board_weights, cloud_weights: bytes of each initializer as the device holds it, where the two run different
            variants; None where it holds what the compiled model says.
        page: take this page of the book instead of the best, also one that may not be chosen else; a name that
            no page has is passed over.
        board_lacks, cloud_lacks: operators that the device cannot run.
        board_watts, cloud_watts, radio_watts: declared power while busy, and of the board's radio; 0: unknown.
    """

    keep_input: bool = False
    board_memory: Bytes = Bytes(0)
    cloud_memory: Bytes = Bytes(0)
    headroom: float = 0.2
    further_cuts: int = 3
    cut_budget: float = 0.03
    objective: Objective = LATENCY
    limits: Limits = NO_LIMITS
    keep_output: bool = False
    stay: tuple[TensorName, ...] = ()
    first_layers: int = 0
    own_cut: str = ""
    board_watts: Watts = Watts(0.0)
    cloud_watts: Watts = Watts(0.0)
    radio_watts: Watts = Watts(0.0)
    board_lacks: tuple[str, ...] = ()
    cloud_lacks: tuple[str, ...] = ()
    page: PageName = PageName("")
    board_weights: Mapping[TensorName, Bytes] | None = None
    cloud_weights: Mapping[TensorName, Bytes] | None = None


@dataclass(frozen=True)
class Piece:
    """Blocks [first, last) of a stage on `device` that run as one."""

    device: DeviceId
    first: BlockIndex
    last: BlockIndex


@dataclass(frozen=True)
class Candidate:
    """A page that was considered.

    `down_set` are the layers it runs on the board, `label` is for people. A page that is not `in_book`
    cannot run (it would give the input away, or does not fit); one that is not `eligible` is taken only when a
    person asks for that page; `why_not` says why. One that is `fused` is costed as the page that requests take:
    each stage in `pieces`, where memory allows it (`blockwise` says where it does not); else block by block.
    """

    page: Page
    label: str
    in_book: bool = True
    eligible: bool = True
    why_not: str = ""
    down_set: frozenset[int] = frozenset()
    fused: bool = False
    pieces: tuple[Piece, ...] = ()
    blockwise: tuple[str, ...] = ()


@dataclass(frozen=True)
class Threshold:
    """Where the choice changes: at this uplink rate (the downlink scaled alike) `page` becomes the best."""

    rate: BytesPerSecond
    page: PageName


@dataclass(frozen=True)
class Span:
    """A page of the full book: the best plan of all between two rates of the uplink (the downlink scaled alike).

    Its latency at uplink rate r is `fixed + wire / r` (seconds; bytes). No plan is better by more than `gap`,
    relatively; it is 0 where that was proven up to rounding, and more where a large model's book was cut short.
    """

    low: BytesPerSecond
    high: BytesPerSecond
    layout: Layout
    label: str
    fixed: Seconds
    wire: float
    gap: float = 0.0


@dataclass(frozen=True)
class Regret:
    """How much worse the trimmed book is than a fresh solve, relatively, over sampled links and loads."""

    mean: float
    worst: float
    scenarios: int
    worst_at: str = ""


@dataclass(frozen=True)
class Draft:
    """A plan book without its block files.

    Attributes:
        boundaries: nested down-sets of layers, from the empty set to all; block i lies between i and i + 1.
        pages: the pages of the book; stages count blocks.
        active: the page that requests take. reason: why, in one or two sentences.
        fallback: the page for when the far side is gone; empty when the board cannot hold the model.
        best_cut: the best page that divides the model itself and may be chosen; empty when there is none.
        candidates: everything that was considered, with the pages that are not in the book.
        lower_bound: no plan of the space can take less, in the same cost model; `method` proved it.
        flip_slowdown: how slow the board must be (1.0: as it is without simulation) for the choice between the
            board alone and the best other page to flip; None when it never does.
        slower_link, faster_link: the nearest rates of the link at which another page becomes the best; None when
            there is none, or the active page was asked for.
        board, cloud: the devices; empty when there is none.
        keep_input: whether the input was to stay on the board.
        objective, limits: what was wanted.
        plan: the solver's own plan, free of the book's cuts, with its alternatives and what would change it.
        front: the Pareto front on these devices. spans: the full book along the link's rate.
        regret: what the trimmed book loses against a fresh solve.
        preferred: the page that the planner would take; `active`, unless another was asked for.
        spare: what the stages of the other pages that may be chosen would run in as one each.
    """

    boundaries: tuple[frozenset[int], ...]
    pages: tuple[Page, ...]
    active: PageName
    reason: str
    fallback: PageName
    best_cut: PageName
    candidates: tuple[Candidate, ...]
    lower_bound: Seconds
    method: str
    flip_slowdown: float | None = None
    slower_link: Threshold | None = None
    faster_link: Threshold | None = None
    board: DeviceId = DeviceId("")
    cloud: DeviceId = DeviceId("")
    keep_input: bool = False
    objective: Objective = LATENCY
    limits: Limits = NO_LIMITS
    plan: Plan | None = None
    front: tuple[Plan, ...] = ()
    spans: tuple[Span, ...] = ()
    regret: Regret | None = None
    preferred: PageName = PageName("")
    spare: tuple[Piece, ...] = ()

    @property
    def inner(self) -> tuple[frozenset[int], ...]:
        """The boundaries to cut at: all but the empty and the full one."""
        return self.boundaries[1:-1]

    @property
    def chosen(self) -> Candidate:
        """The candidate that is active, with the pieces that its stages run in."""
        return next(one for one in self.candidates if one.page.name == self.active)

    def page(self, name: PageName) -> Page:
        """Return the page of the book called `name`; raise KeyError when it has none."""
        for page in self.pages:
            if page.name == name:
                return page
        raise KeyError(name)

"""The plan book: which boundaries to cut at, which pages to keep, which one to take, and why.

Law: pure; no clock, no engine, no files. It asks `solve` for the best cuts, lays them and the model's doors
out as nested boundaries, costs the standing candidates and one page a cut over them, and chooses. The block
files are cut by whoever has the model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from partitioner.book.boundaries import boundaries
from partitioner.book.choice import OWN, best_cut, choose, choose_own, in_its_unit, is_cut, reason
from partitioner.book.draft import BookOptions, Candidate, Draft, Piece, Regret, Span, Threshold
from partitioner.book.full import full_book, full_books, is_linear
from partitioner.book.outlook import outlook, regret, solves_for
from partitioner.book.pages import candidates
from partitioner.book.setting import Setting, check_wishes, make_setting
from partitioner.book.single import book_of_one
from partitioner.book.thresholds import flip_slowdown, link_thresholds
from partitioner.book.trimmed import trimmed_cuts
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.errors import InvalidProblem
from partitioner.plan import LOCAL_PAGE, Page
from partitioner.solve.pareto import front
from partitioner.solve.planner import solve
from partitioner.solve.plans import Plan
from partitioner.solve.problem import LATENCY
from partitioner.units import PageName, Seconds

__all__ = [
    "BookOptions",
    "Candidate",
    "Draft",
    "Piece",
    "Regret",
    "Span",
    "Threshold",
    "full_book",
    "full_books",
    "make_book",
]

Boundaries = tuple[frozenset[int], ...]

Stop = Callable[[], bool]

MIN_CUT = "min-cut"  # what any other method proves took a search
MOST_POINTS = 24
NOTHING = PageName("")
NO_OPTIONS = BookOptions()


def make_book(
    compiled: CompiledModel,
    board: DeviceProfile | None,
    cloud: DeviceProfile | None,
    link: LinkProfile | None,
    options: BookOptions = NO_OPTIONS,
    *,
    stop: Stop | None = None,
) -> Draft:
    """Draft the book of one model for the devices that there are.

    `stop` is asked before each further point of the Pareto front, and ends it when it says True: the caller has a
    clock. Without it, no front is looked for.

    Raises:
        InvalidProblem: no device at all, two without a link between them, or a wish that cannot be meant of this model.
        ProfileError: a profile is absurd or of another model.
        NoFeasiblePlan: nothing fits, or the wish leaves nothing that may run; says why, in numbers.
    """
    check_wishes(compiled.graph, options)
    options = dataclasses.replace(options, objective=in_its_unit(options.objective))
    if board is not None and cloud is not None:
        if link is None:
            raise InvalidProblem(f"no link from {board.device} to {cloud.device} is known", "probe it first")
        setting = make_setting(compiled, board, cloud, link, options)
        draft = _for_two(setting)
        return dataclasses.replace(draft, front=_front(setting, stop)) if stop else draft
    if only := board or cloud:
        return book_of_one(compiled, only, options, is_board=board is not None)
    raise InvalidProblem("a book needs at least one device", "start an agent")


def _for_two(setting: Setting) -> Draft:
    options = setting.options
    proven = solve(setting.wish)
    hard = proven.method != MIN_CUT
    known = outlook(setting, hard=hard)
    cuts = boundaries(setting, trimmed_cuts(setting, known))
    fused = candidates(setting, cuts, fused=True)
    own = choose_own(fused) if options.own_cut else None
    preferred = choose(fused, options.objective)
    chosen = next((one for one in fused if one.in_book and one.page.name == options.page), own or preferred)
    considered = [_with_proof(one, proven) for one in _as_run(setting, cuts, chosen)]
    pages = tuple(one.page for one in considered if one.in_book)
    split = best_cut(considered, options.objective)
    draft = Draft(
        cuts,
        pages,
        chosen.page.name,
        _why(setting, considered, chosen, preferred),
        fallback=LOCAL_PAGE if any(page.name == LOCAL_PAGE for page in pages) else NOTHING,
        best_cut=split.page.name if split else NOTHING,
        candidates=tuple(considered),
        lower_bound=Seconds(proven.lower_bound),
        method=proven.method,
        board=setting.board.device,
        cloud=setting.cloud.device,
        keep_input=options.keep_input,
        objective=options.objective,
        limits=options.limits,
        plan=proven,
        spans=_spans(setting, hard),
        regret=regret(setting, [one.page.prediction for one in considered if one.eligible], known),
        preferred=preferred.page.name,
        spare=_spare(fused, chosen),
    )
    return _with_thresholds(setting, _with_reason(draft), fused)


def _spans(setting: Setting, hard: bool) -> tuple[Span, ...]:
    """Return the full book, where the wish is a straight line along the rate."""
    if not is_linear(setting.wish):
        return ()
    return full_book(setting.wish, most=solves_for(setting.graph, hard=hard))


def _front(setting: Setting, stop: Stop) -> tuple[Plan, ...]:
    """Return the Pareto front within the wishes, or as much of it as there is time for."""
    return front(setting.wish, most=MOST_POINTS, stop=stop).plans


def _as_run(setting: Setting, cuts: Boundaries, chosen: Candidate) -> list[Candidate]:
    """Return every candidate as it would run in the book, the chosen one fused."""
    return [chosen if one.page.name == chosen.page.name else one for one in candidates(setting, cuts)]


def _spare(fused: Sequence[Candidate], chosen: Candidate) -> tuple[Piece, ...]:
    """Return the pieces of the other pages that may be turned to, the quickest page's first."""
    others = [one for one in fused if one.in_book and one.eligible and one is not chosen]
    others.sort(key=lambda one: one.page.prediction.latency)
    found = {piece: None for one in others for piece in one.pieces if piece not in chosen.pieces}
    return tuple(found)


def _why(setting: Setting, considered: Sequence[Candidate], chosen: Candidate, preferred: Candidate) -> str:
    """Say why, against what the planner would take, as that would run if it were chosen."""
    options = setting.options
    others = [preferred if one.page.name == preferred.page.name else one for one in considered]
    if chosen.page.name in (preferred.page.name, OWN):
        return reason(others, chosen, options.keep_input, options.objective)
    own = reason(others, preferred, options.keep_input, options.objective)
    return f"page {chosen.page.name} was asked for; the planner would take {preferred.page.name}: {own}"


def _with_proof(candidate: Candidate, proven: Plan) -> Candidate:
    page = dataclasses.replace(
        candidate.page,
        lower_bound=Seconds(proven.lower_bound),
        method=proven.method if is_cut(candidate.page.name) else "",
        reason=candidate.why_not or candidate.label,
    )
    return dataclasses.replace(candidate, page=page)


def _with_reason(draft: Draft) -> Draft:
    """Write the draft's reason into the chosen page."""

    def written(page: Page) -> Page:
        return dataclasses.replace(page, reason=draft.reason) if page.name == draft.active else page

    considered = tuple(dataclasses.replace(one, page=written(one.page)) for one in draft.candidates)
    return dataclasses.replace(draft, pages=tuple(map(written, draft.pages)), candidates=considered)


def _with_thresholds(setting: Setting, draft: Draft, fused: Sequence[Candidate]) -> Draft:
    """Tell where the choice flips, each page taken as it would run if it were chosen.

    No rate of the link changes a choice that was asked for.
    """
    if draft.objective != LATENCY:
        return draft  # thresholds are lines of latency
    eligible = [one.page for one in fused if one.eligible and one.in_book]
    active = next(one.page for one in fused if one.page.name == draft.active)
    asked = draft.active != draft.preferred
    slower, faster = (None, None) if asked else link_thresholds(eligible, active, setting.link)
    flip = flip_slowdown(eligible, setting.board.simulated_slowdown, setting.board.overhead)
    return dataclasses.replace(draft, flip_slowdown=flip, slower_link=slower, faster_link=faster)

"""Which page is chosen, and the reason in a person's words and numbers.

Law: compares predictions; computes none. Every number in a reason is taken from the predictions it compares.
"""

from __future__ import annotations

from collections.abc import Sequence

from partitioner.book.draft import Candidate
from partitioner.errors import NoFeasiblePlan
from partitioner.plan import LOCAL_PAGE, Prediction
from partitioner.units import PageName

WORTH_SAYING = 5e-5  # seconds; a smaller difference is no reason

PARTS = (
    ("board", "on the board"),
    ("cloud", "of cloud time"),
    ("uplink", "on the way up"),
    ("downlink", "on the way back"),
)


def choose(candidates: Sequence[Candidate]) -> Candidate:
    """Return the eligible candidate of least predicted latency; at equal latency the one listed first.

    Raises:
        NoFeasiblePlan: none is eligible; says why for each.
    """
    eligible = [one for one in candidates if one.eligible and one.in_book]
    if not eligible:
        why = "; ".join(f"{one.label}: {one.why_not}" for one in candidates)
        raise NoFeasiblePlan(f"no page can run: {why}", "relax the wish, or use a larger device")
    return min(eligible, key=lambda one: one.page.prediction.latency)


def best_cut(candidates: Sequence[Candidate], kept: bool = True) -> Candidate | None:
    """Return the best page that divides the model itself; among those in the book only, when `kept`."""
    cuts = [one for one in candidates if is_cut(one.page.name) and (one.in_book or not kept)]
    return min(cuts, key=lambda one: one.page.prediction.latency, default=None)


def is_cut(name: PageName) -> bool:
    """Return whether a page of this name divides the model itself."""
    return name.startswith("cut-")


def reason(candidates: Sequence[Candidate], chosen: Candidate, keep_input: bool) -> str:
    """Say why `chosen` was chosen, against what it has to be compared with."""
    if is_cut(chosen.page.name):
        return _why_split(candidates, chosen, keep_input)
    return _why_whole(candidates, chosen, keep_input)


def _why_split(candidates: Sequence[Candidate], chosen: Candidate, keep_input: bool) -> str:
    others = [one for one in candidates if one.eligible and not is_cut(one.page.name)]
    wish = "with the input kept on the board, " if keep_input else ""
    rival = min(others, key=lambda one: one.page.prediction.latency, default=None)
    if rival is None:
        return f"{wish}the split ({_named(chosen)}) is the only page that can run"
    new, old = chosen.page.prediction, rival.page.prediction
    return (
        f"{wish}the split ({_named(chosen)}) takes {_ms(new.latency)}: "
        f"against {rival.label} at {_ms(old.latency)} it {_trade(old, new)}"
    )


def _why_whole(candidates: Sequence[Candidate], chosen: Candidate, keep_input: bool) -> str:
    wish = "with the input kept on the board, " if keep_input else ""
    head = f"{wish}{chosen.label} takes {_ms(chosen.page.prediction.latency)}"
    parts = [head + _runner_up(candidates, chosen)]
    cut = best_cut([one for one in candidates if one.eligible])
    if cut:
        parts.append(
            f"No split: the best cut ({_named(cut)}) would take {_ms(cut.page.prediction.latency)}; against "
            f"{chosen.label} it {_trade(chosen.page.prediction, cut.page.prediction)}"
        )
    elif chosen.page.name != LOCAL_PAGE or len(candidates) > 1:
        keeping = " keeps the input on the board" if keep_input else " is possible"
        parts.append(f"No split: no cut inside the model{keeping}")
    return ". ".join(parts)


def _runner_up(candidates: Sequence[Candidate], chosen: Candidate) -> str:
    others = [one for one in candidates if one.eligible and not is_cut(one.page.name)]
    rivals = [one for one in others if one.page.name != chosen.page.name]
    rival = min(rivals, key=lambda one: one.page.prediction.latency, default=None)
    return f" (next: {rival.label}, {_ms(rival.page.prediction.latency)})" if rival else ""


def _trade(old: Prediction, new: Prediction) -> str:
    """Say what going from `old` to `new` saves and costs, place by place."""
    changes = [(getattr(new, field) - getattr(old, field), where) for field, where in PARTS]
    saved = [f"{_ms(-change)} {where}" for change, where in changes if change < -WORTH_SAYING]
    paid = [f"{_ms(change)} {where}" for change, where in changes if change > WORTH_SAYING]
    clauses = [f"saves {_list(saved)}" if saved else "", f"costs {_list(paid)}" if paid else ""]
    return " and ".join(clause for clause in clauses if clause) or "changes nothing"


def _named(candidate: Candidate) -> str:
    return f"{candidate.page.name}, {candidate.label.removeprefix('split ')}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

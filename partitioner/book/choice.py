"""Which page is chosen, and the reason in a person's words and numbers.

Law: compares predictions; computes none. Every number in a reason is taken from the predictions it compares.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from partitioner.book.draft import Candidate
from partitioner.errors import NoFeasiblePlan
from partitioner.plan import LOCAL_PAGE, Prediction
from partitioner.solve.problem import ENERGY, LATENCY, THROUGHPUT, Objective
from partitioner.units import PageName

WORTH_SAYING = 5e-5  # seconds; a smaller difference is no reason
OWN = PageName("own")  # the page of the person's own split
SAME = 1e-3  # relative: a smaller difference between two plans is none

PARTS = (
    ("board", "on the board"),
    ("cloud", "of cloud time"),
    ("uplink", "on the way up"),
    ("downlink", "on the way back"),
)


def value(objective: Objective, prediction: Prediction) -> float:
    """Return what `objective` minimises, of a page."""
    return (
        objective.latency * prediction.latency
        + objective.bottleneck * prediction.bottleneck
        + objective.energy * prediction.energy
        + objective.egress * (prediction.bytes_up + prediction.bytes_down)
    )


def in_its_unit(objective: Objective) -> Objective:
    """Return the objective; one that asks for a single thing with price 1, so that values are in its own unit."""
    prices = dataclasses.asdict(objective)
    priced = [name for name, price in prices.items() if price]
    return Objective(**{**prices, priced[0]: 1.0}) if len(priced) == 1 else objective


def choose(candidates: Sequence[Candidate], objective: Objective = LATENCY) -> Candidate:
    """Return the eligible candidate of least objective; of equals the faster, and then the one listed first.

    Raises:
        NoFeasiblePlan: none is eligible; says why for each.
    """
    eligible = [one for one in candidates if one.eligible and one.in_book]
    if not eligible:
        why = "; ".join(f"{one.label}: {one.why_not}" for one in candidates)
        raise NoFeasiblePlan(f"no page can run: {why}", "relax the wish, or use a larger device")
    return _least(eligible, objective)


def choose_own(candidates: Sequence[Candidate]) -> Candidate:
    """Return the page of the person's own split.

    Raises:
        NoFeasiblePlan: it may not run; says why.
    """
    own = next(one for one in candidates if one.page.name == OWN)
    if not (own.in_book and own.eligible):
        raise NoFeasiblePlan(f"{own.label} cannot run: {own.why_not}", "split elsewhere, or relax the wish")
    return own


def best_cut(candidates: Sequence[Candidate], objective: Objective = LATENCY) -> Candidate | None:
    """Return the best page that divides the model itself and may be chosen."""
    cuts = [one for one in candidates if is_cut(one.page.name) and one.in_book and one.eligible]
    return _least(cuts, objective) if cuts else None


def is_cut(name: PageName) -> bool:
    """Return whether a page of this name divides the model itself."""
    return name.startswith("cut-") or name == OWN


def reason(
    candidates: Sequence[Candidate], chosen: Candidate, keep_input: bool, objective: Objective = LATENCY
) -> str:
    """Say why `chosen` was chosen, against what it has to be compared with."""
    wish = "with the input kept on the board, " if keep_input else ""
    if chosen.page.name == OWN:
        return wish + _why_own(candidates, chosen, objective)
    if is_cut(chosen.page.name):
        return wish + _why_split(candidates, chosen, objective)
    return _why_whole(candidates, chosen, wish, objective)


def _why_own(candidates: Sequence[Candidate], chosen: Candidate, objective: Objective) -> str:
    others = [one for one in candidates if one.eligible and one.in_book and one.page.name != chosen.page.name]
    head = f"{chosen.label} {_amount(objective, chosen)}"
    if not others:
        return f"{head}; nothing else can run"
    best = _least(others, objective)
    own, least = value(objective, chosen.page.prediction), value(objective, best.page.prediction)
    if own <= least * (1 + SAME):
        return (
            f"{head}: the planner would take nothing better (next: {best.label}, {_short(objective, best)})"
        )
    worse = f"{(own - least) / least:.0%} worse than" if least > 0 else "worse than"
    trade = _trade(best.page.prediction, chosen.page.prediction)
    return (
        f"{head}: {worse} {best.label} ({_short(objective, best)}), which the planner would take; it {trade}"
    )


def _why_split(candidates: Sequence[Candidate], chosen: Candidate, objective: Objective) -> str:
    rival = _rival(candidates, chosen, objective)
    if rival is None:
        return f"the split ({_named(chosen)}) is the only page that can run"
    trade = _trade(rival.page.prediction, chosen.page.prediction)
    return (
        f"the split ({_named(chosen)}) {_amount(objective, chosen)}: "
        f"against {rival.label} at {_short(objective, rival)} it {trade}"
    )


def _why_whole(candidates: Sequence[Candidate], chosen: Candidate, wish: str, objective: Objective) -> str:
    rival = _rival(candidates, chosen, objective)
    following = f" (next: {rival.label}, {_short(objective, rival)})" if rival else ""
    parts = [f"{wish}{chosen.label} {_amount(objective, chosen)}{following}"]
    cut = best_cut(candidates, objective)
    if cut:
        parts.append(
            f"No split: the best cut ({_named(cut)}) would {_amount(objective, cut, would=True)}; against "
            f"{chosen.label} it {_trade(chosen.page.prediction, cut.page.prediction)}"
        )
    elif chosen.page.name != LOCAL_PAGE or len(candidates) > 1:
        keeping = " keeps the input on the board" if wish else " is possible"
        parts.append(f"No split: no cut inside the model{keeping}")
    return ". ".join(parts)


def _rival(candidates: Sequence[Candidate], chosen: Candidate, objective: Objective) -> Candidate | None:
    """Return the best other page that divides nothing."""
    others = [
        one
        for one in candidates
        if one.eligible and not is_cut(one.page.name) and one.page.name != chosen.page.name
    ]
    return _least(others, objective) if others else None


def _least(candidates: Iterable[Candidate], objective: Objective) -> Candidate:
    return min(
        candidates, key=lambda one: (value(objective, one.page.prediction), one.page.prediction.latency)
    )


def _amount(objective: Objective, candidate: Candidate, *, would: bool = False) -> str:
    """Say what the page costs, as the verb of a sentence ("takes 98.0 ms")."""
    verb = "send" if _is_egress(objective) else "answer" if objective == THROUGHPUT else "take"
    if not (objective in (LATENCY, THROUGHPUT, ENERGY) or _is_egress(objective)):
        verb = "cost"
    return f"{verb}{'' if would else 's'} {_short(objective, candidate)}"


def _short(objective: Objective, candidate: Candidate) -> str:
    """Say how much the page costs, in the objective's own unit."""
    one = candidate.page.prediction
    if objective == LATENCY:
        return _ms(one.latency)
    if objective == THROUGHPUT:
        return f"{1 / one.bottleneck:.1f} requests a second" if one.bottleneck > 0 else "any number"
    if objective == ENERGY:
        return f"{one.energy:.3g} J"
    if _is_egress(objective):
        return f"{(one.bytes_up + one.bytes_down) / 1e3:.1f} kB"
    return f"{value(objective, one):.4g} (weighted; {_ms(one.latency)})"


def _is_egress(objective: Objective) -> bool:
    return objective.egress > 0 and not (objective.latency or objective.bottleneck or objective.energy)


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

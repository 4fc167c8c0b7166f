"""The sentences that the terminal and the page share: what is proven, what would change, the link, the limits.

Law: reads the document's keys, whatever of them there is; returns sentences without a full stop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from partitioner.report.amounts import bound_words, figure, objective_of, value_of
from partitioner.report.quantities import digits, joules, megabits, milliseconds, percent, size

Document = dict[str, Any]
Say = Callable[[float], str]

METHODS = {
    "min-cut": "minimum cut, exact",
    "enumeration": "every cut enumerated, exact",
    "chain": "one chain of cuts searched, not exact: see the gap",
    "down-sets": "dynamic programme over down-sets, exact",
    "branch-and-bound": "branch and bound",
    "contraction": "after a contraction that may lose something: see the gap",
    "milp": "integer programme, exact",
}
TIGHT = 0.001  # a gap below this is said to be none
NOISY = 0.25  # a predictor that errs by more of a segment was fitted to a profile that no plan should rest on


def bound_lines(document: Document) -> list[str]:
    """Return what is proven of any plan, of the book's page, and of the solver's own plan."""
    bound = document["bound"]
    method = METHODS.get(bound["method"], bound["method"])
    lines = [
        f"{bound_words(objective_of(document), bound['lower_bound'])} in this cost model ({method}); "
        f"the chosen page is {off_bound(document)} it{_cause(document)}"
    ]
    if plan := document.get("plan"):
        if plan["gap"] >= TIGHT:
            lines.append(f"The solver's own plan is proven to within {percent(plan['gap'])} only")
        lines += _next_best(document, plan)
    return lines


def off_bound(document: Document) -> str:
    """Return how far the chosen page is from the bound: "10.0% above", of a rate "10.0% below".

    A gap is relative to the page's value, of which a rate is the inverse; "above" is relative to the bound.
    """
    gap = document["bound"]["gap"]
    if objective_of(document) == "throughput":
        return f"{gap:.1%} below"
    return f"{gap / (1 - gap):.1%} above" if gap < 1 else "above"


def _cause(document: Document) -> str:
    """Return why the chosen page is above the bound, where it is."""
    if document["bound"]["gap"] < TIGHT:
        return ""
    if _was_asked_for(document):
        return ", as it was asked for"
    return ", as the blocks are shared with other pages"


def _was_asked_for(document: Document) -> bool:
    """Return whether the planner would take another page; an older document tells it by its figures alone."""
    if preferred := document.get("preferred"):
        return bool(preferred != document["page"])
    rows = document.get("candidates") or []
    best = min((value_of(row) for row in rows if row["eligible"]), default=math.inf)
    return any(row["chosen"] and value_of(row) > best * (1 + TIGHT) for row in rows)


def _next_best(document: Document, plan: Document) -> list[str]:
    """Return which plan is next, of the table's and of the solver's rivals; nothing where the page is not the best.

    Of a way that the table has, the table's figure counts: the solver's is free of the book's blocks. A rival that
    costs what the chosen page costs, or less, is that page, priced apart.
    """
    rows = document.get("candidates") or []
    best = next((value_of(row) for row in rows if row["chosen"]), plan["value"])
    if _was_asked_for(document):
        return []
    free = [row for row in rows if row["eligible"] and not row["chosen"]]
    others = [one for one in document.get("alternatives") or [] if not one["why_not"]]
    others = [one for one in others if value_of(one) > best * (1 + TIGHT) and not _in_table(one, rows)]
    rivals = [*free, *others]
    if not rows and not rivals and plan.get("margin") is not None:  # a document that lists none
        return [f"The next-best plan is {_worse(document, plan['margin'], best)} worse"]
    if not rivals:
        return []
    next_best = min(rivals, key=value_of)
    worse = _worse(document, value_of(next_best) - best, best)
    return [f"The next-best plan ({next_best['label']}) is {worse} worse"]


def _in_table(rival: Document, rows: Sequence[Document]) -> bool:
    """Return whether a rival leaves the model whole on a device of the table: all such ways are rows of it."""
    used = {stage["device"] for stage in rival.get("stages") or [] if stage["layers"]}
    ends = {stage["device"] for row in rows for stage in row.get("stages") or []}
    whole = len(used) == 1 if "split" not in rival else not rival["split"]
    return bool(used) and whole and used <= ends


def _worse(document: Document, margin: float, best: float) -> str:
    return percent(max(margin, 0.0) / best) if best else figure(objective_of(document), margin)


def regret_line(document: Document) -> list[str]:
    """Return what the trimmed book loses against a fresh solve, in one line; nothing where it is unknown."""
    regret = document.get("regret")
    if not regret:
        return []
    where = f" (at {regret['worst_at']})" if regret["worst_at"] else ""
    return [
        f"Over {regret['scenarios']} links and loads the devices' book is {percent(regret['mean'])} slower than a "
        f"fresh plan on average, {percent(regret['worst'])} at worst{where}"
    ]


def change_lines(document: Document) -> list[str]:
    """Return what would change the decision: rates of the link, the board's slowdown, speeds of devices.

    Of a page that was asked for, no speed and no rate would.
    """
    changes, lines = document["changes"], []
    if changes.get("slower_link"):
        lines.append(f"Below {megabits(changes['slower_link']['rate'])} up: {changes['slower_link']['page']}")
    if changes.get("faster_link"):
        lines.append(f"Above {megabits(changes['faster_link']['rate'])} up: {changes['faster_link']['page']}")
    if changes.get("slowdown_flip"):
        lines.append(
            f"Board alone is best while the board's slowdown is below {changes['slowdown_flip']:.2f}x"
            f" (now {_slowdown(document):g}x)"
        )
    flips = [one for one in document.get("flips") or [] if one["factor"] and not _was_asked_for(document)]
    return lines + [_flip(one) for one in flips if not _said(one, document)]


def _said(flip: Document, document: Document) -> bool:
    """Return whether a threshold of the book says the same already."""
    changes = document["changes"]
    if flip["what"].startswith("rate of"):
        return bool(changes.get("slower_link") if flip["factor"] < 1 else changes.get("faster_link"))
    board = next((one["device"] for one in document["devices"] if one["role"] == "board"), "")
    slowdown = changes.get("slowdown_flip")
    return (
        bool(slowdown)
        and flip["what"] == f"speed of {board}"
        and ((slowdown < _slowdown(document)) is (flip["factor"] > 1))
    )


def _flip(flip: Document) -> str:
    side = "more" if flip["factor"] >= 1 else "less"
    return f"At {digits(flip['factor'], 3)} times the {flip['what']} or {side}: {flip['label']}"


def _slowdown(document: Document) -> float:
    found = (one["simulated_slowdown"] for one in document["devices"] if one["role"] == "board")
    return float(next(found, 1.0))


def run_line(document: Document) -> list[str]:
    """Return how the plans of the table are told to run, where that is not alike."""
    fused = {bool(row.get("fused")) for row in document["candidates"]}
    if len(fused) < 2:
        return []
    return [
        "The chosen plan is told as it runs, each stage in one piece where memory allows; the others block by "
        "block, as pages of this book"
    ]


def noise_lines(document: Document) -> list[str]:
    """Return which measured profiles are too noisy to plan by, and what to do; an estimate is marked elsewhere."""
    measured = (one for one in document["devices"] if not one.get("estimated_from"))
    return [
        f"the profile of {one['device']} is noisy (error {one['predictor_error'] * 100:.0f} %): measure again on a "
        f"quiet device: lepton-edge deploy {document['model']} --refresh"
        for one in measured
        if one.get("predictor_error", 0.0) > NOISY
    ]


def link_line(document: Document) -> list[str]:
    """Return the link's rates and round trip, and whether it was measured."""
    link = document.get("link")
    if link is None:
        return []
    source = "measured" if link["measured"] else "declared, not measured"
    through = f" through {link['via']}" if link.get("via") else ""
    round_trip = link["delay_up"] + link["delay_down"]
    return [
        f"Link{through} ({source}): {megabits(link['up'])} up, {megabits(link['down'])} down, "
        f"round trip {milliseconds(round_trip)}, headers {link['overhead'] - 1:.1%}"
    ]


def load_line(document: Document) -> list[str]:
    """Return how busy the cloud is with others' requests, and what that adds to each that uses it."""
    load = document.get("load")
    if not load:
        return []
    by = [f"{one['model']} of {one['board'] or 'clouds alone'} {one['part']:.0%}" for one in load["by"]]
    whose = f" ({', '.join(by)})" if by else ""
    return [
        f"{load['device']} is {load['part']:.0%} busy with others{whose}: + {milliseconds(load['wait'])} "
        "for every request that uses it"
    ]


def variant_lines(document: Document) -> list[str]:
    """Return who runs which variant of the model, and what the other ways to give them would take."""
    variants = document.get("variants")
    if not variants:
        return []
    ways = sorted(variants["ways"], key=lambda way: float(way["seconds"]))
    others = [way for way in ways if way["label"] != variants["label"]]
    told = [f"{way['label']} {milliseconds(way['seconds'])}" for way in others]
    kinds = " and ".join(dict.fromkeys((variants.get("precisions") or {}).values()))
    who = variants["label"] + (f" ({kinds})" if kinds else "")
    return [f"Variants: {who}" + (f"; {', '.join(told)}" if told else "")]


def limit_lines(document: Document) -> list[str]:
    """Return what was wanted: the objective where it is not latency, and each limit and wish."""
    objective = objective_of(document)
    lines = [] if objective == "latency" else [f"Objective: {objective}"]
    limits, wishes = document.get("limits") or {}, document.get("wishes") or {}
    said = [
        words for key, say in LIMITS.items() if limits.get(key) is not None for words in [say(limits[key])]
    ]
    lines += [f"Limits: {', '.join(said)}"] if said else []
    kept = [say(wishes[key]) for key, say in WISHES.items() if wishes.get(key)]
    kept += [f"{name} stays on the board" for name in wishes.get("stay") or []]
    lines += [f"Wishes: {', '.join(kept)}"] if kept else []
    return lines + _energy_lines(document)


def _energy_lines(document: Document) -> list[str]:
    """Say whose watts an energy comes from, where energy is wished for, and who counts as nothing."""
    watts = document.get("watts") or {}
    wanted = "energy" in objective_of(document) or (document.get("limits") or {}).get("energy") is not None
    if not wanted or not watts:
        return []
    declared = ", ".join(f"{who} {digits(one)} W" for who, one in watts.items() if one)
    there = {one["role"] for one in document["devices"]}
    missing = [who for who, one in watts.items() if not one and (who in there or who == "radio")]
    nothing = (
        f"; nobody declared those of the {' and the '.join(missing)}: counted as none" if missing else ""
    )
    return [f"Energy is worked out from declared watts, not measured ({declared or 'none'}){nothing}"]


LIMITS: Mapping[str, Say] = {
    "latency": lambda limit: f"latency at most {milliseconds(limit)}",
    "throughput": lambda limit: f"at least {digits(limit)} answers a second",
    "energy": lambda limit: f"energy at most {joules(limit)} (as declared)",
    "egress": lambda limit: f"at most {size(limit)} over the links",
    "loss": lambda limit: f"loss at most {percent(limit)}",
}
WISHES: Mapping[str, Callable[[Any], str]] = {
    "keep_input": lambda _: "the input stays on the board",
    "keep_output": lambda _: "the output is made on the board",
    "own_cut": lambda name: f"a split of one's own behind {name}",
    "first_layers": lambda count: f"the first {count} layers stay on the board",
    "board_lacks": lambda names: f"the board lacks {' and '.join(names)}",
    "cloud_lacks": lambda names: f"the cloud lacks {' and '.join(names)}",
}

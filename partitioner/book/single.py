"""The book of a single device: one page, cut only where an input may enter.

Law: as the room's; there is nothing to choose here.
"""

from __future__ import annotations

import dataclasses

from partitioner.book.boundaries import doors
from partitioner.book.draft import BookOptions, Candidate, Draft
from partitioner.book.lacking import lacking
from partitioner.book.legal import over
from partitioner.book.pages import stage_time
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile
from partitioner.errors import NoFeasiblePlan
from partitioner.graph import CostGraph
from partitioner.plan import LOCAL_PAGE, Page, Prediction, Stage
from partitioner.predict import stage_costs
from partitioner.units import BlockIndex, Bytes, DeviceId, PageName, Seconds

Cuts = tuple[frozenset[int], ...]

NOBODY = DeviceId("")
NOTHING = Seconds(0.0)


def book_of_one(
    compiled: CompiledModel, device: DeviceProfile, options: BookOptions, *, is_board: bool
) -> Draft:
    """Draft a book whose only page runs everything on `device`.

    Raises:
        ProfileError: the profile is absurd or of another model.
        NoFeasiblePlan: it does not fit, or the input is to stay on a board and there is none.
    """
    _check_wishes(device, options, is_board=is_board)
    where = "board" if is_board else "cloud"
    _check_operators(compiled.graph, options, where)
    _check_memory(compiled, device, options, where)
    everything = frozenset(range(len(compiled.graph.layers)))
    cuts = (frozenset(), *doors(compiled), everything)
    fused = _fits_twice(compiled, options, where)
    prediction, bound = _predict(device, compiled.graph, cuts, is_board=is_board, fused=fused)
    prediction = _within_limits(prediction, options, where)
    why = f"{where} alone takes {prediction.latency * 1e3:.1f} ms: no other device shares the work"
    stages = (Stage(device.device, BlockIndex(0), BlockIndex(len(cuts) - 1)),)
    page = Page(LOCAL_PAGE, stages, prediction, bound, reason=why)
    return Draft(
        cuts,
        (page,),
        LOCAL_PAGE,
        why,
        fallback=LOCAL_PAGE,
        best_cut=PageName(""),
        candidates=(Candidate(page, f"{where} alone", down_set=everything, fused=fused),),
        lower_bound=bound,
        method="enumeration",
        board=device.device if is_board else NOBODY,
        cloud=NOBODY if is_board else device.device,
        keep_input=options.keep_input,
        objective=options.objective,
        limits=options.limits,
        preferred=LOCAL_PAGE,
    )


def _predict(
    device: DeviceProfile, graph: CostGraph, cuts: Cuts, *, is_board: bool, fused: bool
) -> tuple[Prediction, Seconds]:
    costs = stage_costs(device, graph)
    stage = stage_time(graph, costs, cuts, fused=fused)
    seconds = Seconds(costs.overhead + stage.mean)
    near, far = (seconds, NOTHING) if is_board else (NOTHING, seconds)
    prediction = Prediction(
        seconds, near, far, NOTHING, NOTHING, Bytes(0), Bytes(0), stage.spread, bottleneck=seconds
    )
    return prediction, Seconds(costs.overhead + sum(costs.layers))


def _within_limits(prediction: Prediction, options: BookOptions, where: str) -> Prediction:
    """Return the prediction with its energy; refuse one that breaks a limit."""
    watts = options.board_watts if where == "board" else options.cloud_watts
    told = dataclasses.replace(prediction, energy=watts * prediction.latency)
    if why := over(options.limits, told, 0.0):
        raise NoFeasiblePlan(f"{where} alone is all there is: {why}", "relax the limit, or start an agent")
    return told


def _check_wishes(device: DeviceProfile, options: BookOptions, *, is_board: bool) -> None:
    if options.keep_input and not is_board:
        raise NoFeasiblePlan(
            "the input is to stay on the board, and there is none", "start an agent as board"
        )
    if options.own_cut:
        raise NoFeasiblePlan(
            f"there is nobody to split the model with: {device.device} is alone", "start an agent"
        )


def _check_operators(graph: CostGraph, options: BookOptions, where: str) -> None:
    lacks = lacking(graph, options.board_lacks if where == "board" else options.cloud_lacks)
    if lacks:
        raise NoFeasiblePlan(
            f"the {where} lacks an operator of {graph.layers[min(lacks)].name}, and is alone",
            "start an agent on another device, to share the model with",
        )


def _fits_twice(compiled: CompiledModel, options: BookOptions, where: str) -> bool:
    """Return whether there is memory for the model once more, in one piece: then the only page runs fused."""
    limit = options.board_memory if where == "board" else options.cloud_memory
    held = 2 * sum(ref.length for ref in compiled.weights)
    return limit <= 0 or held * (1 + options.headroom) <= limit


def _check_memory(compiled: CompiledModel, device: DeviceProfile, options: BookOptions, where: str) -> None:
    limit = options.board_memory if where == "board" else options.cloud_memory
    held = sum(ref.length for ref in compiled.weights) + device.activation_peak
    needs = held * (1 + options.headroom)
    if limit and needs > limit:
        raise NoFeasiblePlan(
            f"the {where} alone would need {needs / 1e6:.1f} MB and has {limit / 1e6:.1f} MB",
            "start an agent on another device, to share the model with",
        )

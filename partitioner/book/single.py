"""The book of a single device: one page, cut only where an input may enter.

Law: as the room's; there is nothing to choose here.
"""

from __future__ import annotations

import dataclasses

from partitioner.book.boundaries import doors
from partitioner.book.draft import BookOptions, Candidate, Draft
from partitioner.book.fusing import Pieces, in_pieces
from partitioner.book.lacking import lacking
from partitioner.book.legal import over
from partitioner.book.pages import stage_time
from partitioner.book.setting import device_of
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile
from partitioner.errors import NoFeasiblePlan
from partitioner.plan import LOCAL_PAGE, Page, Prediction, Stage
from partitioner.solve.costing import memory_of
from partitioner.solve.problem import Device, Problem
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
    problem = _problem(compiled, device, options, where)
    everything = frozenset(range(len(compiled.graph.layers)))
    cuts = (frozenset(), *doors(compiled), everything)
    pieces = Pieces(problem, cuts)
    ends = pieces.ends(problem.devices[0], 0, len(cuts) - 1)
    prediction, bound = _predict(problem, ends, is_board=is_board)
    prediction = _within_limits(prediction, options, where)
    why = f"{where} alone takes {prediction.latency * 1e3:.1f} ms: no other device shares the work"
    stages = (Stage(device.device, BlockIndex(0), BlockIndex(len(cuts) - 1)),)
    page = Page(LOCAL_PAGE, stages, prediction, bound, reason=why)
    candidate = Candidate(page, f"{where} alone", down_set=everything)
    return Draft(
        cuts,
        (page,),
        LOCAL_PAGE,
        why,
        fallback=LOCAL_PAGE,
        best_cut=PageName(""),
        candidates=(in_pieces(problem, candidate, pieces),),
        lower_bound=bound,
        method="enumeration",
        board=device.device if is_board else NOBODY,
        cloud=NOBODY if is_board else device.device,
        keep_input=options.keep_input,
        objective=options.objective,
        limits=options.limits,
        preferred=LOCAL_PAGE,
    )


def _problem(compiled: CompiledModel, device: DeviceProfile, options: BookOptions, where: str) -> Problem:
    """Return what there is to hold and to run, as the solvers see it; refuse what this device cannot."""
    memory = options.board_memory if where == "board" else options.cloud_memory
    weights = {ref.name: ref.length for ref in compiled.weights}
    lacks = options.board_lacks if where == "board" else options.cloud_lacks
    alone = dataclasses.replace(device_of(compiled, device, memory), lacks=lacking(compiled.graph, lacks))
    problem = Problem(compiled.graph, (alone,), weight_bytes=weights, headroom=options.headroom)
    _check_operators(problem, where)
    _check_memory(problem, where)
    return problem


def _predict(problem: Problem, ends: Cuts, *, is_board: bool) -> tuple[Prediction, Seconds]:
    costs = problem.devices[0].costs
    stage = stage_time(problem.graph, costs, ends)
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


def _check_operators(problem: Problem, where: str) -> None:
    graph, lacks = problem.graph, problem.devices[0].lacks
    if lacks:
        raise NoFeasiblePlan(
            f"the {where} lacks an operator of {graph.layers[min(lacks)].name}, and is alone",
            "start an agent on another device, to share the model with",
        )


def _check_memory(problem: Problem, where: str) -> None:
    only: Device = problem.devices[0]
    needs = memory_of(problem, only.name, range(len(problem.graph.layers)))
    if 0 < only.memory < needs:
        raise NoFeasiblePlan(
            f"the {where} alone would need {needs / 1e6:.1f} MB and has {only.memory / 1e6:.1f} MB",
            "start an agent on another device, to share the model with",
        )

"""The pages of a book, each with what it is predicted to cost.

Law: costs pages that are given; chooses none. A page runs block by block, so its prediction pays the
boundary term at every boundary of the book on either device, not only at its own cut; a page that is fused
runs its stages in one piece each, and pays at its own cut alone.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable

from partitioner.book.boundaries import doors, uint8_picture
from partitioner.book.choice import OWN
from partitioner.book.draft import Candidate
from partitioner.book.fusing import Pieces, in_pieces
from partitioner.book.interior import is_interior
from partitioner.book.legal import forbidden, over
from partitioner.book.own import own_cut
from partitioner.book.setting import Setting, placeable
from partitioner.codecs import JPEG, RAW
from partitioner.graph import CostGraph, CostTensor, live_tensors
from partitioner.plan import LOCAL_PAGE, CodecChoice, Page, Prediction, Stage
from partitioner.predict import Estimate, StageCosts, segment_estimate
from partitioner.solve.costing import evaluate, objective_value, violations
from partitioner.solve.plans import Costs
from partitioner.solve.prices import boundary_of, cheapest
from partitioner.solve.problem import NO_LIMITS, CodecOption, Layout, Problem, codec_options, may_cross
from partitioner.units import BlockIndex, Bytes, CodecName, PageName, Seconds, TensorName

DownSet = frozenset[int]
Cuts = tuple[DownSet, ...]
Crossing = list[tuple[CostTensor, CodecOption]]

CLOUD_RAW, CLOUD_JPEG, CLOUD_ENCODED = (
    PageName("cloud-raw"),
    PageName("cloud-jpeg"),
    PageName("cloud-encoded"),
)
MOST_COMBINATIONS = 256
STANDING = (CLOUD_RAW, CLOUD_JPEG, CLOUD_ENCODED)  # in the order of reports


def candidates(setting: Setting, cuts: Cuts, *, fused: bool = False) -> list[Candidate]:
    """Return every page over the boundaries `cuts`: the standing ones, then one for each interior one.

    With `fused`, each is costed as if it ran fused, which the page that requests take may.
    """
    pieces = Pieces(setting.problem, cuts) if fused else None
    standing = _standing(setting, cuts, pieces)
    standing += _refused(setting, cuts, {one.page.name for one in standing})
    found = [_local(setting, cuts, pieces), *sorted(standing, key=lambda one: STANDING.index(one.page.name))]
    own = own_boundary(setting)
    for index, down_set in enumerate(cuts):
        if down_set == own or is_interior(setting.graph, down_set):
            found += _at_cut(setting, cuts, index, pieces)
    return [in_pieces(setting.problem, one, pieces) for one in found] if pieces else found


def own_boundary(setting: Setting) -> DownSet | None:
    """Return the boundary of the person's own split, or None when they gave none.

    Whatever prepares an input runs on the board with it, unless the split lies inside of the preparation.

    Raises:
        InvalidProblem: nothing is called so, or the split leaves one side empty.
    """
    if not setting.options.own_cut:
        return None
    asked = own_cut(setting.graph, setting.options.own_cut)
    known = doors(setting.compiled)
    return asked if asked in known or not known else asked | known[-1]


def _refused(setting: Setting, cuts: Cuts, known: set[PageName]) -> list[Candidate]:
    """Return the standing candidates that a wish rules out and that no boundary was spent on."""
    everywhere = tuple(sorted({*cuts, *doors(setting.compiled)}, key=len))
    standing = _standing(setting, everywhere, None)
    return [one for one in standing if one.page.name not in known and not one.in_book]


def _local(setting: Setting, cuts: Cuts, fused: Pieces | None) -> Candidate:
    page, loss = _page(setting, cuts, len(cuts) - 1, LOCAL_PAGE, [], fused=fused)
    return _judged(setting, cuts, page, "board alone", [], loss=loss)


def _standing(setting: Setting, cuts: Cuts, fused: Pieces | None) -> list[Candidate]:
    names = _uint8_pictures(setting)
    behind = _boundary_of(setting, cuts, names) if names else 0
    forced = functools.partial(_forced, setting, cuts, fused=fused)
    found = []
    if behind is not None:
        label = "cloud with uint8" if names else "cloud with raw input"
        found += forced(behind, CLOUD_RAW, label)
        found += forced(behind, CLOUD_JPEG, "cloud with JPEG") if names else []
    if names:
        found += forced(0, CLOUD_ENCODED, "cloud with the encoded picture")
    return found


def _forced(
    setting: Setting, cuts: Cuts, index: int, name: PageName, label: str, *, fused: Pieces | None
) -> list[Candidate]:
    """Return the page that sends by one codec: JPEG for pictures where `name` says so, else raw."""
    crossing: Crossing = []
    for tensor in live_tensors(setting.graph, cuts[index]):
        wanted = JPEG.name if name == CLOUD_JPEG and tensor.picture else RAW.name
        option = _named(codec_options(setting.problem, tensor), wanted)
        if option is None:
            return []  # JPEG of a picture without samples: its loss is unknown
        crossing.append((tensor, option))
    page, loss = _page(setting, cuts, index, name, crossing, fused=fused)
    return [_judged(setting, cuts, page, label, crossing, loss=loss)]


def _at_cut(setting: Setting, cuts: Cuts, index: int, fused: Pieces | None) -> list[Candidate]:
    own = cuts[index] == own_boundary(setting)
    may = all(may_cross(setting.problem, tensor) for tensor in live_tensors(setting.graph, cuts[index]))
    if not may and not own:
        return []
    crossing = chosen_codecs(setting.problem if may else setting.free, cuts[index])
    name = OWN if own else PageName(f"cut-{index}")
    page, loss = _page(setting, cuts, index, name, crossing, fused=fused)
    label = f"{'your own ' if own else ''}split behind {_last_layer(setting, cuts[index])}"
    return [_judged(setting, cuts, page, label, crossing, loss=loss)]


def chosen_codecs(problem: Problem, down_set: DownSet) -> Crossing:
    """Return the codec of each tensor that crosses behind `down_set`: together the best for the objective.

    Where they do not meet in a sum (a bottleneck, a limit), every combination is tried; of more than
    `MOST_COMBINATIONS` each tensor keeps what is best for it alone.
    """
    near, far = problem.devices
    boundary = boundary_of(problem, near.name, far.name)
    tensors = live_tensors(problem.graph, down_set)
    alone = [(tensor, best[0]) for tensor in tensors if (best := cheapest(problem, boundary, tensor))]
    offered = [[one for one in codec_options(problem, tensor) if one.allowed] for tensor, _ in alone]
    joint = problem.limits != NO_LIMITS or not problem.objective.additive
    if not joint or len(alone) < len(tensors) or math.prod(map(len, offered)) > MOST_COMBINATIONS:
        return alone
    crossings = ([*zip(tensors, options, strict=True)] for options in itertools.product(*offered))
    return min(crossings, key=lambda one: _rank(problem, down_set, one))


def _rank(problem: Problem, down_set: DownSet, crossing: Crossing) -> tuple[int, float]:
    """Return how many limits a choice of codecs breaks, and what it costs."""
    free = placeable(problem)
    chosen = [CodecChoice(tensor.name, option.codec) for tensor, option in crossing]
    costs = evaluate(free, layout_of(problem, down_set, chosen))
    return len(violations(problem, costs)), objective_value(problem, costs)


def _judged(
    setting: Setting, cuts: Cuts, page: Page, label: str, crossing: Crossing, *, loss: float
) -> Candidate:
    """Say whether the page can run, and whether it may be chosen."""
    down_set = cuts[page.stages[0].last]
    judged = functools.partial(Candidate, page, label, down_set=down_set)
    if why := forbidden(setting.wish, down_set):
        return judged(in_book=False, eligible=False, why_not=why)
    if lossy := [(tensor, option) for tensor, option in crossing if not option.allowed]:
        why = _loss(setting, lossy[0][0].name, lossy[0][1].codec)
        return judged(eligible=False, why_not=why)
    if why := over(setting.options.limits, page.prediction, loss):
        return judged(eligible=False, why_not=why)
    return judged()


def _loss(setting: Setting, tensor: TensorName, codec: CodecName) -> str:
    for sample in setting.compiled.codecs:
        if (sample.tensor, sample.codec) == (tensor, codec):
            return (
                f"{codec} on {tensor} fails the accuracy rule: the output moves by up to {sample.loss:.1%}, "
                f"top-1 stays in {sample.top1_kept:.0%} of {sample.samples} samples"
            )
    return f"the loss of {codec} on {tensor} was never measured"


def _page(
    setting: Setting, cuts: Cuts, index: int, name: PageName, crossing: Crossing, *, fused: Pieces | None
) -> tuple[Page, float]:
    """Return the page, and the loss of its codecs."""
    count = len(cuts) - 1
    codecs = tuple(CodecChoice(tensor.name, option.codec) for tensor, option in crossing)
    stages = (
        Stage(setting.board.device, BlockIndex(0), BlockIndex(index), codecs),
        Stage(setting.cloud.device, BlockIndex(index), BlockIndex(count)),
    )
    costs = evaluate(setting.free, layout_of(setting.free, cuts[index], codecs))
    return Page(name, stages, _prediction(setting, cuts, index, costs, fused)), costs.loss


def layout_of(problem: Problem, down_set: DownSet, codecs: Iterable[CodecChoice]) -> Layout:
    """Return the layout with `down_set` on the first device and the rest, if any, on the second."""
    near, far = (device.name for device in problem.devices)
    rest = frozenset(range(len(problem.graph.layers))) - down_set
    if not rest:
        return Layout((near,), (down_set,))
    chosen = {(0, choice.tensor): choice.codec for choice in codecs}
    return Layout((near, far), (down_set, rest), chosen)


def _prediction(setting: Setting, cuts: Cuts, index: int, costs: Costs, fused: Pieces | None) -> Prediction:
    """Return what the page costs: what its division costs anywhere, and the book's inner boundaries."""
    before, behind = cuts[: index + 1], cuts[index:]
    if fused:
        before = fused.ends(setting.near, 0, index)
        behind = fused.ends(setting.far, index, len(cuts) - 1)
    near = stage_time(setting.graph, setting.near.costs, before)
    far = stage_time(setting.graph, setting.far.costs, behind)
    extra = (
        near.mean - segment_estimate(setting.near.costs, setting.graph, frozenset(), cuts[index]).mean,
        far.mean - segment_estimate(setting.far.costs, setting.graph, cuts[index], cuts[-1]).mean,
    )
    return predicted(setting.problem, costs, extra, math.hypot(near.spread, far.spread))


def predicted(problem: Problem, costs: Costs, extra: tuple[float, float], spread: float) -> Prediction:
    """Return the prediction of a page from the costs of its division and `extra` seconds on board and cloud."""
    used = len(costs.stages) > 1
    board = costs.stages[0] + extra[0]
    cloud = costs.stages[1] + extra[1] if used else 0.0
    watts = [device.watts for device in problem.devices]
    return Prediction(
        latency=Seconds(costs.latency + extra[0] + (extra[1] if used else 0.0)),
        board=Seconds(board),
        cloud=Seconds(cloud),
        uplink=Seconds(sum(costs.forward)),
        downlink=Seconds(sum(costs.home)),
        bytes_up=Bytes(sum(costs.bytes_forward)),
        bytes_down=Bytes(sum(costs.bytes_home)),
        spread=Seconds(spread),
        bottleneck=Seconds(max(board, cloud, *costs.hop_busy.values())),
        energy=costs.energy + sum(one * more for one, more in zip(watts, extra, strict=False)),
    )


def stage_time(graph: CostGraph, costs: StageCosts, cuts: Cuts) -> Estimate:
    """Return the time of running what lies between `cuts`, one after another, on one device; codecs and messages apart.

    This is the one place where a stage's inner boundaries are paid.
    """
    parts = [segment_estimate(costs, graph, first, last) for first, last in itertools.pairwise(cuts)]
    mean, spread = sum(one.mean for one in parts), sum(one.spread for one in parts)
    return Estimate(Seconds(mean), Seconds(spread))


def _uint8_pictures(setting: Setting) -> list[TensorName]:
    known = {tensor.name for tensor in setting.graph.tensors}
    pictures = [spec for spec in setting.compiled.inputs if spec.picture]
    return [uint8_picture(spec.tensor.name, spec.picture, known) for spec in pictures]


def _boundary_of(setting: Setting, cuts: Cuts, names: Iterable[TensorName]) -> int | None:
    """Return the first boundary at which all of `names` are live."""
    wanted = set(names)
    for index, down_set in enumerate(cuts):
        if wanted <= {tensor.name for tensor in live_tensors(setting.graph, down_set)}:
            return index
    return None


def _named(options: tuple[CodecOption, ...], codec: CodecName) -> CodecOption | None:
    return next((option for option in options if option.codec == codec), None)


def _last_layer(setting: Setting, down_set: DownSet) -> str:
    return setting.graph.layers[max(down_set)].name

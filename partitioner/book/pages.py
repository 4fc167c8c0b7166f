"""The pages of a book, each with what it is predicted to cost.

Law: costs pages that are given; chooses none. A page runs block by block, so its prediction pays the
boundary term at every boundary of the book on either device, not only at its own cut.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable

from partitioner.book.boundaries import doors, uint8_picture
from partitioner.book.draft import Candidate
from partitioner.book.setting import Setting
from partitioner.codecs import JPEG, RAW
from partitioner.costs import transfer_time
from partitioner.graph import CostTensor, live_tensors
from partitioner.plan import LOCAL_PAGE, CodecChoice, Page, Prediction, Stage
from partitioner.predict import Estimate, StageCosts, segment_estimate
from partitioner.solve import CodecOption, excess, is_interior
from partitioner.solve.two_stage import codec_options, crossing_option, may_cross, returned_tensors
from partitioner.units import BlockIndex, Bytes, CodecName, PageName, Seconds, TensorName

DownSet = frozenset[int]
Crossing = list[tuple[CostTensor, CodecOption]]

CLOUD_RAW, CLOUD_JPEG, CLOUD_ENCODED = (
    PageName("cloud-raw"),
    PageName("cloud-jpeg"),
    PageName("cloud-encoded"),
)
STANDING = (CLOUD_RAW, CLOUD_JPEG, CLOUD_ENCODED)  # in the order of reports


def candidates(setting: Setting, cuts: tuple[DownSet, ...]) -> list[Candidate]:
    """Return every page over the boundaries `cuts`: the standing ones, then one for each interior one."""
    standing = _standing(setting, cuts)
    standing += _refused(setting, cuts, {one.page.name for one in standing})
    found = [_local(setting, cuts), *sorted(standing, key=lambda one: STANDING.index(one.page.name))]
    for index, down_set in enumerate(cuts):
        if is_interior(setting.graph, down_set):
            found += _at_cut(setting, cuts, index)
    return found


def _refused(setting: Setting, cuts: tuple[DownSet, ...], known: set[PageName]) -> list[Candidate]:
    """Return the standing candidates that a kept input rules out and that no boundary was spent on."""
    everywhere = tuple(sorted({*cuts, *doors(setting.compiled)}, key=len))
    standing = _standing(setting, everywhere)
    return [one for one in standing if one.page.name not in known and not one.in_book]


def _local(setting: Setting, cuts: tuple[DownSet, ...]) -> Candidate:
    page = _page(setting, cuts, len(cuts) - 1, LOCAL_PAGE, [])
    return _judged(setting, cuts, page, "board alone", [])


def _standing(setting: Setting, cuts: tuple[DownSet, ...]) -> list[Candidate]:
    names = _uint8_pictures(setting)
    behind = _boundary_of(setting, cuts, names) if names else 0
    found = []
    if behind is not None:
        label = "cloud with uint8" if names else "cloud with raw input"
        found += _forced(setting, cuts, behind, CLOUD_RAW, label)
        found += _forced(setting, cuts, behind, CLOUD_JPEG, "cloud with JPEG") if names else []
    if names:
        found += _forced(setting, cuts, 0, CLOUD_ENCODED, "cloud with the encoded picture")
    return found


def _forced(
    setting: Setting, cuts: tuple[DownSet, ...], index: int, name: PageName, label: str
) -> list[Candidate]:
    """Return the page that sends by one codec: JPEG for pictures where `name` says so, else raw."""
    crossing: Crossing = []
    for tensor in live_tensors(setting.graph, cuts[index]):
        wanted = JPEG.name if name == CLOUD_JPEG and tensor.picture else RAW.name
        option = _named(codec_options(setting.problem, tensor), wanted)
        if option is None:
            return []  # JPEG of a picture without samples: its loss is unknown
        crossing.append((tensor, option))
    return [_judged(setting, cuts, _page(setting, cuts, index, name, crossing), label, crossing)]


def _at_cut(setting: Setting, cuts: tuple[DownSet, ...], index: int) -> list[Candidate]:
    tensors = live_tensors(setting.graph, cuts[index])
    if not all(may_cross(setting.problem, tensor) for tensor in tensors):
        return []
    crossing = [(tensor, crossing_option(setting.problem, tensor)) for tensor in tensors]
    page = _page(setting, cuts, index, PageName(f"cut-{index}"), crossing)
    return [_judged(setting, cuts, page, f"split behind {_last_layer(setting, cuts[index])}", crossing)]


def _judged(
    setting: Setting, cuts: tuple[DownSet, ...], page: Page, label: str, crossing: Crossing
) -> Candidate:
    """Say whether the page can run, and whether it may be chosen."""
    judged = functools.partial(Candidate, page, label, down_set=cuts[page.stages[0].last])
    if lacking := excess(setting.problem, cuts[page.stages[0].last]):
        where, (needs, has) = next(iter(lacking.items()))
        why = f"the {where} needs {needs / 1e6:.1f} MB and has {has / 1e6:.1f}"
        return judged(in_book=False, eligible=False, why_not=why)
    if setting.options.keep_input and (given := _gives_away(setting, crossing)):
        why = f"{given} would leave the board, where the input is to be kept"
        return judged(in_book=False, eligible=False, why_not=why)
    if lossy := [(tensor, option) for tensor, option in crossing if not option.allowed]:
        why = _loss(setting, lossy[0][0].name, lossy[0][1].codec)
        return judged(eligible=False, why_not=why)
    return judged()


def _gives_away(setting: Setting, crossing: Crossing) -> str:
    for tensor, _ in crossing:
        if tensor.producer < 0 or setting.graph.layers[tensor.producer].from_input:
            return tensor.name
    return ""


def _loss(setting: Setting, tensor: TensorName, codec: CodecName) -> str:
    for sample in setting.compiled.codecs:
        if (sample.tensor, sample.codec) == (tensor, codec):
            return (
                f"{codec} on {tensor} fails the accuracy rule: the output moves by up to {sample.loss:.1%}, "
                f"top-1 stays in {sample.top1_kept:.0%} of {sample.samples} samples"
            )
    return f"the loss of {codec} on {tensor} was never measured"


def _page(
    setting: Setting, cuts: tuple[DownSet, ...], index: int, name: PageName, crossing: Crossing
) -> Page:
    count = len(cuts) - 1
    codecs = tuple(CodecChoice(tensor.name, option.codec) for tensor, option in crossing)
    stages = (
        Stage(setting.board.device, BlockIndex(0), BlockIndex(index), codecs),
        Stage(setting.cloud.device, BlockIndex(index), BlockIndex(count)),
    )
    return Page(name, stages, _prediction(setting, cuts, index, crossing))


def _prediction(setting: Setting, cuts: tuple[DownSet, ...], index: int, crossing: Crossing) -> Prediction:
    problem, link, used = setting.problem, setting.link, index < len(cuts) - 1
    near = blocks_time(setting, problem.board, cuts[: index + 1])
    far = blocks_time(setting, problem.cloud, cuts[index:])
    home = returned_tensors(setting.graph, cuts[index])
    bytes_up = Bytes(sum(option.wire_bytes for _, option in crossing))
    bytes_down = Bytes(sum(tensor.size for tensor in home))
    board = near.mean + problem.board.overhead + sum(option.encode for _, option in crossing)
    cloud = far.mean + problem.cloud.overhead + sum(option.decode for _, option in crossing) if used else 0.0
    up = transfer_time(bytes_up, link.up, link.overhead) + link.delay_up if used else 0.0
    down = transfer_time(bytes_down, link.down, link.overhead) + link.delay_down if home else 0.0
    return Prediction(
        Seconds(board + cloud + up + down), Seconds(board), Seconds(cloud), Seconds(up), Seconds(down),
        bytes_up, bytes_down, spread=Seconds(math.hypot(near.spread, far.spread)),
    )  # fmt: skip


def blocks_time(setting: Setting, costs: StageCosts, cuts: tuple[DownSet, ...]) -> Estimate:
    """Return the time of running the blocks between `cuts` one after another on one device, codecs apart."""
    parts = [
        segment_estimate(costs, setting.graph, first, last)
        for first, last in zip(cuts, cuts[1:], strict=False)
    ]
    mean, spread = sum(one.mean for one in parts), sum(one.spread for one in parts)
    return Estimate(Seconds(mean), Seconds(spread))


def _uint8_pictures(setting: Setting) -> list[TensorName]:
    known = {tensor.name for tensor in setting.graph.tensors}
    pictures = [spec for spec in setting.compiled.inputs if spec.picture]
    return [uint8_picture(spec.tensor.name, spec.picture, known) for spec in pictures]


def _boundary_of(setting: Setting, cuts: tuple[DownSet, ...], names: Iterable[TensorName]) -> int | None:
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

"""The choice flips where the thresholds say: on either side of them another page is the best."""

from __future__ import annotations

import dataclasses

from partitioner.book import BookOptions, make_book
from partitioner.book.pages import candidates
from partitioner.book.setting import make_setting
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.plan import Page
from partitioner.units import BytesPerSecond


def with_rate(link: LinkProfile, factor: float) -> LinkProfile:
    return dataclasses.replace(
        link, up=BytesPerSecond(link.up * factor), down=BytesPerSecond(link.down * factor)
    )


def test_the_choice_flips_at_the_slowdown(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    draft = make_book(compiled, board, cloud, lte)
    flip = draft.flip_slowdown
    assert flip is not None
    assert 1 < flip < board.simulated_slowdown
    setting = make_setting(compiled, board, cloud, lte, BookOptions())
    pages = tuple(one.page for one in candidates(setting, draft.boundaries, fused=True))
    assert best_at(pages, flip * 0.99, board) == "local"
    assert best_at(pages, flip * 1.01, board) != "local"


def test_the_choice_flips_at_the_rate(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    draft = make_book(compiled, board, cloud, lte, BookOptions(further_cuts=0))
    assert draft.slower_link is not None
    assert draft.slower_link.rate < lte.up
    for factor, expected in ((1.02, draft.active), (0.98, draft.slower_link.page)):
        link = with_rate(lte, factor * draft.slower_link.rate / lte.up)
        assert make_book(compiled, board, cloud, link, BookOptions(further_cuts=0)).active == expected


def best_at(pages: tuple[Page, ...], slowdown: float, board: DeviceProfile) -> str:
    def latency(page: Page) -> float:
        growing = page.prediction.board - board.overhead
        return page.prediction.latency + growing * (slowdown / board.simulated_slowdown - 1)

    return min(pages, key=latency).name

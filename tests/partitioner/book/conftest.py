"""Settings that differ in what was asked for, and in the link."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from partitioner.book import BookOptions
from partitioner.book.setting import Setting, make_setting
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.units import BytesPerSecond


@pytest.fixture
def setting_of(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> Callable[..., Setting]:
    def build(rate: float = 1.0, **wishes: object) -> Setting:
        options = dataclasses.replace(BookOptions(), **wishes)  # type: ignore[arg-type]
        up, down = BytesPerSecond(lte.up * rate), BytesPerSecond(lte.down * rate)
        link = dataclasses.replace(lte, up=up, down=down)
        return make_setting(compiled, board, cloud, link, options)

    return build

"""Devices that stand in for others: which, and what a page looks like to one of them.

Law: arithmetic on a book. A replica holds what the other one holds, and plays its stages when it is asked to.
"""

from __future__ import annotations

from dataclasses import replace

from partitioner.plan import Page, PlanBook
from partitioner.units import Bytes, DeviceId


def played_by(book: PlanBook, page: Page, device: DeviceId) -> Page:
    """Return `page` as `device` plays it: with the stages of the one that it stands in for, where it has none."""
    devices = {stage.device for stage in page.stages}
    stood_for = next((one.of for one in book.replicas if one.device == device and one.of in devices), None)
    if device in devices or stood_for is None:
        return page
    stages = [replace(one, device=device) if one.device == stood_for else one for one in page.stages]
    return replace(page, stages=tuple(stages))


def has_stand_in(book: PlanBook, device: DeviceId) -> bool:
    """Whether somebody stands in for `device`."""
    return any(one.of == device for one in book.replicas)


def beside(book: PlanBook, device: DeviceId) -> set[DeviceId]:
    """Return the devices with which `device` shares a page, by itself or as a replica, and their replicas."""
    parts = {device, *(one.of for one in book.replicas if one.device == device)}
    found: set[DeviceId] = set()
    for page in book.pages:
        devices = {stage.device for stage in page.stages}
        found |= devices if devices & parts else set()
    found |= {one.device for one in book.replicas if one.of in found}
    return found - {device}


def named(book: PlanBook) -> frozenset[DeviceId]:
    """Return every device that has a part in `book`."""
    stages = {stage.device for page in book.pages for stage in page.stages}
    return frozenset({*stages, *(one.device for one in book.replicas)})


def has_other_way(book: PlanBook, page: Page) -> bool:
    """Whether some page leads to a device that `page` does not lead to."""
    there = {stage.device for stage in page.stages}
    return any(stage.device not in there for other in book.pages for stage in other.stages)


def frontier_size(book: PlanBook, boundary: int) -> Bytes:
    """Return the bytes of a frontier by the book: what is kept of a request for a replica, at most."""
    return Bytes(sum(spec.size for spec in book.frontiers[boundary].tensors))

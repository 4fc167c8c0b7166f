"""Plans that differ in nothing but the names of their devices are made once.

Law: no I/O. An order without its names is the key; the plan that was made for it is kept without names, too, and given
those of whoever asks. What a plan says of others (whose requests load a cloud) is part of the key.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar, cast

from lepton_edge.coordinator.records import Estimate, PlanOrder
from lepton_edge.core.errors import from_code
from lepton_edge.core.messages import Progress
from partitioner.costs import DeviceProfile
from partitioner.errors import LeptonError
from partitioner.nouns_json import to_json
from partitioner.plan import PlanBook
from partitioner.units import DeviceId

T = TypeVar("T")
Names = Mapping[str, str]

MOST = 64
"""Plans that are kept: a book and its explanation have some hundred kB."""
BOARD, CLOUD = "\u27e6board\u27e7", "\u27e6cloud\u27e7"
"""What stands for a device's name in what is kept: in brackets that no name of a model, layer or device has."""


@dataclasses.dataclass(frozen=True)
class Made:
    """A plan: its book, if one was wanted, and the document that explains it, as JSON text."""

    book: PlanBook | None
    document: str


class Shared:
    """The plans that were made last, by what they were ordered with, names apart; the least recently used one goes."""

    def __init__(self, most: int = MOST) -> None:
        self._made: OrderedDict[str, Made] = OrderedDict()
        self._most = most

    def find(self, order: PlanOrder) -> Made | None:
        """Return the plan of an equal order, with the names of this one; None where there is none."""
        key = key_of(order)
        found = self._made.get(key)
        if found is None:
            return None
        self._made.move_to_end(key)
        return named(order, found)

    def keep(self, order: PlanOrder, made: Made) -> None:
        """Remember the plan that was made for the nameless form of an order."""
        self._made[key_of(order)] = made
        while len(self._made) > self._most:
            self._made.popitem(last=False)

    def forget(self, order: PlanOrder) -> None:
        """Forget the plan of an order: its files are gone."""
        self._made.pop(key_of(order), None)


def named(order: PlanOrder, made: Made) -> Made:
    """Return a plan that was made for the nameless form of an order with the order's names."""
    names = _names(order)
    document = made.document
    for one, name in names.items():  # there in JSON's own way to write them
        document = document.replace(json.dumps(one)[1:-1], name)
    return Made(renamed(made.book, names), document)


def teller(order: PlanOrder, tell: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Return who tells of progress with the order's names."""
    return lambda told: tell(dataclasses.replace(told, message=_spoken(told.message, order)))


@contextmanager
def renaming(order: PlanOrder) -> Iterator[None]:
    """Let what goes wrong with the nameless form of an order be told with the order's names."""
    try:
        yield
    except LeptonError as error:
        message, hint = (_spoken(text, order) for text in (error.message, error.hint))
        raise from_code(error.code, message, hint, error.fault, error.retryable) from error


def _spoken(text: str, order: PlanOrder) -> str:
    for one, name in _names(order).items():
        text = text.replace(one, name)
    return text


def key_of(order: PlanOrder) -> str:
    """Return what is the same for orders that differ in the names of their board and cloud alone."""
    return hashlib.sha256(json.dumps(to_json(nameless(order))).encode()).hexdigest()


def nameless(order: PlanOrder) -> PlanOrder:
    """Return an order whose devices are called `BOARD` and `CLOUD` wherever it names them."""
    names = {_board(order): BOARD, _cloud(order): CLOUD}
    load = order.load
    return dataclasses.replace(
        order,
        board=_profile(order.board, names),
        cloud=_profile(order.cloud, names),
        board_estimate=_estimate(order.board_estimate, names),
        cloud_estimate=_estimate(order.cloud_estimate, names),
        stale=tuple(_name(one, names) for one in order.stale),
        speeds=tuple(dataclasses.replace(one, device=_name(one.device, names)) for one in order.speeds),
        load=dataclasses.replace(load, device=_name(load.device, names)) if load else None,
        variants=tuple(
            dataclasses.replace(one, board=_profile(one.board, names), cloud=_profile(one.cloud, names))
            for one in order.variants
        ),
    )


def _names(order: PlanOrder) -> Names:
    return {BOARD: _board(order), CLOUD: _cloud(order)}


def _board(order: PlanOrder) -> str:
    known = order.board or order.board_estimate
    return str(known.device) if known else ""


def _cloud(order: PlanOrder) -> str:
    known = order.cloud or order.cloud_estimate
    return str(known.device) if known else ""


def _name(name: DeviceId, names: Names) -> DeviceId:
    return DeviceId(names.get(name, name)) if name else name


def _profile(profile: DeviceProfile | None, names: Names) -> DeviceProfile | None:
    return dataclasses.replace(profile, device=_name(profile.device, names)) if profile else None


def _estimate(estimate: Estimate | None, names: Names) -> Estimate | None:
    return dataclasses.replace(estimate, device=_name(estimate.device, names)) if estimate else None


def renamed(noun: T, names: Names) -> T:
    """Return a noun with every text that is one of `names` as that says; what has none of them is the same object."""
    if isinstance(noun, str):
        return cast(T, names.get(noun, noun))
    if isinstance(noun, tuple):
        items = tuple(renamed(item, names) for item in noun)
        return cast(T, items) if any(a is not b for a, b in zip(items, noun, strict=True)) else noun
    if dataclasses.is_dataclass(noun) and not isinstance(noun, type):
        told = {field.name: getattr(noun, field.name) for field in dataclasses.fields(noun)}
        changed = {name: new for name, old in told.items() if (new := renamed(old, names)) is not old}
        return cast(T, dataclasses.replace(noun, **changed)) if changed else noun
    return noun

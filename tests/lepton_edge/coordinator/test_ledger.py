"""What a decision changed is put back, whatever kind of change it was."""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import pytest

from lepton_edge.coordinator.ledger import Undoable, recorded


@dataclass
class Shelf(Undoable):
    count: int = 0
    by_name: dict[str, Any] = field(default_factory=dict)
    line: list[int] = field(default_factory=list)
    marks: set[int] = field(default_factory=set)
    last: deque[int] = field(default_factory=lambda: deque(maxlen=3))
    inner: Shelf | None = None


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(1, {"a": 1, "b": 2, "c": 3}, [3, 1, 2], {1, 2}, deque([1, 2, 3], maxlen=3), Shelf(5))


CHANGES = {
    "an attribute": lambda s: setattr(s, "count", 9),
    "an attribute of what it holds": lambda s: setattr(s.inner, "count", 9),
    "a container for another": lambda s: setattr(s, "line", [9]),
    "a new key": lambda s: s.by_name.__setitem__("d", 4),
    "a known key": lambda s: s.by_name.__setitem__("a", 4),
    "a key that is set and taken": lambda s: (s.by_name.__setitem__("d", 4), s.by_name.pop("d")),
    "a key that is taken and set": lambda s: (s.by_name.pop("a"), s.by_name.__setitem__("a", 9)),
    "a default": lambda s: s.by_name.setdefault("d", 4),
    "a default that is there": lambda s: s.by_name.setdefault("a", 4),
    "deleted keys": lambda s: (s.by_name.__delitem__("a"), s.by_name.clear()),
    "an update": lambda s: s.by_name.update(a=9, z=1),
    "a union": lambda s: s.by_name.__ior__({"z": 1}),
    "the last item": lambda s: s.by_name.popitem(),
    "a list": lambda s: (s.line.append(4), s.line.remove(3), s.line.sort(), s.line.pop(), s.line.extend([7])),
    "places of a list": lambda s: (s.line.__setitem__(0, 9), s.line.__delitem__(1), s.line.__iadd__([5])),
    "a set": lambda s: (s.marks.add(9), s.marks.discard(1), s.marks.update({5}), s.marks.clear()),
    "a union of sets": lambda s: (s.marks.__ior__({9}), s.marks.__isub__({1})),
    "a bounded queue": lambda s: (s.last.append(4), s.last.popleft(), s.last.clear()),
    "what is new": lambda s: (setattr(s, "inner", Shelf(7)), s.inner.line.append(1)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_it_is_as_it_was_in_the_order_that_it_had(shelf: Shelf, name: str) -> None:
    before, inner = copy.deepcopy(shelf), shelf.inner
    with recorded() as decision:
        CHANGES[name](shelf)
    decision.undo()
    assert shelf == before
    assert shelf.inner is inner
    assert list(shelf.by_name.items()) == list(before.by_name.items())
    assert list(shelf.last) == list(before.last)
    decision.undo()
    assert shelf == before


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_not_undone_stays(shelf: Shelf, name: str) -> None:
    plain = copy.deepcopy(shelf)
    with recorded():
        CHANGES[name](shelf)
    CHANGES[name](plain)
    assert shelf == plain


def test_all_at_once(shelf: Shelf) -> None:
    before = copy.deepcopy(shelf)
    with recorded() as decision:
        for name in [*CHANGES, *reversed(CHANGES)]:
            if name != "the last item":
                shelf.by_name.setdefault("a", 0)
                shelf.line += [3, 1, 2]
                shelf.last.extend([1, 2, 3])
                CHANGES[name](shelf)
    decision.undo()
    assert shelf == before
    assert list(shelf.by_name) == list(before.by_name)


def test_a_decision_that_breaks_is_undone(shelf: Shelf) -> None:
    before = copy.deepcopy(shelf)

    def breaks() -> None:
        with recorded():
            shelf.by_name["d"] = 4
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaks()
    assert shelf == before
    with recorded() as next_one:
        shelf.count = 2
    next_one.undo()
    assert shelf == before


def test_what_is_changed_between_decisions_is_nobody_s_to_undo(shelf: Shelf) -> None:
    with recorded() as decision:
        shelf.count = 2
    shelf.by_name["later"] = 1
    decision.undo()
    assert (shelf.count, shelf.by_name["later"]) == (1, 1)


def test_the_bound_of_a_queue_stays(shelf: Shelf) -> None:
    shelf.last = deque([1], maxlen=2)
    shelf.last.extend([2, 3])
    assert list(shelf.last) == [2, 3]

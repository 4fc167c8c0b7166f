"""What one decision changes, so that it can be undone: a decision that cannot be written down did not happen.

Law: plain data, no clock, no I/O. What a decider may change is `Undoable`; while a decision is `recorded`, each of its
attributes, and each dict, list, set and deque among these, notes how it was before its first change. Frozen nouns
need none of this. One decision at a time in one thread, as the decider works.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

_open: Decision | None = None


class Decision:
    """What was changed since it began; `undo` puts all of it back, the last change first."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], Any]] = []
        self._whole: set[int] = set()  # containers that are put back as a whole

    def undo(self) -> None:
        """Put everything back as it was when the decision began; doing so twice is harmless."""
        while self._steps:
            self._steps.pop()()
        self._whole.clear()

    def note(self, step: Callable[[], Any]) -> None:
        """Note what undoes the change that follows."""
        self._steps.append(step)

    def note_key(self, kept: dict[Any, Any], key: Any) -> None:
        """Note what a dict holds under a key: a change of it moves no other key."""
        if id(kept) in self._whole:
            return
        if key in kept:
            self._steps.append(partial(dict.__setitem__, kept, key, kept[key]))
        else:
            self._steps.append(partial(dict.pop, kept, key, None))

    def note_whole(self, kept: Any, refill: Callable[[Any, Any], None]) -> None:
        """Note all that a container holds, in its order; once is enough."""
        if id(kept) not in self._whole:
            self._whole.add(id(kept))
            self._steps.append(partial(refill, kept, list(kept.items() if isinstance(kept, dict) else kept)))


@contextmanager
def recorded() -> Iterator[Decision]:
    """Record what is changed meanwhile, and undo it where that ends with an error."""
    global _open
    assert _open is None, "one decision at a time"
    _open = decision = Decision()
    made = False
    try:
        yield decision
        made = True
    finally:
        _open = None
        if not made:
            decision.undo()


class Undoable:
    """A noun that decisions change: a base of dataclasses. Containers that it is given are copied into noting ones."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, noting what it was."""
        known = self.__dict__
        if _open is not None and name in known:
            _open.note(partial(known.__setitem__, name, known[name]))
        noting = _NOTING.get(type(value))
        known[name] = value if noting is None else noting(value)


def _refill_list(kept: list[Any], before: list[Any]) -> None:
    list.__setitem__(kept, slice(None), before)


def _refill_deque(kept: deque[Any], before: list[Any]) -> None:
    deque.clear(kept)
    deque.extend(kept, before)


def _refill_dict(kept: dict[Any, Any], before: list[tuple[Any, Any]]) -> None:
    dict.clear(kept)
    dict.update(kept, before)


def _refill_set(kept: set[Any], before: list[Any]) -> None:
    set.clear(kept)
    set.update(kept, before)


def _noting(kind: type[Any], refill: Callable[[Any, Any], None], changes: tuple[str, ...]) -> Any:
    """Return a subclass of a container whose methods `changes` note the whole of it first."""

    def noted(plain: Callable[..., Any]) -> Callable[..., Any]:
        def change(self: Any, *arguments: Any, **named: Any) -> Any:
            if _open is not None:
                _open.note_whole(self, refill)
            return plain(self, *arguments, **named)

        return change

    return type(
        f"Noting{kind.__name__.title()}", (kind,), {name: noted(getattr(kind, name)) for name in changes}
    )


_Dict = _noting(dict, _refill_dict, ("__delitem__", "popitem", "clear", "update", "__ior__"))
_List = _noting(
    list,
    _refill_list,
    ("__setitem__", "__delitem__", "__iadd__", "__imul__", "append", "extend", "insert", "pop", "remove", "clear",
     "sort", "reverse"),
)  # fmt: skip
_Set = _noting(
    set,
    _refill_set,
    ("__ior__", "__iand__", "__isub__", "__ixor__", "add", "discard", "remove", "pop", "clear", "update",
     "difference_update", "intersection_update", "symmetric_difference_update"),
)  # fmt: skip
_Deque = _noting(
    deque,
    _refill_deque,
    ("__setitem__", "__delitem__", "__iadd__", "append", "appendleft", "extend", "extendleft", "insert", "pop",
     "popleft", "remove", "clear", "rotate", "reverse"),
)  # fmt: skip


class NotingDict(_Dict):  # type: ignore[misc, valid-type]
    """A dict whose single keys are noted by themselves: most changes are of these, and it may be large."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Set a key, noting what it held."""
        if _open is not None:
            _open.note_key(self, key)
        dict.__setitem__(self, key, value)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """Return what a key holds, once it holds something."""
        if _open is not None and key not in self:
            _open.note_key(self, key)
        return dict.setdefault(self, key, default)

    def pop(self, key: Any, *default: Any) -> Any:
        """Take a key out; where there is none, nothing is noted."""
        if _open is not None and key in self:
            _open.note_whole(self, _refill_dict)
        return dict.pop(self, key, *default)


def _noting_deque(value: deque[Any]) -> Any:
    return _Deque(value, value.maxlen)


_NOTING: dict[type[Any], Callable[[Any], Any]] = {
    dict: NotingDict,
    list: _List,
    set: _Set,
    deque: _noting_deque,
}

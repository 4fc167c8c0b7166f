"""A quick noun is the same noun."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import dataclass, field

import pytest

from lepton_edge.core.frames import Frame, FrameKind, Hop
from lepton_edge.core.quick import quick


@dataclass(frozen=True)
class Plain:
    """A noun with everything that a constructor may meet."""

    name: str
    size: int = 3
    tags: list[str] = field(default_factory=list)
    made: set[int] = field(default_factory=set, init=False, compare=False)


@quick
@dataclass(frozen=True)
class Quick(Plain):
    """The same, quick."""


@quick
@dataclass(frozen=True)
class Checked:
    """A noun that looks at itself."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("a size below zero")


def test_it_takes_the_same_arguments_and_has_the_same_fields() -> None:
    assert list(inspect.signature(Quick).parameters) == list(inspect.signature(Plain).parameters)
    for given, named in (
        (("a",), {}),
        (("a", 7), {}),
        (("a",), {"tags": ["x"]}),
        ((), {"name": "a", "size": 0}),
    ):
        assert vars(Quick(*given, **named)) == vars(Plain(*given, **named))
    assert Quick("a") == Quick("a", 3, [])
    assert repr(Quick("a")) == repr(Plain("a")).replace("Plain", "Quick")
    with pytest.raises(TypeError, match="name"):
        Quick()
    with pytest.raises(TypeError, match="colour"):
        Quick("a", colour=1)


def test_it_is_frozen_and_shares_no_default() -> None:
    one, other = Quick("a"), Quick("b")
    assert one.tags is not other.tags
    assert one.made is not other.made
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.size = 4


def test_it_is_copied_replaced_and_pickled() -> None:
    one = Quick("a", 5, ["t"])
    assert dataclasses.replace(one, size=6) == Quick("a", 6, ["t"])
    assert copy.copy(one) == one
    frame = Frame(FrameKind.REPLY, "r", hops=(Hop("cloud", 0, 1, total=0.5),))
    assert pickle.loads(pickle.dumps(frame)) == frame


def test_it_looks_at_itself() -> None:
    assert Checked(1).size == 1
    with pytest.raises(ValueError, match="below zero"):
        Checked(-1)

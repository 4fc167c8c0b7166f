"""A person lets in a key, not a name: whoever else asks under that name is not let in by it."""

from __future__ import annotations

from typing import Any

import pytest

from lepton_edge.coordinator.members import Joining
from lepton_edge.coordinator.waiting import MOST_OTHERS, Waiting
from lepton_edge.core.errors import AlreadyExists, InvalidInput, NotFound

FIRST, SECOND = "ab12" + "0" * 60, "cd34" + "0" * 60


class Paper:
    """A vault that keeps nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *told: None


async def now(function: Any, *told: Any) -> Any:
    return function(*told)


def waits(key: str, name: str = "pi") -> Joining:
    return Joining(name, "agent", key, "", "", "token", 0.0)  # type: ignore[arg-type]


async def asked(*keys: str) -> Waiting:
    made = Waiting(Paper(), now, ())  # type: ignore[arg-type]
    for key in keys:
        await made.add(waits(key), None)  # type: ignore[arg-type]
    return made


async def test_where_one_key_ever_asked_its_name_is_enough() -> None:
    room = await asked(FIRST, FIRST)
    assert (await room.decide("pi", refuse=False)).key == FIRST
    assert room.approved("pi", FIRST)


async def test_where_another_key_asked_since_its_digits_must_be_said() -> None:
    room = await asked(FIRST, SECOND)
    with pytest.raises(AlreadyExists, match="AB120000, CD340000"):
        await room.decide("pi", refuse=False)
    assert not room.approved("pi", FIRST)
    assert (await room.decide("pi", refuse=False, digits="CD:34")).key == SECOND
    assert room.approved("pi", SECOND)
    assert not room.approved("pi", FIRST)


async def test_digits_of_nobody_and_what_are_no_digits_let_nobody_in() -> None:
    room = await asked(FIRST)
    with pytest.raises(NotFound, match="AB120000 does"):
        await room.decide("pi", refuse=False, digits="cd34")
    for wrong in ("ab1", "xyzw", "a" * 65):
        with pytest.raises(InvalidInput):
            await room.decide("pi", refuse=False, digits=wrong)
    assert not room.approved("pi", FIRST)


async def test_who_asks_under_an_approved_name_takes_nothing_from_it() -> None:
    room = await asked(FIRST)
    await room.decide("pi", refuse=False)
    await room.add(waits(SECOND), None)  # type: ignore[arg-type]
    assert room.approved("pi", FIRST)
    assert not room.approved("pi", SECOND)


async def test_who_asks_with_many_keys_does_not_push_the_first_out() -> None:
    room = await asked(FIRST, *(f"{number:064x}" for number in range(20)))
    assert len(room.known["pi"].others) == MOST_OTHERS
    assert (await room.decide("pi", refuse=False, digits="ab12")).key == FIRST
    await room.decide("pi", refuse=True)
    assert room.known == {}

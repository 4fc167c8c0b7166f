"""Whatever is done to a token, in whatever order, it never lets in more keys than it may, and never too late."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_edge.core.errors import InvalidInput, Unauthenticated
from lepton_edge.core.identity import Role
from lepton_edge.security import tokens

AUTHORITY = "ab" * 32
NOW = 1_000_000.0


def made(ttl: float = 60.0, uses: int = 1, now: float = NOW) -> Any:
    return tokens.create(AUTHORITY, now, ttl, uses)  # type: ignore[arg-type]


def used(record: Any, secret: str, key: str = "k", now: float = NOW) -> Any:
    return tokens.use(record, secret, key, now)  # type: ignore[arg-type]


def test_what_is_pasted_comes_back_and_shows_no_secret() -> None:
    token, record = made()
    assert tokens.parse(f"  {token.text()}\n") == token
    assert token.secret not in repr(token) + repr(record)
    assert token.authority == AUTHORITY
    assert record.role == Role.AGENT.value


@pytest.mark.parametrize("text", ["", "LE1", "LE2." + "a" * 64, "LE1.zz.11.secret", "LE1." + "a" * 200])
def test_what_is_no_token_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(InvalidInput) as told:
        tokens.parse(text + "hunter2")
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[:-6], "it is cut off (119 characters; a whole one has 125"),
        (lambda text: text + "x", "it is longer than one (126 characters"),
        (lambda text: text.replace(".", "-", 1), "it is damaged (125 characters"),
    ],
)
def test_how_much_of_a_token_came_is_said(change: Callable[[str], str], said: str) -> None:
    with pytest.raises(InvalidInput) as told:
        tokens.parse(change(made()[0].text()))
    assert said in told.value.message


@pytest.mark.parametrize(("ttl", "uses"), [(0, 1), (-1, 1), (1e9, 1), (60, 0), (60, -1), (60, 10_000)])
def test_a_token_has_a_time_and_uses(ttl: float, uses: int) -> None:
    with pytest.raises(InvalidInput):
        made(ttl, uses)


def test_who_has_not_the_secret_learns_nothing() -> None:
    _, record = made(uses=1)
    states = [None, record, tokens.revoked(record), dataclasses.replace(record, keys=("other",))]
    told = set()
    for state in states:
        for now in (NOW, NOW + 1e6):
            with pytest.raises(Unauthenticated) as refused:
                used(state, "wrong", now=now)
            told.add(str(refused.value))
    assert len(told) == 1


def test_a_key_that_was_let_in_may_ask_again_and_another_may_not() -> None:
    token, record = made(uses=1)
    once = used(record, token.secret, "a")
    assert used(once, token.secret, "a") == once
    with pytest.raises(Unauthenticated, match="was used"):
        used(once, token.secret, "b")


def test_a_clock_that_was_set_back_lets_nobody_in() -> None:
    token, record = made()
    assert used(record, token.secret, now=NOW - tokens.EARLY / 2)
    with pytest.raises(Unauthenticated, match="clock"):
        used(record, token.secret, now=NOW - tokens.EARLY - 1)


deeds = st.one_of(
    st.tuples(st.just("use"), st.sampled_from("abcdef"), st.booleans()),
    st.tuples(st.just("wait"), st.floats(-600, 600), st.just(True)),
    st.tuples(st.just("revoke"), st.just(""), st.just(True)),
)


@settings(max_examples=300, deadline=None, database=None)
@given(st.integers(1, 4), st.floats(1, 900), st.lists(deeds, max_size=30))
def test_never_more_uses_never_too_late_never_after_revocation(
    uses: int, ttl: float, done: list[Any]
) -> None:
    token, record = made(ttl, uses)
    now, let_in, is_revoked = NOW, set(), False
    for deed, what, right in done:
        if deed == "wait":
            now += what
        elif deed == "revoke":
            record, is_revoked = tokens.revoked(record), True
        else:
            try:
                record = used(record, token.secret if right else "wrong", what, now)
            except Unauthenticated:
                counts = right and not is_revoked and NOW - tokens.EARLY <= now < NOW + ttl
                assert not (counts and (what in let_in or len(let_in) < uses)), "it should have counted"
                continue
            assert right
            assert not is_revoked
            assert NOW - tokens.EARLY <= now < NOW + ttl
            let_in.add(what)
        assert record.left >= 0
        assert set(record.keys) == let_in
        assert len(let_in) <= uses

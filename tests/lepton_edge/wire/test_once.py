"""The same words are news once in a while; so many are remembered."""

from __future__ import annotations

from lepton_edge.wire import once
from lepton_edge.wire.once import Once


def test_words_are_new_once_and_again_later() -> None:
    now = [0.0]
    said = Once(lambda: now[0])
    assert [said.is_new("refused") for _ in range(3)] == [True, False, False]
    assert said.is_new("another")
    now[0] = once.AGAIN
    assert [said.is_new("refused") for _ in range(2)] == [True, False]


def test_who_says_something_else_each_time_fills_nothing() -> None:
    said = Once()
    assert all(said.is_new(str(number)) for number in range(10_000))
    assert len(said._said) <= once._MOST
    assert not said.is_new("9999")

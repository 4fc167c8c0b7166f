"""What replays come to: the arithmetic, on answers made by hand."""

from __future__ import annotations

import math
import random

import pytest

from bench.traces import Trace
from bench.verdicts import (
    Answer,
    Step,
    by_page,
    epochs,
    evidence,
    fair_oracle,
    flaps,
    oracle,
    percentile,
    ratio_of_means,
    right_of,
    right_pages,
    time_of,
    turns,
    wrong_after,
)


def test_percentiles_are_values_that_were_seen() -> None:
    assert percentile(range(1, 101), 99) == 99
    assert percentile(range(1, 101), 50) == 50
    assert percentile([3.0], 99) == 3.0
    assert percentile([1, 2], 99) == 2


def test_what_strayed_is_no_sample_of_the_page_that_was_asked() -> None:
    found = by_page(
        [
            Answer(1.0, 0.2, "cut", "cut"),
            Answer(0.0, 0.1, "local", "cut"),
            Answer(2.0, 0.3, "cut", "cut", "fallback: the link to cloud was lost"),
            Answer(3.0, 0.3, "local", "local"),
        ]
    )
    assert found == {"cut": [(0.0, math.inf), (1.0, 0.2), (2.0, math.inf)], "local": [(3.0, 0.3)]}


def test_a_page_takes_what_it_took_around_else_what_it_took_beside() -> None:
    samples = [(0.0, 1.0), (0.5, 3.0), (5.0, 7.0)]
    assert time_of(samples, 0.25) == 2.0
    assert time_of(samples, 3.0) == pytest.approx(5.0)  # between 0.5 and 5.0
    assert time_of(samples, 7.5) == 7.0
    assert time_of(samples, 20.0) == math.inf
    assert time_of([], 0.0) == math.inf


def test_a_page_that_was_left_out_as_hopeless_is_no_choice_then_and_one_again_after() -> None:
    samples = [(0.0, 0.2), (1.0, math.inf), (1.8, math.inf), (2.4, 0.2)]
    assert [time_of(samples, at) for at in (0.3, 0.9, 1.5, 2.3)] == [0.2, math.inf, math.inf, 0.2]


def test_the_oracle_takes_the_least_at_each_moment() -> None:
    samples = {"a": [(0.0, 1.0), (10.0, 4.0)], "b": [(0.0, 2.0), (10.0, 3.0)]}
    assert oracle(samples, [0.0, 10.0]) == [("a", 1.0), ("b", 3.0)]


def test_noise_does_not_make_the_fair_oracle_quicker_than_the_truth() -> None:
    chance = random.Random(1)

    def noisy() -> dict[str, list[tuple[float, float]]]:
        return {page: [(t, 1.0 + chance.gauss(0, 0.1)) for t in range(0, 900, 3)] for page in "abcd"}

    one, other = noisy(), noisy()
    dues = [float(t) for t in range(0, 900, 3)]
    lucky = sum(took for _, took in oracle(one, dues)) / len(dues)
    fair = sum(took for _, took in fair_oracle(one, other, dues)) / len(dues)
    assert lucky < 0.92
    assert fair == pytest.approx(1.0, abs=0.02)


def test_a_judge_without_a_sample_leaves_it_to_the_chooser() -> None:
    assert fair_oracle({"a": [(0.0, 1.0)]}, {"b": [(0.0, 3.0)]}, [0.0]) == [("a", 2.0)]


def test_the_ratio_and_its_interval() -> None:
    chance = random.Random(2)
    runs = [[(1.1 + chance.gauss(0, 0.1), 1.0) for _ in range(200)] for _ in range(3)]
    found = ratio_of_means(runs)
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(1.1, abs=0.02)
    assert found.high - found.low < 0.05
    same = ratio_of_means([[(2.0, 2.0)] * 30])
    assert (same.value, same.low, same.high) == (1.0, 1.0, 1.0)
    assert ratio_of_means([[(2.0, 2.0), (9.0, math.inf)] * 30]) == same


def test_a_page_that_nobody_could_tell_from_the_best_is_right_too() -> None:
    assert right_pages({"a": 1.0, "b": 1.04, "c": 1.2}) == {"a", "b"}


def test_few_or_noisy_samples_tell_no_page_wrong_that_may_be_right() -> None:
    clear = {"a": [1.0, 1.01, 0.99, 1.0], "b": [1.2, 1.21, 1.19, 1.2]}
    assert right_of(clear) == {"a"}
    noisy = {"a": [0.8, 1.0, 1.3, 1.0], "b": [1.0, 1.2, 1.5, 1.2]}
    assert right_of(noisy) == {"a", "b"}
    assert right_of({page: own * 100 for page, own in noisy.items()}) == {"a"}


def answers(pages: str, period: float = 0.5) -> list[Answer]:
    return [Answer(number * period, 0.2, page) for number, page in enumerate(pages)]


def test_a_fallback_is_no_turn() -> None:
    asked = answers("aab")
    asked.insert(2, Answer(0.6, 0.4, "local", reason="fallback: the link to cloud was lost"))
    assert [one.due for one in turns(asked)] == [1.0]


def test_turns_that_no_change_of_the_link_asked_for_are_flaps() -> None:
    steady = Trace("t", 0, 20, ((0.0, 10.0),))
    assert len(turns(answers("aabbab"))) == 3
    assert len(flaps(answers("aabbab"), steady)) == 2
    stepped = Trace("t", 0, 20, ((0.0, 10.0), (1.2, 1.0), (9.0, 10.0)))
    assert flaps(answers("aaaabbbbbbbbbbbbbbbbaaaa"), stepped) == []


def test_plans_that_were_made_anew_are_told_apart_from_turns() -> None:
    found = [Answer(number * 0.5, 0.1, page, epoch=epoch) for number, (page, epoch) in enumerate(
        [("a", 1), ("b", 1), ("b", 2), ("", 0), ("b", 2), ("a", 1)]
    )]  # fmt: skip
    assert [one.due for one in epochs(found)] == [1.0, 2.5]


STEP = Step(2.0, 10.0, frozenset({"b"}), {"a": 0.4, "b": 0.4}, frozenset({"a"}))


def test_a_transfer_that_ends_after_the_step_shows_it() -> None:
    asked = [Answer(1.0, 0.4, "a"), Answer(1.8, 0.5, "a"), Answer(2.2, 1.0, "a"), Answer(2.4, 0.3, "b")]
    assert evidence(STEP, asked) == pytest.approx(2.3)
    assert wrong_after(STEP, asked) == 0
    assert wrong_after(STEP, [*asked, Answer(2.5, 1.0, "a"), Answer(2.6, 0.1, "a")]) == 2
    assert wrong_after(STEP, [*asked, Answer(10.5, 1.0, "a")]) == 0  # behind the next step


def test_so_does_one_that_is_overdue() -> None:
    asked = [Answer(1.9, 5.0, "a"), Answer(2.4, 5.0, "a"), Answer(2.6, 5.0, "a")]
    assert evidence(STEP, asked) == pytest.approx(1.9 + 1.5 * 0.4)
    assert wrong_after(STEP, asked) == 1


def test_where_nothing_used_the_link_the_step_itself_counts() -> None:
    asked = [Answer(2.5, 0.1, "b"), Answer(3.0, 0.1, "c")]
    assert evidence(STEP, asked) == 2.0
    assert wrong_after(STEP, asked) == 1


def test_a_fallback_after_it_showed_was_admitted_wrong() -> None:
    asked = [Answer(1.9, 0.3, "a"), Answer(2.5, 0.5, "b", reason="fallback: late")]
    assert wrong_after(STEP, asked) == 1

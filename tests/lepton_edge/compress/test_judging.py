"""Whether a candidate may be used, and the sentence that says why not."""

from __future__ import annotations

import pytest

from lepton_edge.compress import judging
from lepton_edge.compress.recipe import Candidate, Compared, Recipe, Score, Timing


def pair(candidate: float, original: float, spread: float = 0.0, device: str = "board") -> Compared:
    return Compared(Timing(device, candidate, spread, 25), Timing(device, original, spread, 25))


def test_a_loss_within_the_budget_is_kept() -> None:
    assert judging.too_lossy(Score("top1", 0.94, 0, 100), 0.95, 0.01) == ""
    told = judging.too_lossy(Score("top1", 0.92, 0, 100), 0.95, 0.01)
    assert told == "loses 3.00 points of top1 (0.9200 of 0.9500, 100 samples); 1.00 are allowed"


def test_what_is_not_faster_says_on_which_device() -> None:
    slow = [pair(0.0051, 0.005), pair(0.001, 0.005, device="shed")]
    assert judging.not_faster(slow, "latency") == "not faster on board: 5.1 ms of 5.0 ms"
    assert judging.not_faster([pair(0.00495, 0.005)], "latency").endswith(
        "5.0 ms of 5.0 ms (within the noise)"
    )
    assert judging.not_faster(slow, "size") == ""
    assert judging.not_faster([pair(0.003, 0.005)], "latency") == ""


@pytest.mark.parametrize(
    ("candidate", "spread", "faster"),
    [
        (0.0049, 0.0, False),
        (0.0048, 0.0, True),
        (0.0048, 0.0005, False),
        (0.0030, 0.0005, True),
        (0.005, 0.0, False),
    ],
)
def test_faster_is_faster_than_noise(candidate: float, spread: float, faster: bool) -> None:
    assert judging.is_faster(pair(candidate, 0.00495, spread)) is faster


def test_size_counts_the_smaller_of_file_and_store() -> None:
    original = Candidate(Recipe(), size=1000, stored=900)
    assert judging.not_smaller(Candidate(Recipe(), size=1000, stored=899), original, "size") == ""
    assert (
        judging.not_smaller(Candidate(Recipe(), size=950, stored=900), original, "size")
        == "not smaller: 900 B of 900 B"
    )
    assert judging.not_smaller(Candidate(Recipe(), size=2000), original, "latency") == ""


def test_a_first_look_condemns_only_what_is_sure() -> None:
    assert judging.surely_lost([1.0] * 30 + [0.0] * 2, 0.01, 3.0)
    assert not judging.surely_lost([0.0] * 31 + [1.0], 0.01, 3.0)
    assert not judging.surely_lost([1.0] * 7, 0.01, 3.0)  # seven samples tell nothing
    assert not judging.surely_lost([0.01] * 32, 0.01, 3.0)


def test_few_samples_are_told() -> None:
    assert "one answer is 5.0 points" in judging.resolution_note("top1", 20, 0.01)
    assert judging.resolution_note("top1", 200, 0.01) == ""
    assert judging.resolution_note("cosine", 20, 0.01) == ""

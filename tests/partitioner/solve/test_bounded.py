"""Contraction asks for ever coarser graphs until one fits, then refines around the plan found."""

from __future__ import annotations

from partitioner.solve.bounded import contracted
from partitioner.solve.lattice import Groups
from partitioner.solve.problem import Answer, Layout
from partitioner.units import DeviceId
from tests.partitioner.solve.shapes import chain_of, problem_of

ORDER = (DeviceId("d0"), DeviceId("d1"))


class Attempts:
    """Solves a chain of 40 layers whose best boundary is behind layer 26, where at most `most` groups fit."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.asked: list[int] = []
        self.values: list[float] = []

    def __call__(self, groups: Groups) -> tuple[bool, Answer | None]:
        self.asked.append(len(groups))
        if len(groups) > self.most:
            return False, None
        ends = [max(group) + 1 for group in groups[:-1]]
        end = min(ends, key=lambda one: abs(one - 27))
        self.values.append(1.0 + abs(end - 27))
        stages = (frozenset(range(end)), frozenset(range(end, 40)))
        return True, Answer(Layout(ORDER, stages), 1.0 + abs(end - 27), 0.0, "down-sets")


def singles() -> Groups:
    return tuple((one,) for one in range(40))


def test_it_coarsens_until_it_fits_and_then_refines() -> None:
    attempts = Attempts(12)
    found = contracted(problem_of(chain_of(40), 1.0, 1.0), singles(), attempts)
    assert found is not None
    first = next(asked for asked in attempts.asked if asked <= 12)
    assert attempts.asked[0] == 40
    assert attempts.asked.index(first) + 1 < len(attempts.asked)  # it went on after the first that fitted
    assert found.value == min(attempts.values) <= 2.0


def test_a_known_plan_is_refined_around_at_once() -> None:
    attempts = Attempts(12)
    known = Layout(ORDER, (frozenset(range(25)), frozenset(range(25, 40))))
    found = contracted(problem_of(chain_of(40), 1.0, 1.0), singles(), attempts, known)
    assert found is not None
    assert found.value == 1.0


def test_none_is_found_where_nothing_fits() -> None:
    assert contracted(problem_of(chain_of(40), 1.0, 1.0), singles(), Attempts(0)) is None

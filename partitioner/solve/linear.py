"""A mixed-integer linear programme, written down term by term and handed to HiGHS.

Law: knows nothing of plans. An expression maps variables to coefficients; the variable `ONE` is the constant 1.
Rows are scaled before they are solved, because HiGHS takes what is within 1e-6 for satisfied.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

Variable = int
Expression = dict[Variable, float]
ONE: Variable = -1
ROW_SCALE = 1e3  # the largest coefficient of every row
OBJECTIVE_SCALE = 1e5  # the largest coefficient of the objective: HiGHS stops within 1e-6 of the best


def plus(*terms: Expression) -> Expression:
    """Return the sum of `terms`."""
    total: Expression = {}
    for term in terms:
        for variable, coefficient in term.items():
            total[variable] = total.get(variable, 0.0) + coefficient
    return {variable: coefficient for variable, coefficient in total.items() if coefficient}


def scaled(term: Expression, factor: float) -> Expression:
    """Return `factor` times `term`."""
    return {variable: factor * coefficient for variable, coefficient in term.items()}


def minus(one: Expression, other: Expression) -> Expression:
    """Return `one` without `other`."""
    return plus(one, scaled(other, -1.0))


@dataclass(frozen=True)
class Point:
    """A solution: the value of each variable, whole ones rounded, and what the objective cannot be below."""

    values: npt.NDArray[np.float64]
    bound: float

    def of(self, expression: Expression) -> float:
        """Return the value of `expression` here."""
        return sum(
            coefficient * (1.0 if variable == ONE else float(self.values[variable]))
            for variable, coefficient in expression.items()
        )


@dataclass
class Programme:
    """Variables and rows, in the order in which they were added."""

    highest: list[float] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
    rows: list[Expression] = field(default_factory=list)

    def binary(self) -> Expression:
        """Add a variable that is 0 or 1."""
        return self._add(1.0, 1)

    def real(self) -> Expression:
        """Add a variable that is 0 or more."""
        return self._add(math.inf, 0)

    def at_least(self, more: Expression, less: Expression) -> None:
        """Ask that `more` is at least `less`."""
        self.rows.append(minus(more, less))

    def at_least_each(self, more: Expression, many: Iterable[Expression]) -> None:
        """Ask that `more` is at least every one of `many`."""
        for less in many:
            self.at_least(more, less)

    def minimum(self, objective: Expression, most_nodes: int | None = None) -> Point | None:
        """Return a point at which `objective` is least, or None when HiGHS has none: no point satisfies all rows.

        After `most_nodes` of the search it is the best point so far, None when there is none yet.
        """
        if not self.highest:
            return self._constant(objective)
        largest = max((abs(one) for key, one in objective.items() if key != ONE), default=0.0)
        factor = OBJECTIVE_SCALE / largest if largest else 1.0
        result = milp(
            self._dense(objective) * factor,
            integrality=np.array(self.whole),
            bounds=Bounds(np.zeros(len(self.highest)), np.array(self.highest)),
            constraints=self._constraints(),
            options={"mip_rel_gap": 0.0} | ({} if most_nodes is None else {"node_limit": most_nodes}),
        )
        if result.x is None:
            return None
        whole = np.array(self.whole, dtype=bool)
        bound = float(result.fun if result.mip_dual_bound is None else result.mip_dual_bound) / factor
        values = np.where(whole, np.round(result.x), result.x)
        return Point(values, bound + objective.get(ONE, 0.0))

    def _add(self, highest: float, whole: int) -> Expression:
        self.highest.append(highest)
        self.whole.append(whole)
        return {len(self.highest) - 1: 1.0}

    def _constant(self, objective: Expression) -> Point | None:
        """Without a variable, every row is true or false as it stands."""
        true = all(row.get(ONE, 0.0) >= 0 for row in self.rows)
        return Point(np.zeros(0), objective.get(ONE, 0.0)) if true else None

    def _dense(self, expression: Expression) -> npt.NDArray[np.float64]:
        dense = np.zeros(len(self.highest))
        for variable, coefficient in expression.items():
            if variable != ONE:
                dense[variable] = coefficient
        return dense

    def _constraints(self) -> LinearConstraint:
        columns, at, coefficients, least = [], [], [], []
        for index, row in enumerate(self.rows):
            factor = ROW_SCALE / max((abs(one) for one in row.values()), default=1.0)
            least.append(-row.get(ONE, 0.0) * factor)
            for variable, coefficient in row.items():
                if variable != ONE:
                    columns.append(variable)
                    at.append(index)
                    coefficients.append(coefficient * factor)
        shape = (len(self.rows), len(self.highest))
        return LinearConstraint(
            csr_array((coefficients, (at, columns)), shape=shape), np.array(least), np.inf
        )

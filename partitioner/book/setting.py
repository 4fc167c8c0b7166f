"""Everything a book is made from, worked out once: costs, codecs, the problem for the solver.

Law: a frozen value that the other files of this room read. It decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from partitioner.book.crossing import codec_options
from partitioner.book.draft import BookOptions
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.graph import CostGraph
from partitioner.predict import stage_costs
from partitioner.solve import Problem


@dataclass(frozen=True)
class Setting:
    """A board, a cloud, the link between them and the model; `problem` lacks the wish to keep the input."""

    compiled: CompiledModel
    board: DeviceProfile
    cloud: DeviceProfile
    link: LinkProfile
    options: BookOptions
    problem: Problem

    @property
    def graph(self) -> CostGraph:
        """The model's graph."""
        return self.compiled.graph


def make_setting(
    compiled: CompiledModel,
    board: DeviceProfile,
    cloud: DeviceProfile,
    link: LinkProfile,
    options: BookOptions,
) -> Setting:
    """Fit the costs, and state the problem.

    Raises:
        ProfileError: a profile is absurd or of another model.
    """
    problem = Problem(
        compiled.graph,
        stage_costs(board, compiled.graph),
        stage_costs(cloud, compiled.graph),
        link,
        options=codec_options(compiled, board, cloud),
        weight_bytes={ref.name: ref.length for ref in compiled.weights},
        board_memory=options.board_memory,
        cloud_memory=options.cloud_memory,
        headroom=options.headroom,
    )
    return Setting(compiled, board, cloud, link, options, problem)

"""The names of the top-k classes."""

from __future__ import annotations

import numpy as np

from device_agents.driver.labels import label_scores
from lepton_edge.core.frames import Frame, FrameKind, LabelScore
from lepton_edge.wire import tensors
from partitioner.plan import OutputSpec

SPEC = OutputSpec("y", "y@scores", "y@indices", labels="f" * 64, keep=False)


def _reply(*arrays):
    carried = tuple(tensors.pack(name, array) for name, array in arrays)
    return Frame(FrameKind.REPLY, "r", tensors=carried)


def test_every_row_gets_its_names_best_first() -> None:
    reply = _reply(
        ("y@scores", np.array([[0.9, 0.1], [0.6, 0.4]], np.float32)),
        ("y@indices", np.array([[2, 0], [1, 7]])),
    )
    found = label_scores(reply, [SPEC], {"f" * 64: ["tench", "cat", "espresso"]})
    assert [(one.row, one.index, one.label, round(one.score, 3)) for one in found] == [
        (0, 2, "espresso", 0.9),
        (0, 0, "tench", 0.1),
        (1, 1, "cat", 0.6),
        (1, 7, "", 0.4),  # beyond the file's end
    ]


def test_without_a_label_file_there_are_scores_only() -> None:
    reply = _reply(("y@scores", np.array([[1.0]], np.float32)), ("y@indices", np.array([[3]])))
    assert label_scores(reply, [SPEC], {}) == (LabelScore("y", 0, 3, "", 1.0),)


def test_an_output_that_was_not_asked_for_has_none() -> None:
    assert label_scores(_reply(("y", np.zeros((1, 3), np.float32))), [SPEC, OutputSpec("y")], {}) == ()

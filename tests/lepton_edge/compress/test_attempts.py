"""A recipe that ends the process, by a crash or without a word, and what the next search does about it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lepton_edge.compress import attempts
from lepton_edge.compress.recipe import Recipe, Step
from lepton_edge.compress.workspace import Subject, Workspace
from tests.lepton_edge.compress import small

RECIPE = Recipe((Step("clean"), Step("rounds", {"bits": 4, "how": "up", "exact": True})))
ENDS = """\
import os, sys
from pathlib import Path
from lepton_edge.compress import attempts
from tests.lepton_edge.compress.test_attempts import RECIPE
with attempts.attempt(Path(sys.argv[1]), RECIPE):
    {how}
"""


def ended(folder: Path, how: str) -> None:
    """Have a process try RECIPE in `folder` and end as `how` says."""
    command = [sys.executable, "-c", ENDS.format(how=how), str(folder)]
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode != 0


def test_what_was_tried_to_its_end_leaves_nothing(tmp_path: Path) -> None:
    with attempts.attempt(tmp_path, RECIPE):
        assert (tmp_path / attempts.TRYING).is_file()
    with pytest.raises(KeyboardInterrupt), attempts.attempt(tmp_path, RECIPE):
        raise KeyboardInterrupt
    assert attempts.fatal(tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_a_crash_is_enough(tmp_path: Path) -> None:
    ended(tmp_path, "os.abort()")
    assert attempts.fatal(tmp_path) == RECIPE


def test_what_ends_without_a_word_has_another_chance(tmp_path: Path) -> None:
    ended(tmp_path, "os.kill(os.getpid(), 9)")
    assert attempts.fatal(tmp_path) is None
    ended(tmp_path, "os.kill(os.getpid(), 9)")
    assert attempts.fatal(tmp_path) == RECIPE


def test_another_recipe_has_chances_of_its_own(tmp_path: Path) -> None:
    ended(tmp_path, "os.kill(os.getpid(), 9)")
    with attempts.attempt(tmp_path, Recipe((Step("clean"),))):
        assert attempts.fatal(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"times": 9}', b'{"times": "x", "steps": [1]}'])
def test_a_file_that_is_none_is_no_attempt(tmp_path: Path, content: bytes) -> None:
    (tmp_path / attempts.TRYING).write_bytes(content)
    assert attempts.fatal(tmp_path) is None


def test_a_resumed_search_writes_it_down_and_skips_it(tmp_path: Path) -> None:
    subject = Subject("a" * 64, "b" * 64, "top1", 0.01, "size", "x86")
    with Workspace(tmp_path) as workspace:
        workspace.begin(subject, small.classifier(), False)
    ended(tmp_path, "os.abort()")
    for _ in range(2):
        with Workspace(tmp_path) as workspace:
            workspace.begin(subject, small.classifier(), True)
        (found,) = workspace.candidates
        assert found.recipe == RECIPE
        assert "ended the process" in found.rejected
    assert not (tmp_path / attempts.TRYING).exists()

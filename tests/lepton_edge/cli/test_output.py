"""What is shown is what was meant: names and reasons of other people are no markup."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from lepton_edge.cli.options import Format
from lepton_edge.cli.output import Column, ProgressLine, print_document, stdout, table, text
from lepton_edge.core.messages import Progress

HINT = "training needs torch: pip install 'lepton-edge[torch]' [/nothing]"


def test_brackets_in_a_cell_a_title_and_a_line_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def render(row: dict[str, str], console: Console) -> None:
        console.print(table((Column("why not", text("why")),), [row], title="of [b] [/b]"))
        console.print(f"note: {HINT}", soft_wrap=True)

    print_document({"why": HINT}, Format.TABLE, render)
    shown = capsys.readouterr().out
    assert shown.count(HINT) == 2
    assert "of [b] [/b]" in shown


def test_brackets_in_progress_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLine() as line:
        line.begin("[1/2] ")
        line(Progress("", HINT, 0, 0))
    assert f"[1/2] {HINT}" in capsys.readouterr().err


def test_brackets_in_a_terminals_one_line_are_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    line = ProgressLine()
    monkeypatch.setattr(line, "_console", Console(file=shown, force_terminal=True, width=200))
    with line:
        line(Progress("", HINT, 0, 0))
    assert HINT in shown.getvalue()


def test_a_pipe_gets_wide_tables() -> None:
    assert stdout().width >= 200

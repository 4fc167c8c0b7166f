"""Lines for people, for programs and for the journal, and which of them is taken."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from lepton_edge.core.errors import UsageError
from lepton_edge.systemd import logs


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_json_is_one_object_a_line_with_what_is_in_all(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json", device="pi")
    log = structlog.get_logger("x")
    log.debug("not told")
    log.warning("request failed", request="r1", epoch=3)
    (told,) = map(json.loads, capsys.readouterr().err.splitlines())
    timestamp = told.pop("timestamp")
    assert timestamp.endswith("Z")
    assert told == {
        "level": "warning",
        "event": "request failed",
        "request": "r1",
        "epoch": 3,
        "device": "pi",
    }


def test_console_lines_have_the_time_first(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("debug")
    structlog.get_logger("x").info("ready", port=8011)
    said = capsys.readouterr().err
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info    ready  port=8011\n", said)


def test_values_are_quoted_where_they_would_be_more_than_one(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    log = structlog.get_logger("x")
    log.warning(
        "a call\nfailed",
        peer="[::1]:8011",
        why="no space left",
        seconds=0.123456789,
        name="ä",
        at=1795379782.25,
    )
    (said,) = capsys.readouterr().err.splitlines()
    assert said.endswith(
        'Z warning a call\\nfailed  peer=[::1]:8011 why="no space left" seconds=0.123457 name=ä at=1795379782.250'
    )


@pytest.mark.parametrize(
    "name", ["x\n2026-01-01T00:00:00.000Z error   forged", 'x level="error"', "x\x9b31m"]
)
def test_nobodys_name_can_be_a_line_or_a_field(capsys: pytest.CaptureFixture[str], name: str) -> None:
    logs.configure("info")
    structlog.get_logger("x").info("joined", device=name)
    (said,) = capsys.readouterr().err.splitlines()
    assert said.partition("  device=")[2] == json.dumps(name)


def test_a_traceback_is_indented(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        structlog.get_logger("x").exception("it broke")
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.endswith("error   it broke")
    assert "    ValueError: first" in rest
    assert all(one.startswith("    ") for one in rest)


def test_the_journal_gets_priorities_and_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "journal").open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        told = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{told.st_dev}:{told.st_ino}")
        logs.configure("info")
        log = structlog.get_logger("x")
        log.warning("throttled", device="pi")
        log.info("ready")
        log.error("lost")
    assert (tmp_path / "journal").read_text().splitlines() == [
        "<4>warning throttled  device=pi",
        "<6>info    ready",
        "<3>error   lost",
    ]


def test_a_journal_of_somebody_else_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not logs.is_journal({"JOURNAL_STREAM": "1:2"})
    assert not logs.is_journal({})


@pytest.mark.parametrize(
    ("level", "form", "words"), [("loud", "json", "log level 'loud'"), ("info", "xml", "log format 'xml'")]
)
def test_there_are_no_others(level: str, form: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as told:
        logs.configure(level, form)
    assert "LEPTON_EDGE_LOG_" in told.value.hint

"""Lines for people, for programs and for the journal, and which of them is taken."""

from __future__ import annotations

import json
import os
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
    assert said.startswith("timestamp='20")
    assert said.endswith("level='info' event='ready' port=8011\n")


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
        "<4>level='warning' event='throttled' device='pi'",
        "<6>level='info' event='ready'",
        "<3>level='error' event='lost'",
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

"""An application's standard output is the application's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from lepton_edge.client import AsyncClient, MockTransport
from lepton_edge.client.logs import be_quiet


@pytest.fixture(autouse=True)
def as_found() -> Iterator[None]:
    """Begin with structlog as it comes, and leave it as it was."""
    configured, before = structlog.is_configured(), structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
    if configured:
        structlog.configure(**before)


def say() -> None:
    log = structlog.get_logger("client")
    log.debug("a whisper")
    log.info("a word")
    log.warning("a warning", peer="board")


async def test_a_client_in_an_application_without_logs_says_warnings_on_stderr_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with AsyncClient(transport=MockTransport(lambda frame: frame)):
        say()
    said = capsys.readouterr()
    assert said.out == ""
    assert "a warning" in said.err
    assert "peer=board" in said.err
    assert "a wh" not in said.err
    assert "a word" not in said.err


def test_what_the_application_has_set_up_holds(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory())
    be_quiet()
    say()
    said = capsys.readouterr()
    assert "a whisper" in said.out
    assert not said.err

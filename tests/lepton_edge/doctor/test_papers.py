"""A certificate that counts, one that nobody renewed, one that ended, and a clock that is wrong."""

from __future__ import annotations

import time

import pytest

from lepton_edge.core.identity import Identity, Role
from lepton_edge.core.joining import revoked
from lepton_edge.doctor import Certificate, Level
from lepton_edge.doctor.papers import DAY, certificate_of, findings
from tests.certificates import authority

HELD = Certificate("agent pi", 0.0, 30 * DAY)


@pytest.mark.parametrize(
    ("day", "level", "words"),
    [
        (3, Level.OK, "27.0 more days"),
        (26, Level.WARNING, "not renewed in time"),
        (31, Level.PROBLEM, "ended 1.0 days ago"),
        (-1, Level.PROBLEM, "clock is wrong"),
    ],
)
def test_what_is_said_of_it(day: float, level: Level, words: str) -> None:
    (told,) = findings(HELD, day * DAY)
    assert told.level is level
    assert words in told.said
    assert told.fix or level is Level.OK


def test_whoever_goes_in_the_open_is_told_so() -> None:
    assert findings(certificate_of(None), 0.0)[0].level is Level.NOTE


def test_it_is_read_off_what_a_process_shows() -> None:
    held = certificate_of(authority().trust(Role.AGENT, "pi"))
    assert held is not None
    assert held.owner == "agent pi"
    assert findings(held, time.time())[0].level is Level.OK


def test_a_device_is_told_that_its_coordinator_helps_and_an_application_that_it_needs_a_key() -> None:
    (agent,) = findings(HELD, 40 * DAY)
    (client,) = findings(Certificate("client app", 0.0, 30 * DAY), 40 * DAY)
    assert "by itself" in agent.fix
    assert "by itself" not in client.fix


def test_one_that_was_revoked_counts_no_more_whatever_it_says() -> None:
    (told,) = findings(HELD, DAY, revoked(Identity(Role.AGENT, "pi")).message)
    assert told.level is Level.PROBLEM
    assert "was revoked" in told.said
    assert "join" in told.fix

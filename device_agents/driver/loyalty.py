"""The coordinator that this agent obeys, remembered on the disk: one that is older is not obeyed even after a reboot.

Law: one small JSON file, written whole before the first command of a new leader is carried out. The rule itself is
`machine/fencing.py`. A disk that refuses does not stop the agent: it then remembers until it ends.
"""

from __future__ import annotations

import json
from pathlib import Path

import structlog

from device_agents.driver.saved import write_whole
from device_agents.machine import fencing
from lepton_edge.core.messages import Leader, Welcome
from partitioner.nouns_json import from_json, to_json

log = structlog.get_logger("agent")


class Loyalty:
    """Whom to obey. `adopt` lets the next coordinator have this agent once, whatever it serves."""

    def __init__(self, file: Path, *, adopt: bool = False) -> None:
        self._file = file
        self.adopt = adopt
        self.leader = _read(file)

    def heed(self, said: Welcome, *, serves: bool) -> None:
        """Obey the coordinator that welcomes, from now on; `serves`: this agent holds epochs.

        Raises NotLeader when another one is to be obeyed.
        """
        error = fencing.refusal(self.leader, said.leader, serves=serves, adopt=self.adopt)
        if error is not None:
            raise error
        if said.leader is None:
            return
        self.adopt = False
        if said.leader != self.leader:
            self.leader = said.leader
            self._write(said.leader)

    def _write(self, leader: Leader) -> None:
        try:
            write_whole(self._file, json.dumps(to_json(leader)))
        except OSError as error:
            log.warning("who commands could not be saved", error=str(error))


def _read(file: Path) -> Leader | None:
    """Return who was obeyed; None when there is no file, or none that can be read."""
    try:
        return from_json(Leader, json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        log.warning("who commanded cannot be read", file=str(file), error=str(error))
        return None

"""The bugs: a line of the product, a wrong one in its place, and what must find it.

Law: nouns, and how a bug is put into a text; runs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

FLEET = "tests/simulation/test_fleet.py"
AGENT = "tests/device_agents/machine/test_decider.py"
LINK = "tests/lepton_edge/link/test_two_machines.py"
FAR = "cut link,swallow,freeze cloud"
"""Faults of what is asked for a part of the work."""
CHANGES = "new version,pin"
RETURNS = "kill cloud"
SLOW, ALONE = "slow link", "board alone"


@dataclass(frozen=True)
class Bug:
    """One bug: in `file`, `right` (there once) becomes `wrong`; `proof` is what must find it.

    `faults` are the kinds under which a chaos run must find it, too ("" where it cannot).
    """

    name: str
    file: str
    right: str
    wrong: str
    proof: str = FLEET
    faults: str = ""


def planted(bug: Bug, text: str) -> str:
    """Return the file's `text` with the bug in it.

    Raises:
        LookupError: its line is not there, or not once.
    """
    if text.count(bug.right) != 1:
        raise LookupError(f"{bug.name}: the line is there {text.count(bug.right)} times in {bug.file}")
    return text.replace(bug.right, bug.wrong)


BUGS = (
    Bug(
        "answer twice",
        "device_agents/machine/answers.py",
        "return [answer, Release(work.key, heeded), *settled, *called_off]",
        "return [answer, answer, Release(work.key, heeded), *settled, *called_off]",
        faults=FAR,
    ),
    Bug(
        "old epoch accepted",
        "device_agents/machine/state.py",
        "        found = self.epochs.get(key)\n        if found is None or found.state == PREPARING:",
        "        found = self.active_epoch(key.model) or self.epochs.get(key)\n"
        "        if found is None or found.state == PREPARING:",
        f"{FLEET} -k change_under_load",
        faults=CHANGES,
    ),
    Bug(
        "credit leak",
        "lepton_edge/link/receiving.py",
        "    state.owed_bytes += size\n",
        "    state.owed_bytes += size * 15 // 16\n",
        LINK,
    ),
    Bug(
        "credit leak: of every request",
        "lepton_edge/link/receiving.py",
        "    state.owed_frames += 1\n",
        "    state.owed_frames += 0\n",
        LINK,
        faults=FAR,
    ),
    Bug(
        "stale page: what was chosen once is chosen for ever",
        "device_agents/machine/turning.py",
        "    if turner.stale or not fresh:",
        "    if not choice.costs:",
        f"{FLEET} -k follows_the_link",
    ),
    Bug(
        "stale page: what was left once is left for ever",
        "device_agents/machine/turning.py",
        "    best = min(costs.values(), key=lambda cost: cost.value)\n",
        "    left = [one for one in costs.values() if choice.turn is None or not one.option.peer]\n"
        "    best = min(left or list(costs.values()), key=lambda cost: cost.value)\n",
        f"{FLEET} -k follows_the_link",
        faults=SLOW,
    ),
    Bug(
        "lost cancel",
        "device_agents/machine/requests.py",
        "    return [command for work in found for command in _drop(state, work, CANCELLED, now)]",
        "    return []",
        f"{FLEET} -k given_up",
        faults=FAR,
    ),
    Bug(
        "lost cancel on the wire",
        "lepton_edge/link/sending.py",
        "    if waiting is not None and not state.outbox.drop(waiting.ticket):",
        "    if waiting is None and not state.outbox.drop(waiting.ticket):",
        "tests/lepton_edge/link",
        faults=FAR,
    ),
    Bug(
        "answer of another request: rows of a batch",
        "device_agents/engine/batching.py",
        "        return array[place * count : (place + 1) * count]",
        "        place = len(self._single) - 1 - place\n"
        "        return array[place * count : (place + 1) * count]",
        "tests/device_agents/test_storm.py",
    ),
    Bug(
        "answer of another request: attempts are not told apart",
        "lepton_edge/link/state.py",
        "    return frame.request_id, frame.attempt\n",
        "    return frame.request_id[:8], frame.attempt\n",
        LINK,
    ),
    Bug(
        "fallback's result dropped",
        "device_agents/machine/requests.py",
        'if work is None or event.run != work.run or work.phase == "remote":\n        return []\n'
        "    runs.note_cost",
        'if work is None or event.run != work.run or work.phase != "local":\n        return []\n'
        "    runs.note_cost",
        faults=FAR,
    ),
    Bug(
        "deadline ignored",
        "device_agents/machine/requests.py",
        '    if event.timer == "deadline":',
        '    if event.timer == "deadline" and work.phase == "waiting":',
        AGENT,
    ),
    Bug(
        "a stage is sent on as of the newest epoch",
        "device_agents/machine/asking.py",
        "        epoch=work.epoch.epoch,\n        page=work.page,",
        "        epoch=state.active.get(work.epoch.model, work.epoch.epoch),\n        page=work.page,",
        f"{FLEET} -k change_under_load",
    ),
    Bug(
        "a duplicate is computed twice",
        "device_agents/machine/admission.py",
        "    if key in state.answers:\n",
        "    if key in state.answers and state.closing:\n",
    ),
    Bug(
        "an epoch is closed while requests run on it",
        "device_agents/machine/draining.py",
        "or state.working_on(key):",
        "or (state.working_on(key) and state.closing):",
        f"{FLEET} -k change_under_load",
        faults=CHANGES,
    ),
    Bug(
        "an activated epoch is not saved",
        "device_agents/machine/epochs.py",
        "    state.choose_active(held.key.model)\n    return [persist(state), keep_peers(state)]",
        "    state.choose_active(held.key.model)\n    return [keep_peers(state)]",
        f"{FLEET} -k an_hour",
        faults=ALONE,
    ),
    Bug(
        "a far side that swallows is waited for",
        "device_agents/machine/asking.py",
        "    if not is_hedged(work):\n        return [sent]",
        "    if is_hedged(work):\n        return [sent]",
        "tests/device_agents/machine/test_ladder.py",
        faults=FAR,
    ),
    Bug(
        "the fallback runs one block too late",
        "device_agents/machine/runs.py",
        "    first, last = work.route.last, blocks(state, work)\n    return RunSegment(",
        "    first, last = min(work.route.last + 1, blocks(state, work) - 1), blocks(state, work)\n"
        "    return RunSegment(",
    ),
    Bug(
        "an older coordinator is obeyed",
        "device_agents/machine/fencing.py",
        "    if said.term > known.term:",
        "    if said.term >= 0:",
        "tests/device_agents/machine/test_fencing.py",
    ),
    Bug(
        "a device that returns is not brought back",
        "lepton_edge/coordinator/epochs.py",
        '        return bool(record.blocks_of(device.name)) and held != "active"',
        '        return bool(record.blocks_of(device.name)) and held == "failed"',
    ),
    Bug(
        "a lost link is dialled once and never again",
        "device_agents/driver/redialling.py",
        "        while not tries.enough():\n",
        "        while not tries.enough() and not pauses.tries:\n",
        "tests/device_agents/driver/test_redialling.py",
        faults=RETURNS,
    ),
    Bug(
        "an epoch that ended is kept",
        "device_agents/machine/draining.py",
        "        commands += [*close(state, held), Say(Outcome(held.retire_command))]\n",
        '        commands += [Say(Outcome(held.retire_command))]\n        held.retire_command = ""\n',
        "tests/device_agents/machine/test_epochs.py",
    ),
)

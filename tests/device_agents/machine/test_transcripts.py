"""Stories of the agent's decider that a person can read, compared with what it decides today.

Time is what only the line "> wait" moves.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from device_agents.machine import State, step
from device_agents.machine import commands as c
from device_agents.machine import events as e
from lepton_edge.core.frames import Frame, FrameKind, Hop
from lepton_edge.core.messages import Activate, Drain, LinkReport, Peer, Prepare, Retire
from partitioner.plan import Block, Fused, QueueRule, Replica, TurnRule
from tests.stories import stories, tell_again

STORIES = stories("agent")
PEERS = (Peer("cloud", ("10.0.0.2:8011",)), Peer("cloud-2", ("10.0.0.3:8011",)))


class Teller:
    """A board with the conftest's picture model; its request ids are the words of the story."""

    def __init__(self, world) -> None:
        self.world = world
        self.state = State("board")
        self.now = 0.0
        self.runs: dict[str, c.RunSegment] = {}
        self.questions: dict[str, str] = {}

    def play(self, line: str) -> list[str]:
        word, *rest = line.split()
        if word == "wait":
            self.now = round(self.now + float(rest[0]), 6)
            return []
        event = getattr(self, "_" + word.replace("-", "_"))(*rest)
        return [self._render(command) for command in step(self.state, event, self.now)]

    def _said(self, message):
        return e.CoordinatorSaid(message)

    def _prepare(self, epoch, policy="block", replica=""):
        hold = (0, 1, 2, 3, 4)
        replicas = (Replica(replica, "cloud"),) if replica else ()
        book = dataclasses.replace(self.world.book(), queue=QueueRule(policy), replicas=replicas)
        return self._said(Prepare(f"prepare-{epoch}", int(epoch), book, hold, PEERS))

    def _prepare_turning(self, epoch):
        """Pages that the entry turns by itself; the whole model as one piece is a spare one."""
        rule, piece = TurnRule(("local", "cut-4")), Fused("board", 1, 5, Block(5, "onnx", (), ()))
        book = dataclasses.replace(self.world.book(), turning=rule, spare=(piece,))
        return self._said(Prepare(f"prepare-{epoch}", int(epoch), book, (0, 1, 2, 3, 4), PEERS))

    def _link(self, rate, under_way="0"):
        """What the link to the cloud moves, in kB/s, up and down, as was just seen; how many kB are under way."""
        moves, left = float(rate) * 1e3, int(under_way) * 1000
        report = LinkReport("cloud", up=moves, down=moves, round_trip=0.02, samples=9, under_way=left)
        return e.LinksSeen((report,))

    def _pieces(self, first, last):
        return e.PiecesOpened(e.EpochKey("net", 1), int(first), int(last))

    def _opened(self, epoch):
        return e.EpochOpened(e.EpochKey("net", int(epoch)))

    def _activate(self, epoch):
        return self._said(Activate(f"activate-{epoch}", "net", int(epoch)))

    def _drain(self, epoch):
        return self._said(Drain(f"drain-{epoch}", "net", int(epoch)))

    def _retire(self, epoch):
        return self._said(Retire(f"retire-{epoch}", "net", int(epoch)))

    def _up(self, device):
        return e.PeerUp(device)

    def _down(self, device):
        return e.PeerDown(device)

    def _ask(self, name, *options):
        given = dict(option.split("=") for option in options)
        fields = {"page": given.get("page", ""), "remaining_ms": int(given.get("deadline", 0))}
        return e.RequestArrived(1, self.world.request(name, **fields), given.get("by", ""))

    def _computed(self, name, kilobytes="0"):
        """What a run of a request made, as small as it is in the book, or so large on its way."""
        run, size = self.runs[name], 1000 * int(kilobytes) or 32
        forward = tuple(self.world.tensor(choice.tensor, "float32", (1, 8), size) for choice in run.forward)
        outputs = tuple(self.world.tensor(output, "float32", (1, 5), 20) for output in run.outputs)
        return e.SegmentDone(run.work, run.run, forward=forward, outputs=outputs)

    def _cloud_answers(self, name, device="cloud"):
        outputs = ("y@scores", "y@indices")
        asked = Frame(FrameKind.REQUEST, name, outputs=outputs)
        answer = self.world.answer(asked, hops=(Hop(device, 4, 5),))
        return e.StageReplied(self.runs[name].work, answer, device)

    def _replica_answers(self, name):
        return self._cloud_answers(name, "cloud-2")

    def _told(self, device):
        return e.ReadyTold(e.EpochKey("net", 1), device, "cut-4", self.questions[device])

    def _lost(self, name, device="cloud"):
        return e.StageLost(self.runs[name].work, f"the link to {device} was lost", device)

    def _fires(self, name, *timer):
        return e.TimerFired(self.runs[name].work, " ".join(timer))

    def _render(self, command) -> str:
        if isinstance(command, c.RunSegment):
            self.runs[command.work.request_id] = command
        if isinstance(command, c.AskReady):
            self.questions[command.peer] = command.frame.request_id
        name = command.work.request_id if hasattr(command, "work") else ""
        return f"  {type(command).__name__} {name}".rstrip() + _detail(command)


def _detail(command) -> str:
    match command:
        case c.RunSegment():
            forward = "".join(f", {choice.tensor} by {choice.codec}" for choice in command.forward)
            return f": blocks {command.first}..{command.last} of epoch {command.epoch.epoch}{forward}"
        case c.SendStage(frame=frame):
            left = f", {frame.remaining_ms} ms left" if frame.remaining_ms else ""
            return f": to {command.peer} from block {frame.first_block} on page {frame.page}{left}"
        case c.AskReady(frame=frame):
            return f": of {command.peer}, from block {frame.first_block} on page {frame.page}"
        case c.SetTimer():
            return f": {command.timer} in {command.delay:.2f} s"
        case c.Reply(frame=frame):
            return f": page {frame.page} of epoch {frame.epoch}, because {frame.reason}"
        case c.Fail(frame=frame) | c.Refuse(frame=frame):
            return f": {frame.error.code}: {frame.error.message}"
        case c.Release() | c.CancelStage():
            return _detail_of_ends(command)
    return _detail_of_epochs(command)


def _detail_of_ends(command) -> str:
    if isinstance(command, c.Release):
        return f", but go on listening for {command.heed}" if command.heed else ""
    return f": at {command.peer}" if command.peer != "cloud" else ""


def _detail_of_epochs(command) -> str:
    match command:
        case c.Say(message=message):
            return f" {type(message).__name__} {getattr(message, 'command', '') or message.state}"
        case c.OpenPieces():
            return f": blocks {command.first}..{command.last}"
        case c.OpenEpoch(key=key) | c.CloseEpoch(key=key):
            return f" {key.epoch}"
        case c.Persist(epochs=epochs):
            return f" {[saved.epoch for saved in epochs]}"
        case c.KeepPeers(peers=peers):
            return f" {[str(peer.device) for peer in peers]}"
    return ""


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.stem)
def test_the_story_is_told_as_it_is_written(world, story: Path) -> None:
    tell_again(story, Teller(world).play)


def test_there_are_stories() -> None:
    assert len(STORIES) >= 3

"""Two entries, two clouds, a coordinator and clients, all in virtual time; and everything that may happen to them.

Law: seeded: the same seed gives the same story. `finish` ends the faults, lets time pass, and says what must hold.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from lepton_edge.coordinator import commands as cc
from lepton_edge.coordinator import events as ce
from lepton_edge.coordinator.records import ModelRecord
from lepton_edge.core import messages as m
from lepton_edge.core.frames import FrameKind
from tests.simulation import model
from tests.simulation.agents import MIB, Agent, Disk, Luck
from tests.simulation.clients import Asked, Client
from tests.simulation.clock import Clock
from tests.simulation.coordinator import Coordinator
from tests.simulation.network import Network, Node

BOARDS, CLOUDS = ("b1", "b2"), ("c1", "c2")


class World:
    """Everybody; `story` is what was done to them, for who looks at a failure."""

    def __init__(self, seed: int, boards: tuple[str, ...] = BOARDS, clouds: tuple[str, ...] = CLOUDS) -> None:
        self.draw = random.Random(seed)
        self.clock = Clock()
        self.network = Network(self.clock, self.draw)
        self.luck = Luck()
        self.story: list[str] = []
        self.coordinator = Coordinator("coordinator", self.network)
        self.impostors: list[Coordinator] = []
        self.agents: dict[str, Agent] = {}
        self.boards, self.clouds = boards, clouds
        for name in (*boards, *clouds):
            role = "board" if name in boards else "cloud"
            self.agents[name] = Agent(name, role, self.network, self.luck, self.draw)
        for agent in self.agents.values():
            agent.agents, agent.find = self.agents, self._found
        self.clients = [Client(f"app-{name}", self.agents[name], self.network, self.draw) for name in boards]
        self.version = 1
        self.planned = False
        self.replicas: tuple[str, ...] = ()

    def _found(self) -> Coordinator | None:
        """Return the coordinator that an agent finds now: one of those that are there."""
        there = [one for one in (self.coordinator, *self.impostors) if one.alive and not one.frozen]
        return self.draw.choice(there) if there else None

    def tell(self, text: str) -> None:
        self.story.append(f"{self.clock.now:8.3f} {text}")

    # --- a beginning ------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start everybody, push the model, deploy it on every board."""
        self.coordinator.boot()
        for agent in self.agents.values():
            agent.boot()
        self.clock.run(3.0)
        self.push()
        for name in self.boards:
            assert self.deployed(self.deploy(name)), f"{name}: {self.coordinator.answers}"

    def push(self) -> str:
        record = ModelRecord(model.MODEL, f"v{self.version}", 10 * MIB, layers=4)
        return self.coordinator.call(lambda cause, call: ce.ModelPushed(cause, call, record))

    def deploy(self, board: str, **wishes: object) -> str:
        given = {"cloud": self.home(board), "replicas": self.replicas, **wishes}
        asked = m.Deploy(model.MODEL, board=board, **given)  # type: ignore[arg-type]
        return self.coordinator.call(lambda cause, call: ce.DeployAsked(cause, call, asked))

    def home(self, board: str) -> str:
        """Return the cloud that a board uses: its own where there is one."""
        return self.clouds[self.boards.index(board) % len(self.clouds)] if self.clouds else ""

    def deployed(self, call: str, seconds: float = 60.0) -> bool:
        """Let time pass until a call was answered; return whether well."""
        end = self.clock.now + seconds
        while call not in self.coordinator.answers and self.clock.now < end:
            self.clock.run(0.25)
        return isinstance(self.coordinator.answers.get(call), cc.Finish)

    # --- requests ---------------------------------------------------------------------------------

    def stream(self, rate: float, seconds: float) -> None:
        """Let every client ask at random moments for a while."""
        for client in self.clients:
            at = 0.0
            while (at := at + self.draw.expovariate(rate)) < seconds:
                deadline = self.draw.choice((0.0, 0.5, 1.0, 3.0))
                page = self.draw.choice(("", "", "", "", "local", "cut-1", "cut-2", "cloud-raw"))
                self.clock.after(at, lambda c=client, p=page, d=deadline: c.ask(p, d) and None)

    # --- faults -----------------------------------------------------------------------------------

    def fault(self) -> None:
        """Let something happen, and be undone after a while."""
        kinds: list[Callable[[], None]] = [
            self._kill, self._kill, self._freeze, self._freeze, self._cut, self._cut, self._swallow, self._slow,
            self._kill_coordinator, self._freeze_coordinator, self._order, self._order, self._lose_coordinator,
        ]  # fmt: skip
        self.draw.choice(kinds)()

    def _last(self, longest: float = 8.0) -> float:
        return 0.05 * (longest / 0.05) ** self.draw.random()

    def _any(self) -> Agent:
        return self.draw.choice(list(self.agents.values()))

    def _kill(self) -> None:
        agent, lasts = self._any(), self._last()
        if not agent.alive:
            return
        self.tell(f"kill {agent.name} for {lasts:.2f}")
        agent.die()
        if self.draw.random() < 0.2:
            self.tell(f"the disk of {agent.name} is new")
            agent.disk = Disk()
        self.clock.after(lasts, agent.boot)

    def _freeze(self) -> None:
        agent, lasts = self._any(), self._last()
        self._frozen(agent, lasts)

    def _frozen(self, node: Node, lasts: float) -> None:
        if not node.alive or node.frozen:
            return
        self.tell(f"freeze {node.name} for {lasts:.2f}")
        node.freeze()
        self.clock.after(lasts, lambda: node.frozen and node.thaw())

    def _pair(self) -> tuple[Node, Node]:
        others: list[Node] = [self.agents[name] for name in self.clouds]
        one = self.agents[self.draw.choice(self.boards)]
        return one, self.draw.choice([*others, self.coordinator])

    def _cut(self) -> None:
        one, other = self._pair()
        lasts = self._last()
        self.tell(f"cut {one.name}-{other.name} for {lasts:.2f}")
        self.network.cut(one, other)
        self.clock.after(lasts, lambda: self.network.heal(one, other))

    def _swallow(self) -> None:
        one, other = self._pair()
        lasts = self._last()
        self.tell(f"swallow {one.name}-{other.name} for {lasts:.2f}")
        self.network.swallow(one, other)
        self.clock.after(lasts, lambda: self.network.heal(one, other))

    def _slow(self) -> None:
        one, other = self._pair()
        lasts = self._last()
        self.tell(f"slow {one.name}-{other.name} for {lasts:.2f}")
        self.network.cable(one, other).delay = self.draw.uniform(0.05, 0.5)
        self.clock.after(lasts, lambda: self.network.heal(one, other))

    def _kill_coordinator(self, longest: float = 8.0) -> None:
        if not self.coordinator.alive:
            return
        lasts = self._last(longest)
        self.tell(f"kill coordinator for {lasts:.2f}")
        self.coordinator.die()
        self.clock.after(lasts, self.coordinator.boot)

    def _lose_coordinator(self) -> None:
        if self.draw.random() < 0.2:
            self._kill_coordinator(60.0)

    def _freeze_coordinator(self) -> None:
        self._frozen(self.coordinator, self._last())

    def _order(self) -> None:
        """Give an order as a person would, whatever goes on."""
        board = self.draw.choice(self.boards)
        orders = ["deploy", "local", "other cloud", "push", "unlucky", "canary", "back", "move", "drain"]
        what = self.draw.choice(orders)
        self.tell(f"order {what} of {board}")
        self.luck.prepare_fails = 0.5 if what == "unlucky" else 0.0
        if what in ("push", "canary") and self.version < 9:
            self.version += 1
            for client in self.clients:
                client.versions.add(self.version)
            self.push()
        planned = {"move": self._move, "drain": self._drain, "back": self._back}
        if what in planned:
            planned[what](board)
            return
        wishes: dict[str, dict[str, object]] = {
            "local": {"page": "local"},
            "other cloud": {"cloud": self.draw.choice(self.clouds or ("",))},
            "canary": {"canary": 0.3, "canary_requests": 10},
        }
        self.deploy(board, **wishes.get(what, {}))

    def _move(self, board: str) -> None:
        self.planned = True
        asked = m.MoveModel(model.MODEL, *self.draw.sample(self.clouds, 2), board)
        self.coordinator.call(lambda cause, call: ce.MoveAsked(cause, call, asked))

    def _drain(self, board: str) -> None:
        self.planned = True
        asked = m.DrainDevice(self.draw.choice((board, *self.clouds)))
        self.coordinator.call(lambda cause, call: ce.DrainAsked(cause, call, asked))

    def _back(self, board: str) -> None:
        asked = m.RollBack(model.MODEL, board)
        self.coordinator.call(lambda cause, call: ce.RollBackAsked(cause, call, asked))

    # --- the end ----------------------------------------------------------------------------------

    def mend(self) -> None:
        """Undo every fault."""
        nodes: list[Node] = [*self.agents.values(), self.coordinator]
        for one in nodes:
            if one.frozen:
                one.thaw()
            for other in nodes:
                if one is not other:
                    self.network.heal(one, other)
        self.luck.prepare_fails = self.luck.compute_fails = 0.0
        for node in nodes:
            if not node.alive:
                node.boot()  # type: ignore[attr-defined]

    def settle(self) -> None:
        """Undo what people ordered of devices: everybody takes part again, and serves what it did first."""
        if not self.planned:
            return
        for name in list(self.coordinator.state.drains):
            asked = m.DrainDevice(name, undo=True)
            self.coordinator.call(lambda cause, call, a=asked: ce.DrainAsked(cause, call, a))
        self.clock.run(5.0)
        for name in self.boards:
            assert self.deployed(self.deploy(name)), (
                f"{name} cannot be deployed on: {self.coordinator.answers}"
            )

    def trouble(self) -> list[str]:
        """Return what must not be, at any time."""
        found = [one for node in (*self.agents.values(), *self.clients) for one in node.trouble]
        found += self.coordinator.trouble
        for client in self.clients:
            found += [
                f"{client.name}-{a.number}: {e}"
                for a in client.asked
                for e in a.ends
                if e.startswith("wrong")
            ]
            found += [f"{client.name}-{a.number}: {a.ends}" for a in client.asked if len(a.ends) > 1]
        return found + self._stale()

    def _stale(self) -> list[str]:
        """Return the answers on an epoch when a later one was active already."""
        found = []
        for client in self.clients:
            for one in client.asked:
                answer = one.frame if one.ends[:1] == ["right"] else None
                if answer and self.coordinator.stale(client.entry.name, answer.epoch, one.begun):
                    found.append(
                        f"{client.name}-{one.number} was answered on epoch {answer.epoch}, which is over"
                    )
        return found

    def disagreements(self) -> list[str]:
        """Return where, after all has settled, boards do not serve what the coordinator says is active."""
        found = []
        for name in self.boards:
            record = self.coordinator.state.active_epoch(model.MODEL, name)
            serves = self.agents[name].state.active.get(model.MODEL)
            if record is None or record.epoch != serves:
                found.append(f"{name} serves epoch {serves}, not {record.epoch if record else None}")
        return found

    def strays(self, asked: list[Asked]) -> list[str]:
        """Return which of the last answers did not come by way of a cloud, though the plan may take one."""
        found = []
        for one in asked[-2 * len(self.clients) :]:
            if one.frame is None or one.frame.kind is not FrameKind.REPLY:
                continue
            held = [agent.state.active_epoch(model.MODEL) for agent in self.agents.values()]
            books = [each.book for each in held if each is not None and each.key.epoch == one.frame.epoch]
            turns = any(book.turning.pages for book in books)
            if "fallback" in one.frame.reason or (turns and one.frame.page == "local"):
                found.append(f"{one.number} by {one.frame.page}: {one.frame.reason}")
        return found

    def unanswered(self) -> list[str]:
        """Return what never ended."""
        return [
            f"{client.name}-{one.number}" for client in self.clients for one in client.asked if not one.over
        ]

    def leaks(self) -> list[str]:
        """Return what is kept of requests though none is under way."""
        return [one for agent in self.agents.values() for one in agent.leaks()]

    def probe(self, count: int = 30) -> list[Asked]:
        """Ask every client a few times, one after the other; entries that left a crowd come back by lot."""
        asked = []
        for _ in range(count):
            for client in self.clients:
                asked.append(client.ask())
                self.clock.run(0.3)
        self.clock.run(5.0)
        return asked

    def counts(self) -> Counter[str]:
        """Return how requests ended."""
        return Counter(
            one.ends[0] if one.ends else "nothing" for client in self.clients for one in client.asked
        )

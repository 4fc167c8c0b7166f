"""A small fleet in one process: a coordinator that only says what a test tells it, and real agents."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import secrets
from dataclasses import replace

import numpy as np

from device_agents.server import Agent
from lepton_edge.core.config import AgentConfig
from lepton_edge.core.errors import NotFound
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import LinkHello
from lepton_edge.core.messages import (
    Activate,
    Description,
    FetchChunk,
    Hello,
    Outcome,
    Peer,
    Prepare,
    Progress,
    Telemetry,
    Welcome,
)
from lepton_edge.link.link import dial
from lepton_edge.wire import rpc, tensors
from partitioner.plan import (
    CodecChoice,
    Frontier,
    InputSpec,
    OutputSpec,
    Page,
    PlanBook,
    Prediction,
    Stage,
)

QUICK = Prediction(0.01, 0.004, 0.002, 0.002, 0.002, 100, 100)


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def book_of(model, labels=b"", active="cut-1"):
    """Blocks 1 and 2 of the small model as a book of two, and the artifacts it needs, by sha256."""
    x = model.input()
    golden = io.BytesIO()
    np.savez(golden, x=x, **model.reference(x))
    contents = [golden.getvalue(), labels, *(model.files[index].read_bytes() for index in (1, 2))]
    artifacts = {_sha(content): content for content in contents if content}
    blocks = tuple(
        replace(block, index=index, artifact=_sha(model.files[index + 1].read_bytes()))
        for index, block in enumerate(model.blocks[1:])
    )
    blob = (model.folder / "weights.bin").read_bytes()
    artifacts.update({ref.sha256: blob[ref.offset : ref.offset + ref.length] for ref in model.refs})
    x_spec, mid = blocks[0].inputs[0], blocks[1].inputs[0]
    book = PlanBook(
        "net",
        "v1",
        blocks,
        (Frontier((x_spec,)), Frontier((mid,)), Frontier(())),
        (InputSpec(x_spec),),
        (OutputSpec("y"),),
        (
            Page("local", (Stage("board", 0, 2),), QUICK, reason="the board alone"),
            Page("cloud-raw", (Stage("board", 0, 0), Stage("cloud", 0, 2)), QUICK, reason="all there"),
            Page(
                "cut-1",
                (Stage("board", 0, 1, (CodecChoice("mid", "f16"),)), Stage("cloud", 1, 2)),
                QUICK,
                reason="the best cut",
            ),
        ),
        active,
        golden=_sha(golden.getvalue()),
        blob=_sha(blob),
        blob_size=len(blob),
    )
    return book, artifacts


class Puppet:
    """A coordinator without a mind: remembers what agents say, says what a test tells it to."""

    def __init__(self) -> None:
        self.artifacts: dict[str, bytes] = {}
        self.hellos: dict[str, Hello] = {}
        self.telemetry: dict[str, Telemetry] = {}
        self.outcomes: dict[str, asyncio.Future] = {}
        self.fetched: list[str] = []
        self.refuse = None
        self._streams: dict[str, asyncio.Queue] = {}
        self._server = None
        self.address = ""

    async def start(self, address="127.0.0.1:0") -> None:
        self._server, self.address = await rpc.open_server(address, rpc.control_handlers(self))

    async def stop(self) -> None:
        await self._server.stop(0)

    async def attach(self, said, peer):
        hello = await said.__anext__()
        if self.refuse is not None:
            yield self.refuse
            return
        self.hellos[hello.device] = hello
        queue = self._streams[hello.device] = asyncio.Queue()
        listening = asyncio.create_task(self._listen(hello.device, said))
        yield Welcome(hello.device, 6.0, 0.05, "test", 1)
        try:
            while True:
                yield await queue.get()
        finally:
            listening.cancel()
            self._streams.pop(hello.device, None)

    async def _listen(self, device, said) -> None:
        with contextlib.suppress(Exception):
            async for word in said:
                if isinstance(word, Telemetry):
                    self.telemetry[device] = word
                command = getattr(word, "command", None)
                if command in self.outcomes and not isinstance(word, Progress):
                    self.outcomes[command].set_result(word)

    async def fetch(self, request, peer):
        self.fetched.append(request.sha256)
        content = self.artifacts.get(request.sha256)
        if content is None:
            raise NotFound(f"no artifact {request.sha256}")
        yield FetchChunk(request.offset, len(content), content[request.offset :])

    def admin(self, calls, peer):
        raise NotImplementedError

    async def describe(self, peer):
        return Description("coordinator", "puppet", "test", 1, 0)

    async def say(self, device, message):
        """Say a command and return its outcome."""
        self.outcomes[message.command] = asyncio.get_running_loop().create_future()
        for _ in range(200):
            if device in self._streams:
                break
            await asyncio.sleep(0.02)
        self._streams[device].put_nowait(message)
        return await asyncio.wait_for(self.outcomes[message.command], 10)

    async def deploy(self, book, holds, epoch=1):
        """Prepare and activate a book on every device of `holds`."""
        peers = tuple(Peer(name, hello.data_addresses) for name, hello in self.hellos.items())
        for device, hold in holds.items():
            outcome = await self.say(device, Prepare(secrets.token_hex(4), epoch, book, hold, peers))
            assert isinstance(outcome, Outcome), outcome
            if outcome.error is not None:
                return outcome
        for device in holds:
            outcome = await self.say(device, Activate(secrets.token_hex(4), book.model, epoch))
        return outcome


class Fleet:
    """A puppet coordinator and agents in this process."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.puppet = Puppet()
        self.agents: dict[str, Agent] = {}
        self.tasks: dict[str, asyncio.Task] = {}
        self.lines: list[str] = []

    async def start(self, name, **fields) -> Agent:
        """Start an agent and wait until its data port is open."""
        role = "cloud" if name.startswith("cloud") else "board"
        given = {"coordinator": self.puppet.address, "port": 0, "threads": 1, **fields}
        config = AgentConfig(self.folder / name, role, name, secure=False, **given)
        agent = Agent(config, self.lines.append)
        self.agents[name] = agent
        self.tasks[name] = asyncio.create_task(agent.run())
        while not agent.addresses and not self.tasks[name].done():
            await asyncio.sleep(0.01)
        return agent

    async def stop(self, name) -> None:
        self.tasks[name].cancel()
        await asyncio.gather(self.tasks.pop(name), return_exceptions=True)

    async def registered(self, *names) -> None:
        for _ in range(500):
            if set(names) <= self.puppet.hellos.keys():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"only {sorted(self.puppet.hellos)} registered")

    async def linked(self, name="board", peer="cloud") -> None:
        for _ in range(500):
            if peer in self.agents[name].state.peers_up:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("no link")

    async def client(self, name="board"):
        async def nobody_asks(link, frame):
            raise AssertionError(frame)

        return await dial(self.agents[name].addresses[0], LinkHello("client", "test"), nobody_asks)

    async def close(self) -> None:
        for name in list(self.tasks):
            await self.stop(name)
        await self.puppet.stop()


def ask(x, page="", request_id=None, **fields):
    """A request for the small model."""
    given = (tensors.pack("x", x),)
    request_id = request_id or secrets.token_hex(16)
    return Frame(FrameKind.REQUEST, request_id, model="net", page=page, tensors=given, **fields)


def answer(frame):
    """The array that a reply carries."""
    assert frame.error is None, frame.error
    return tensors.unpack(frame.tensors[0])

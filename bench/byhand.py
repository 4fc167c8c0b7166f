"""A coordinator without a mind: agents attach to it and are given books that a bench has made by hand.

Law: deploys what it is told and answers for its artifacts; plans, profiles and measures nothing. What a bench
needs that wants one exact book, and no planner between.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

import onnx
from onnx import TensorProto, helper

from lepton_edge.core.errors import NotFound, Unavailable
from lepton_edge.core.messages import (
    Activate,
    AdminCall,
    AdminEvent,
    AgentSays,
    CoordinatorSays,
    Description,
    FetchChunk,
    FetchRequest,
    Hello,
    Outcome,
    Peer,
    Prepare,
    Welcome,
)
from lepton_edge.wire import rpc
from partitioner.plan import (
    Block,
    Frontier,
    InputSpec,
    OutputSpec,
    Page,
    PlanBook,
    Prediction,
    Stage,
    TensorSpec,
)
from partitioner.units import (
    BlockIndex,
    Bytes,
    DeviceId,
    Epoch,
    ModelName,
    ModelVersion,
    PageName,
    Seconds,
    Sha256,
    TensorName,
)

CUT, THROUGH = PageName("cut"), PageName("through")
"""The book's pages: block 0 at the entry, and everything behind it."""
ANSWER = 10
"""Elements of the book's answer."""


class ByHand:
    """Serves agents on a loopback port; `artifacts` are what they may fetch."""

    def __init__(self) -> None:
        self.artifacts: dict[str, bytes] = {}
        self.address = ""
        self._hellos: dict[str, Hello] = {}
        self._said: dict[str, asyncio.Queue[CoordinatorSays]] = {}
        self._outcomes: dict[str, asyncio.Future[Outcome]] = {}
        self._came = asyncio.Condition()
        self._server: Any = None

    async def start(self) -> None:
        """Open the control port."""
        self._server, self.address = await rpc.open_server("127.0.0.1:0", rpc.control_handlers(self))

    async def stop(self) -> None:
        """Close it."""
        await self._server.stop(0)

    async def attached(self, *names: str) -> None:
        """Wait until these agents are here."""
        async with self._came:
            await asyncio.wait_for(self._came.wait_for(lambda: set(names) <= self._said.keys()), 30)

    async def deploy(
        self, book: PlanBook, holds: Mapping[str, tuple[int, ...]], others: tuple[Peer, ...] = ()
    ) -> None:
        """Prepare and activate `book` on every agent of `holds`; `others` are peers that are no agents of ours."""
        peers = (*(Peer(DeviceId(name), self._hellos[name].data_addresses) for name in holds), *others)
        for device, hold in holds.items():
            await self._say(device, Prepare(secrets.token_hex(4), Epoch(1), book, hold, peers))
        for device in holds:
            await self._say(device, Activate(secrets.token_hex(4), book.model, Epoch(1)))

    async def _say(self, device: str, message: Prepare | Activate) -> None:
        outcome = self._outcomes[message.command] = asyncio.get_running_loop().create_future()
        self._said[device].put_nowait(message)
        error = (await asyncio.wait_for(outcome, 30)).error
        if error is not None:
            raise RuntimeError(f"{device}: {error.message}")

    # --- what agents see -----------------------------------------------------------------------------

    async def attach(
        self, said: AsyncIterator[AgentSays], peer: rpc.PeerContext
    ) -> AsyncIterator[CoordinatorSays]:
        """Serve one agent: remember its hello, pass on what is said to it."""
        hello = await said.__anext__()
        assert isinstance(hello, Hello)
        self._hellos[hello.device] = hello
        queue = self._said[hello.device] = asyncio.Queue()
        async with self._came:
            self._came.notify_all()
        listening = asyncio.create_task(self._listen(said))
        yield Welcome(hello.device, Seconds(6.0), Seconds(1.5), "by-hand", Epoch(1))
        try:
            while True:
                yield await queue.get()
        finally:
            listening.cancel()

    async def _listen(self, said: AsyncIterator[AgentSays]) -> None:
        async for word in said:
            if isinstance(word, Outcome) and word.command in self._outcomes:
                self._outcomes.pop(word.command).set_result(word)

    async def fetch(self, request: FetchRequest, peer: rpc.PeerContext) -> AsyncIterator[FetchChunk]:
        """Yield an artifact in one piece; raises NotFound."""
        content = self.artifacts.get(request.sha256)
        if content is None:
            raise NotFound(f"no artifact {request.sha256}")
        yield FetchChunk(request.offset, Bytes(len(content)), content[request.offset :])

    def admin(self, calls: AsyncIterator[AdminCall], peer: rpc.PeerContext) -> AsyncIterator[AdminEvent]:
        """Refuse: nobody administers this one."""
        raise Unavailable("nobody administers a coordinator that is played by hand", "start a real one")

    async def describe(self, peer: rpc.PeerContext) -> Description:
        """Say who answers here."""
        return Description("coordinator", "by-hand", "bench", 1, 0)


# --- a book whose blocks compute next to nothing --------------------------------------------------


def thin_book(model: str, entry: str, cloud: str, elements: int) -> tuple[PlanBook, dict[str, bytes]]:
    """Return a book of two blocks and its artifacts: x -> -x -> its first ten; both frontiers float32 [1, elements]."""
    given, middle = _spec("x", elements), _spec("mid", elements)
    answer = _spec("y", ANSWER)
    ends = [helper.make_tensor(f"at{place}", TensorProto.INT64, [1], [place]) for place in (0, ANSWER, 1)]
    graphs = (
        _graph([helper.make_node("Neg", ["x"], ["mid"])], given, middle, []),
        _graph([helper.make_node("Slice", ["mid", "at0", "at10", "at1"], ["y"])], middle, answer, ends),
    )
    names = [Sha256(hashlib.sha256(graph).hexdigest()) for graph in graphs]
    blocks = (
        Block(BlockIndex(0), "onnx", (given,), (middle,), names[0], name="first"),
        Block(BlockIndex(1), "onnx", (middle,), (answer,), names[1], name="second"),
    )
    book = PlanBook(
        ModelName(model),
        ModelVersion("1"),
        blocks,
        (Frontier((given,)), Frontier((middle,)), Frontier(())),
        (InputSpec(given),),
        (OutputSpec(answer.name),),
        (
            _page("local", (entry, 0, 2)),
            _page(CUT, (entry, 0, 1), (cloud, 1, 2)),
            _page(THROUGH, (cloud, 0, 2)),
        ),
        CUT,
    )
    return book, dict(zip(names, graphs, strict=True))


def _spec(name: str, elements: int) -> TensorSpec:
    return TensorSpec(TensorName(name), "float32", (1, elements), Bytes(4 * elements))


def _graph(nodes: list[Any], given: TensorSpec, made: TensorSpec, constants: list[Any]) -> bytes:
    ends = [
        helper.make_tensor_value_info(one.name, TensorProto.FLOAT, list(one.shape)) for one in (given, made)
    ]
    graph = helper.make_graph(nodes, "thin", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _page(name: str, *stages: tuple[str, int, int]) -> Page:
    soon, nothing = Seconds(0.01), Bytes(0)
    quick = Prediction(soon, soon, soon, soon, soon, nothing, nothing)
    made = [Stage(DeviceId(device), BlockIndex(first), BlockIndex(last)) for device, first, last in stages]
    return Page(PageName(name), tuple(made), quick, reason="made by hand")

"""A picture model cut into five blocks, on a board and a cloud, and one agent of each as pure machines."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from device_agents.machine.decider import step
from device_agents.machine.events import (
    CoordinatorSaid,
    EpochKey,
    EpochOpened,
    LinkId,
    PeerUp,
    RequestArrived,
)
from device_agents.machine.state import State
from lepton_edge.core.frames import Frame, FrameKind, WireTensor
from lepton_edge.core.messages import Activate, Peer, Prepare
from partitioner.plan import (
    Block,
    CodecChoice,
    Frontier,
    InputSpec,
    OutputSpec,
    Page,
    PlanBook,
    Prediction,
    Stage,
    TensorSpec,
)

ENCODED = TensorSpec("x@encoded", "uint8", ("",))
PICTURE = TensorSpec("x@picture", "uint8", ("", "", 3))
RESIZED = TensorSpec("x@resized", "uint8", (224, 224, 3))
X = TensorSpec("x", "float32", (1, 3, 224, 224))
MID = TensorSpec("mid", "float32", (1, 8))
SCORES = TensorSpec("y@scores", "float32", (1, 5))
INDICES = TensorSpec("y@indices", "int64", (1, 5))
PREDICTED = Prediction(0.1, 0.02, 0.01, 0.04, 0.03, 1000, 60)
LOCAL = Prediction(0.24, 0.24, 0.0, 0.0, 0.0, 0, 0)


def _page(name, cut, *codecs):
    stages = (Stage("board", 0, cut, tuple(CodecChoice(*pair) for pair in codecs)), Stage("cloud", cut, 5))
    return Page(name, stages, PREDICTED, reason=f"{name} is quickest")


def make_book(active="cut-4"):
    chain = [ENCODED, PICTURE, RESIZED, X, MID]
    made = [(PICTURE,), (RESIZED,), (X,), (MID,), (SCORES, INDICES)]
    return PlanBook(
        "net",
        "v1",
        tuple(
            Block(index, "onnx" if index else "decode_picture", (chain[index],), made[index])
            for index in range(5)
        ),
        (*(Frontier((spec,)) for spec in chain), Frontier(())),
        (InputSpec(X, "x@picture", "x@encoded"),),
        (OutputSpec("y", "y@scores", "y@indices", keep=False),),
        (
            Page("local", (Stage("board", 0, 5),), LOCAL, reason="board alone"),
            _page("cloud-encoded", 0),
            _page("cloud-jpeg", 2, ("x@resized", "jpeg")),
            _page("cut-4", 4, ("mid", "u8+zstd")),
        ),
        active,
    )


def tensor(name, dtype="uint8", shape=(100,), size=100):
    return WireTensor(name, dtype, shape, "raw", bytes(size))


def request(request_id="r1", tensors=None, **fields):
    given = (tensor("x"),) if tensors is None else tensors
    return Frame(FrameKind.REQUEST, request_id, model="net", tensors=given, **fields)


def agent(device="board", hold=(0, 1, 2, 3, 4), epoch=1, book=None, **fields):
    """An agent with one active epoch."""
    state = State(device, **fields)
    deploy(state, hold, epoch, book)
    if device == "board":
        step(state, PeerUp("cloud"), 0.0)
    return state


def deploy(state, hold=(0, 1, 2, 3, 4), epoch=1, book=None, share=0.0):
    """Prepare and activate an epoch; with a share it is on trial beside the active one."""
    book = book or make_book()
    peers = (Peer("board", ("127.0.0.1:1",)), Peer("cloud", ("127.0.0.1:2",)))
    return [
        *step(state, CoordinatorSaid(Prepare("p", epoch, book, hold, peers)), 0.0),
        *step(state, EpochOpened(EpochKey(book.model, epoch), (0.1,), 1), 0.0),
        *step(state, CoordinatorSaid(Activate("a", book.model, epoch, share)), 0.0),
    ]


def ask(state, link=1, now=0.0, **fields):
    return step(state, RequestArrived(LinkId(link), request(**fields)), now)


def answer(asked, **fields):
    """The answer of a far stage that keeps to what it was asked for."""
    specs = {spec.name: spec for spec in (SCORES, INDICES)}
    tensors = [tensor(name, specs[name].dtype, specs[name].shape, 20) for name in asked.outputs]
    return Frame(FrameKind.REPLY, asked.request_id, tensors=tuple(tensors), **fields)


def only(commands, kind):
    """The one command of a kind."""
    found = [command for command in commands if isinstance(command, kind)]
    assert len(found) == 1, commands
    return found[0]


@pytest.fixture(scope="session")
def world():
    """The builders above, for tests of any file here."""
    return SimpleNamespace(
        agent=agent,
        answer=answer,
        ask=ask,
        book=make_book,
        deploy=deploy,
        only=only,
        request=request,
        tensor=tensor,
    )

"""Who has a certificate and wants more than it gives, who has none, and who would have a fleet speak in the open.

Real processes, and attackers with real sockets. What each hears is said; a witness who asks all the time notices
nothing. The table of docs/security.md names these tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import lepton_edge
from lepton_edge import errors
from lepton_edge.client.keys import trust_for
from lepton_edge.client.remote import RemoteTransport
from lepton_edge.core import messages as m
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.identity import COORDINATOR_HOST
from lepton_edge.core.links import LinkHello
from lepton_edge.link import link
from lepton_edge.wire import rpc, tensors
from partitioner.units import TensorName
from tests.journeys.conftest import House, living, refused, until
from tests.journeys.models import small_model

pytestmark = [pytest.mark.journey, pytest.mark.measured]
X = {"x": np.ones((1, 3, 32, 32), np.float32)}
MAY_NOT = errors.PermissionDenied


class Town:
    """A board and a cloud with two models, and an application whose key is for one of them."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.control = house.start_coordinator()
        self.board = house.start_agent("board", "board")
        self.cloud = house.start_agent("cloud", "cloud")
        self.app = house.directory / "app.pem"
        secret = house.directory / "secret.onnx"
        onnx.save(small_model(1), str(secret))
        with lepton_edge.Client(self.control) as client:
            client.deploy("small")
            client.push("secret", secret)
            client.deploy("secret", page="local")
        house.command("client", "key", "create", "app", "--model", "small", "--out", str(self.app))

    def agents_key(self, name: str) -> Path:
        return self.house.directory / name / "security" / "agent.pem"

    def far(self, address: str, key: Path) -> lepton_edge.Client:
        """A client that comes as from another machine: here the near door knows it by its user."""
        return lepton_edge.Client(
            address, transport=RemoteTransport(address, trust=trust_for(key), near=False)
        )

    def refusals(self) -> list[tuple[str, str]]:
        path = self.house.directory / "coordinator" / "security" / "audit.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return [(line["who"], line["what"]) for line in lines if line["outcome"] == "permission_denied"]


@pytest.fixture(scope="module")
def town(lasting: House) -> Iterator[Town]:
    made = Town(lasting)
    yield made
    for name, process in lasting.processes.items():
        assert process.poll() is None
        assert "Traceback" not in (lasting.directory / f"{name}.log").read_text()


@pytest.fixture(autouse=True)
def nobody_else_notices(town: Town) -> Iterator[None]:
    """Somebody honest asks all the time, and is answered."""
    failures: list[BaseException] = []
    answers = 0
    over = threading.Event()

    def ask() -> None:
        nonlocal answers
        with lepton_edge.Client(town.board, retries=0) as client:
            while not over.is_set():
                try:
                    client.infer("small", X, deadline=20.0)
                    answers += 1
                except errors.LeptonError as error:
                    failures.append(error)
                time.sleep(0.02)

    witness = threading.Thread(target=ask)
    witness.start()
    until(lambda: bool(answers or failures))  # it is in by its own key: a test may let this process have none
    yield
    over.set()
    witness.join(30)
    assert not failures, failures[:3]
    assert answers > 0


Ask = Callable[[Frame], Awaitable[str]]


@contextlib.asynccontextmanager
async def linked(address: str, key: Path, hello: LinkHello) -> AsyncIterator[Ask]:
    """A link with that key and hello; yields what sends a frame and returns the code of what comes back."""
    here = await link.dial(address, hello, _deaf, trust=trust_for(key))

    async def sent(frame: Frame) -> str:
        answer = await here.request(frame, timeout=10)
        return answer.error.code if answer.error else answer.kind.name

    try:
        yield sent
    finally:
        await here.close()


async def _deaf(_: link.Link, frame: Frame) -> None:
    return None


async def ended(address: str, key: Path, hello: LinkHello) -> errors.LeptonError | None:
    """Dial, and return why the other side ended the link, at once or after its hello."""
    try:
        here = await link.dial(address, hello, _deaf, trust=trust_for(key))
    except errors.LeptonError as error:
        return error
    await asyncio.wait_for(here.closed.wait(), 10)
    await here.close()
    return here.error


def request(model: str, number: int = 1, **fields: Any) -> Frame:
    given = (tensors.pack(TensorName("x"), X["x"]),) if fields.pop("tensors", True) else ()
    return Frame(FrameKind.REQUEST, f"{number:032x}", model=model, tensors=given, **fields)  # type: ignore[arg-type]


# --- who has an agent's certificate -----------------------------------------------------------------


def test_a_stolen_agents_key_administers_nothing(town: Town) -> None:
    before = len(town.refusals())
    with town.far(town.control, town.agents_key("board")) as client:
        refused(MAY_NOT, client.devices)
        refused(MAY_NOT, client.status)
        refused(MAY_NOT, lambda: client.deploy("small"))
        refused(MAY_NOT, lambda: client.push("mine", town.house.directory / "secret.onnx"))
        refused(MAY_NOT, lambda: client.explain("small"))
    assert {who for who, _ in town.refusals()[before:]} == {"board"}


@pytest.mark.parametrize("door", ["board", "cloud"])
def test_nor_does_it_infer(town: Town, door: str) -> None:
    with town.far(getattr(town, door), town.agents_key("cloud" if door == "board" else "board")) as client:
        error = refused(MAY_NOT, lambda: client.infer("secret", X))
    assert "client key create" in error.hint


async def test_nor_does_it_speak_for_another_device(town: Town) -> None:
    error = await ended(town.board, town.agents_key("board"), LinkHello("agent", "cloud"))
    assert "showed the certificate of agent 'board'" in f"{type(error) is MAY_NOT and error}"
    assert await _attached_as(town, "cloud") == "permission_denied"


async def test_nor_does_it_end_the_coordinators_term(town: Town) -> None:
    """It says that it obeyed a newer start on a copy of the state: nobody with the authority's key ever began it."""
    kept = json.loads((town.house.directory / "board" / "leader.json").read_text())
    made_up = m.Leader(kept["identity"], 1 << 62, kept["incarnation"])
    assert await _attached_as(town, "board", made_up) == "Rejected"  # it is attached already
    with lepton_edge.Client(town.control) as client:
        await asyncio.to_thread(client.deploy, "small")  # it commands


async def _attached_as(town: Town, device: str, leader: m.Leader | None = None) -> str:
    """Attach with the board's certificate under a name, as if it had obeyed `leader`; return what is said to it."""
    hardware = m.Hardware("x86_64", "Linux", 1, 1 << 30, 1 << 30, "p", (), "e")  # type: ignore[arg-type]
    hello = m.Hello(device, "cloud", "i", "t", 1, 1, hardware, ("127.0.0.1:9",), 1.0, leader=leader)  # type: ignore[arg-type]

    async def words() -> AsyncIterator[m.AgentSays]:
        yield hello
        await asyncio.sleep(10)

    channel = rpc.open_channel(town.control, trust=trust_for(town.agents_key("board")), host=COORDINATOR_HOST)
    try:
        async for word in rpc.ControlStub(channel, town.control).attach(words()):
            return type(word).__name__
    except errors.LeptonError as error:
        return error.code
    finally:
        await channel.close()
    return "nothing"


async def test_nor_has_it_computed_what_no_plan_gives_it(town: Town) -> None:
    """A device joins that has no part in any plan: it may link, and gets nothing computed."""
    path = town.house.directory / "mallory.token"
    path.write_text(town.house.token)
    given = ["--name", "mallory", "--role", "board", "--token-file", str(path), "--replace"]
    town.house.command(
        *("agent", "join", town.control, *given, "--state-directory", str(town.house.directory / "mallory"))
    )
    async with linked(town.cloud, town.agents_key("mallory"), LinkHello("agent", "mallory")) as sent:
        for epoch in (0, 1, 2, 3):
            codes = [await sent(request(model, epoch + 1, epoch=epoch)) for model in ("small", "secret")]
            assert set(codes) <= {"permission_denied", "stale_epoch"}, codes
            if not epoch:
                assert codes == ["permission_denied"] * 2


# --- who has a client's key -------------------------------------------------------------------------


def test_a_clients_key_opens_no_other_model(town: Town) -> None:
    with town.far(town.control, town.app) as client:
        assert client.infer("small", X)["y"].shape == (1, 10)
        refused(MAY_NOT, lambda: client.infer("secret", X))
        refused(MAY_NOT, lambda: client.infer("secret", X, page="local"))
        refused(MAY_NOT, lambda: list(client.stream("secret", [X, X])))
        refused(MAY_NOT, lambda: client.explain("secret"))
        refused(MAY_NOT, lambda: client.model("secret"))
        refused(MAY_NOT, client.models)
        assert client.model("small")["model"] == "small"


async def test_nor_an_agents_work_on_its_own_model(town: Town) -> None:
    async with linked(town.board, town.app, LinkHello("client", "app")) as sent:
        assert await sent(request("small", 1)) == "REPLY"
        frames = [
            request("secret", 2),
            request("secret", 3, tensors=False),
            request("small", 4, epoch=1),
            request("small", 5, epoch=1, tensors=False),
            request("small", 6, first_block=1),
        ]
        assert [await sent(one) for one in frames] == ["permission_denied"] * len(frames)
    assert type(await ended(town.board, town.app, LinkHello("agent", "cloud"))) is MAY_NOT


# --- who would have it spoken in the open -----------------------------------------------------------


def test_a_secure_device_says_nothing_to_an_insecure_coordinator(town: Town, tmp_path: Path) -> None:
    """Somebody takes over the coordinator's address and speaks in the open: nothing of the device is told."""
    heard: list[bytes] = []
    with _pretending(heard) as address, living(House(tmp_path, insecure=True)) as open_house:
        open_house.start_coordinator()
        for there in (address, open_house.coordinator):
            state = tmp_path / f"board{there.rpartition(':')[2]}"
            state.mkdir(mode=0o700)
            _copy_membership(town, state)
            open_house.coordinator, known = there, open_house.coordinator
            arguments = ["agent", "start", "--name", "board", "--threads", "1", "--port", "0"]
            open_house._start(state.name, [*arguments, "--coordinator", there, "--secure"])
            open_house.coordinator = known
            _told(open_house, state.name, "speaks without TLS, which is refused here")
        assert open_house.json("device", "list")["devices"] == []
    assert heard
    assert not any(b"board" in one for one in heard), "its name is in its hello, which nobody heard"


def _told(house: House, name: str, words: str) -> None:
    until(lambda: words in house.log(name))


def _copy_membership(town: Town, state: Path) -> None:
    security = state / "security"
    security.mkdir(mode=0o700)
    for file in (town.house.directory / "board" / "security").iterdir():
        if file.suffix in (".pem", ".json"):
            (security / file.name).write_bytes(file.read_bytes())
            (security / file.name).chmod(0o600)
    joined = town.house.directory / "board" / "joined.json"
    if joined.exists():
        (state / "joined.json").write_bytes(joined.read_bytes())


@contextlib.contextmanager
def _pretending(heard: list[bytes]) -> Iterator[str]:
    """Listen, answer with the beginning of HTTP/2 in the open, and keep what is said."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                one, _ = listening.accept()
                with one:
                    one.settimeout(2.0)
                    with contextlib.suppress(OSError):
                        heard.append(one.recv(4096))
                        one.sendall(b"\0\0\0\4\0\0\0\0\0")
                        heard.append(one.recv(4096))

    threading.Thread(target=serve, daemon=True).start()
    yield rpc.join_address(*listening.getsockname()[:2])
    listening.close()


def test_an_insecure_device_does_not_get_into_a_secure_fleet(town: Town, tmp_path: Path) -> None:
    with living(House(tmp_path, insecure=True)) as open_house:
        open_house.coordinator = town.control
        open_house.start_agent("eve", "board", registered=False)
        _told(open_house, "eve", "TLS")
    names = [one["device"] for one in town.house.json("device", "list")["devices"]]
    assert "eve" not in names


def test_a_client_that_differs_from_the_other_side_is_told_so(town: Town, tmp_path: Path) -> None:
    for door in (town.control, town.board):
        with lepton_edge.Client(door, insecure=True, retries=0) as client:
            error = _error(lambda: client.infer("small", X, deadline=5.0))  # noqa: B023 (called at once)
        assert "TLS" in f"{error} {error.hint}"
    with living(House(tmp_path, insecure=True)) as open_house:
        control = open_house.start_coordinator()
        with town.far(control, town.app) as client:
            error = _error(lambda: client.infer("small", X, deadline=5.0))
    assert isinstance(error, (errors.Unavailable, errors.Unauthenticated))


def _error(ask: Callable[[], Any]) -> errors.LeptonError:
    with pytest.raises(errors.LeptonError) as told:
        ask()
    return told.value


# --- who has no certificate -------------------------------------------------------------------------


def test_strangers_who_flood_dribble_and_hold_take_nothing_from_others(town: Town) -> None:
    """At both ports at once, while the witness infers and an administrator asks."""
    over = threading.Event()
    crowd = [
        threading.Thread(target=_come, args=(door, words, over))
        for door in (town.board, town.control)
        for words in ((b"\x16\x03\x01" + b"\xff" * 500,) * 2, (b"\x16", b"\x03") * 20, ())
        for _ in range(4)
    ]
    for one in crowd:
        one.start()
    try:
        with lepton_edge.Client(town.control) as client:
            for _ in range(8):
                assert client.status()["devices"]
                time.sleep(0.2)
    finally:
        over.set()
        for one in crowd:
            one.join(30)


def _come(door: str, words: tuple[bytes, ...], over: threading.Event) -> None:
    """Connect again and again without a certificate: say words one by one, and stay."""
    while not over.is_set():
        with contextlib.suppress(OSError), socket.create_connection(rpc.split_address(door), 5) as one:
            for word in words:
                one.sendall(word)
                over.wait(0.05)
            over.wait(0.2)

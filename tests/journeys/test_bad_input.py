"""Bad input, bad moments, bad neighbours: one clear typed error that says what to do, and nobody else pays."""

from __future__ import annotations

import asyncio
import io
import os
import secrets
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from PIL import Image

import lepton_edge
from lepton_edge import errors
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import LinkHello
from lepton_edge.core.messages import CoordinatorSays, Hardware, Hello, Rejected
from lepton_edge.link.link import Link, dial
from lepton_edge.wire import codec, rpc
from tests.journeys.conftest import House, living, refused, until
from tests.journeys.fleets import Fleets, fleet
from tests.journeys.models import small_model

pytestmark = pytest.mark.journey

MANIFEST = """format = 1
[[input]]
name = "x"
kind = "picture"
resize = { shorter = 32 }
crop = [32, 32]
"""
SHAPE = (1, 3, 32, 32)


class Served:
    """A board and a cloud that serve the small model, as arrays ("small") and as pictures ("pictures")."""

    def __init__(self, house: House, model: Path) -> None:
        self.house = house
        self.x = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
        self.expected = onnxruntime.InferenceSession(str(model)).run(None, {"x": self.x})[0]
        self.control = house.start_coordinator()
        self.board = house.start_agent("board", "board")
        self.cloud = house.start_agent("cloud", "cloud")
        manifest = house.directory / "pictures.toml"
        manifest.write_text(MANIFEST)
        with lepton_edge.Client(self.control) as client:
            client.push("small", model)
            client.push("pictures", model, manifest=manifest)
            client.deploy("small")
            client.deploy("pictures")

    def infer(self, client: lepton_edge.Client, **how: Any) -> Any:
        """Ask the small model and check its answer."""
        result = client.infer("small", {"x": self.x}, **how)
        np.testing.assert_allclose(result["y"], self.expected, rtol=1e-4, atol=1e-5)
        return result

    def is_well(self) -> None:
        """Check that everybody still serves, and that no process logged a traceback."""
        with lepton_edge.Client(self.control) as client:
            assert self.infer(client, page="cloud-raw").page == "cloud-raw"
            assert self.infer(client, page="local").page == "local"
        for name in self.house.processes:
            assert self.house.processes[name].poll() is None
            log = (self.house.directory / f"{name}.log").read_text()
            assert "Traceback" not in log, log
            assert "never retrieved" not in log, log

    def pid(self, name: str) -> int:
        return self.house.processes[name].pid


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, fleets: Fleets) -> Iterator[Served]:
    """One house for every test that promises to leave it as it was."""
    directory = tmp_path_factory.mktemp("house")
    model = directory / "small.onnx"
    onnx.save(small_model(), str(model))
    fleets.copy(fleet(insecure=True), directory)  # strangers can be this rude only where all may enter
    with living(House(directory, insecure=True)) as house:
        yield Served(house, model)


@pytest.fixture(autouse=True)
def nobody_else_pays(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "served" in request.fixturenames:
        request.getfixturevalue("served").is_well()


# --- what is given ----------------------------------------------------------------------------------


def one_node(operator: str, domain: str = "", **tensors: Any) -> onnx.ModelProto:
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4]) for name in "xy"]
    node = helper.make_node(operator, ["x"], ["y"], domain=domain)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("my.operators", 1)]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    return helper.make_model(graph, ir_version=8, opset_imports=opsets)


def test_models_that_are_none(served: Served, tmp_path: Path) -> None:
    whole = small_model().SerializeToString()
    contents = {
        "text": (b"this is no model", errors.InvalidModel),
        "empty": (b"", errors.InvalidModel),
        "half": (whole[: len(whole) // 2], errors.InvalidModel),
        "custom": (one_node("Foo", "my.operators").SerializeToString(), errors.UnsupportedOperator),
        "unknown": (one_node("Fooo").SerializeToString(), errors.UnsupportedOperator),
    }
    with lepton_edge.Client(served.control) as client:
        for name, (content, kind) in contents.items():
            path = tmp_path / f"{name}.onnx"
            path.write_bytes(content)
            refused(kind, lambda name=name, path=path: client.push(name, path))  # type: ignore[misc]
        assert {one["model"] for one in client.models()["models"]} == {"small", "pictures"}


def test_wrong_inputs_models_pages_and_deadlines(served: Served) -> None:
    x = served.x
    cases: list[tuple[type[errors.LeptonError], str, dict[str, Any], dict[str, Any]]] = [
        (errors.InvalidInput, "no input 'z'", {"z": x}, {}),
        (errors.InvalidInput, "float32", {"x": x.astype(np.float64)}, {}),
        (errors.InvalidInput, "float32", {"x": x.tolist()}, {}),
        (errors.InvalidInput, "2, 32, 32", {"x": x[:, :2]}, {}),
        (errors.InvalidInput, "0, 3, 32, 32", {"x": x[:0]}, {}),
        (errors.InvalidInput, "bytes in one message", {"x": np.zeros((1, 3, 2400, 2400), np.float32)}, {}),
        (errors.InvalidInput, "no text", {"x": x}, {"metadata": {"k": "\udc80"}}),
        (errors.InvalidInput, "no output 'n'", {"x": x}, {"outputs": ["n"]}),
        (errors.UnknownPage, "local", {"x": x}, {"page": "nowhere"}),
        (errors.DeadlineExceeded, "past", {"x": x}, {"deadline": 0}),
        (errors.DeadlineExceeded, "past", {"x": x}, {"deadline": -1}),
    ]
    for address in (served.board, served.cloud):
        with lepton_edge.Client(address) as client:
            for kind, words, inputs, how in cases:
                refused(kind, lambda inputs=inputs, how=how: client.infer("small", inputs, **how), words)  # type: ignore[misc]
            refused(errors.UnknownModel, lambda: client.infer("nonet", {"x": x}), "nonet")


@pytest.mark.parametrize("page", ["local", "cloud-raw"])
def test_inputs_of_nan_are_refused_and_infinities_go_through(served: Served, page: str) -> None:
    gap, far = np.full(SHAPE, np.nan, np.float32), np.full(SHAPE, np.inf, np.float32)
    with lepton_edge.Client(served.control) as client:
        refused(errors.InvalidInput, lambda: client.infer("small", {"x": gap}, page=page), "NaN")
        result = client.infer("small", {"x": far}, page=page)
    assert result.page == page
    assert not np.isfinite(result["y"]).all()


def jpeg(width: int, height: int) -> bytes:
    into = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(into, "JPEG")
    return into.getvalue()


def png_bomb(side: int) -> bytes:
    """Return a small file that unpacks to `side` x `side` pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)  # one bit a pixel
    body = zlib.compress(bytes(side * (1 + side // 8)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("page", ["local", "cloud-encoded"])
def test_pictures_broken_and_gigantic(served: Served, page: str) -> None:
    good = jpeg(64, 48)
    claims = bytearray(good)
    start = good.index(b"\xff\xc0") + 5
    claims[start : start + 4] = struct.pack(">HH", 65_500, 65_500)
    bad = {"half": good[: len(good) // 2], "head": good[:20], "text": b"no picture", "empty": b""}
    bad |= {"claims": bytes(claims), "bomb": png_bomb(20_000), "thin": jpeg(1, 3000)}
    with lepton_edge.Client(served.control) as client:
        for content in bad.values():
            refused(
                errors.InvalidInput,
                lambda content=content: client.infer("pictures", {"x": content}, page=page),  # type: ignore[misc]
            )
        assert client.infer("pictures", {"x": good}, page=page).page == page


# --- who calls --------------------------------------------------------------------------------------


async def said_to(address: str, *chunks: bytes) -> list[str]:
    """Send raw chunks to a data port; return how the stream went on, at most a second long."""
    heard: list[str] = []
    async with rpc.open_channel(address) as channel:
        call = channel.stream_stream(f"/{rpc.DATA}/Link")()
        try:
            for chunk in chunks:
                await call.write(chunk)
            while (answer := await asyncio.wait_for(call.read(), 1.0)) is not grpc.aio.EOF:
                heard.append(repr(answer))
            heard.append("end")
        except asyncio.TimeoutError:
            heard.append("open")
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            heard.append(str(error))
        call.cancel()
    return heard


async def test_hostile_bytes_on_the_data_port(served: Served) -> None:
    hello = codec.hello_chunk(LinkHello("client", "evil"))
    huge = codec.PREFIX.pack(codec.MAGIC, 1, 0, codec.FRAME, 1, 5, 10, 0, 1 << 60, 0) + bytes(10)
    asked = Frame(FrameKind.REQUEST, "r", model="small")  # type: ignore[arg-type]
    first = [chunk for chunk, _ in codec.chunks(asked, 0, codec.Writing())]
    streams = [
        (secrets.token_bytes(1000),), (b"",), (hello, b"x" * 500), (hello, huge), (hello, bytes(5 << 20)),
        (hello, hello), (*first,),
    ]  # fmt: skip
    for address in (served.board, served.cloud):
        for heard in await asyncio.gather(*(said_to(address, *stream) for stream in streams)):
            assert heard[-1] != "open", "a broken stream is ended"


async def ignore(link: Link, frame: Frame) -> None:
    """Serve nobody."""


@pytest.mark.parametrize("version", [(9, 0), (1, 7)])
async def test_peers_of_another_version_are_told_so_on_both_ports(
    served: Served, version: tuple[int, int]
) -> None:
    major, minor = version
    with pytest.raises(errors.IncompatibleVersion, match=f"{major}.{minor}") as told:
        await dial(served.board, LinkHello("agent", "new", "9.9", major, minor), ignore)
    assert "install" in told.value.hint
    hello = Hello("new", "board", "i", "9.9", major, minor, Hardware("", "", 1, 1, 1, "", (), ""), (), 1.0)  # type: ignore[arg-type]
    answer = await asyncio.wait_for(attached(served.control, hello), 10)
    assert isinstance(answer, Rejected)
    assert answer.error.code == "incompatible_version"
    assert answer.error.hint
    async with lepton_edge.AsyncClient(served.control) as client:
        assert {one["device"] for one in (await client.devices())["devices"]} == {"board", "cloud"}


async def attached(control: str, hello: Hello) -> CoordinatorSays:
    """Return what the coordinator first says to an agent that says `hello`."""

    async def words() -> Any:
        yield hello
        await asyncio.sleep(10)

    async with rpc.open_channel(control) as channel:
        async for answer in rpc.ControlStub(channel, control).attach(words()):
            return answer
    raise AssertionError("the coordinator said nothing")


async def test_a_flood_is_bounded_and_refused_with_overloaded(served: Served) -> None:
    async with lepton_edge.AsyncClient(served.control) as client:

        async def one() -> str:
            try:
                return str((await client.infer("small", {"x": served.x}, page="local")).page)
            except errors.LeptonError as error:
                return error.code if error.hint else "no hint"

        told = Counter(await asyncio.gather(*(one() for _ in range(2000))))
    assert set(told) == {"local", "overloaded"}, told
    assert told["local"] >= 64


LEAVER = """
import os, sys, threading, time, numpy, lepton_edge
client, x = lepton_edge.Client(sys.argv[1]), numpy.zeros((1, 3, 32, 32), numpy.float32)
client.infer("small", {"x": x})
for _ in range(20):
    threading.Thread(target=client.infer, args=("small", {"x": x}), kwargs={"page": "cloud-raw"}).start()
time.sleep(0.01)
os._exit(0)
"""


def test_a_client_that_is_gone_in_the_middle_leaves_nothing_behind(served: Served) -> None:
    subprocess.run([sys.executable, "-c", LEAVER, served.board], check=True, timeout=60, capture_output=True)
    with lepton_edge.Client(served.control) as client, ThreadPoolExecutor(16) as pool:
        pages = list(pool.map(lambda _: served.infer(client, page="cloud-raw").page, range(32)))
    assert set(pages) == {"cloud-raw"}


def test_deployments_at_once_and_a_removal_while_serving(served: Served, small: Path) -> None:
    stop, told = threading.Event(), Counter[str]()

    def ask() -> None:
        with lepton_edge.Client(served.control) as client:
            while not stop.is_set():
                try:
                    told[str(client.infer("other", {"x": served.x}).model)] += 1
                except (errors.UnknownModel, errors.Unavailable) as error:
                    told[error.code] += 1
                time.sleep(0.005)

    def deploy(_: int) -> int:
        with lepton_edge.Client(served.control) as client:
            return int(client.deploy("other")["epoch"])

    with lepton_edge.Client(served.control) as client, ThreadPoolExecutor(3) as pool:
        client.push("other", small)
        assert client.deploy("other")["epoch"] == 1
        asking = threading.Thread(target=ask)
        asking.start()
        try:
            assert sorted(pool.map(deploy, range(2))) == [2, 3]
            assert set(told) == {"other"}, "no request notices a new epoch"
            client.remove("other")
            until(lambda: told["unknown_model"] > 0)
        finally:
            stop.set()
            asking.join()
    assert set(told) <= {"other", "unknown_model", "unavailable"}


# --- who hangs --------------------------------------------------------------------------------------


def test_a_cloud_that_hangs_costs_a_second_and_no_answer(served: Served) -> None:
    with lepton_edge.Client(served.control) as client:
        served.infer(client, page="cloud-raw")
        os.kill(served.pid("cloud"), signal.SIGSTOP)
        try:
            result = served.infer(client, page="cloud-raw")
            assert result.page == "local"
            assert result.reason.startswith("fallback: cloud did not answer")
            assert served.infer(client, page="cloud-raw", deadline=3.0).page == "local"
            assert served.infer(client, page="local").page == "local"
        finally:
            os.kill(served.pid("cloud"), signal.SIGCONT)
        until(lambda: client.infer("small", {"x": served.x}, page="cloud-raw").page == "cloud-raw")

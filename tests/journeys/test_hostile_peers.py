"""Peers that break the protocol on purpose: each is told why and let go, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import pytest
import zstandard
from onnx import helper

import lepton_edge
from lepton_edge.core.errors import Unavailable
from lepton_edge.core.frames import Frame, FrameKind, WireError, WireTensor
from lepton_edge.core.links import LinkHello
from lepton_edge.wire import codec, header, streams, tensors
from partitioner.errors import LeptonError
from tests.journeys.conftest import House, living, until

pytestmark = pytest.mark.journey

SHAPE = (1, 1 << 18)  # one MiB of float32, there and back
HELLO = LinkHello("client", "mallory")
numbers = itertools.count(1)


def doubling() -> onnx.ModelProto:
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, SHAPE) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "double", ends[:1], ends[1:])
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


class Witness:
    """Somebody honest, who asks all the time in a thread of its own."""

    def __init__(self, address: str) -> None:
        self.failures: list[BaseException] = []
        self.longest = 0.0
        self.answers = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, args=(address,))
        self._thread.start()

    def _ask(self, address: str) -> None:
        x = np.ones(SHAPE, np.float32)
        with lepton_edge.Client(address) as client:
            while not self._over.is_set():
                begun = time.monotonic()
                try:
                    assert float(client.infer("double", {"x": x}, deadline=20.0)["y"][0, 0]) == 2.0
                    self.answers += 1
                except (LeptonError, AssertionError) as error:
                    self.failures.append(error)
                self.longest = max(self.longest, time.monotonic() - begun)

    def end(self) -> None:
        self._over.set()
        self._thread.join(30.0)
        assert not self.failures, self.failures[:3]
        assert self.answers
        assert self.longest < 5.0


class Served:
    """An agent that doubles a tensor, and a witness."""

    def __init__(self, house: House) -> None:
        self.house = house
        model = house.directory / "double.onnx"
        onnx.save(doubling(), str(model))
        control = house.start_coordinator()
        self.board = house.start_agent("board", "board")
        house.start_agent("cloud", "cloud")
        with lepton_edge.Client(control) as client:
            client.push("double", model)
            client.deploy("double", page="local")

    @property
    def memory(self) -> float:
        """Resident megabytes of the agent."""
        return psutil.Process(self.house.processes["board"].pid).memory_info().rss / 1e6


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with living(House(tmp_path_factory.mktemp("house"), insecure=True)) as house:  # as among those who got in
        yield Served(house)
        for name in house.processes:
            assert house.processes[name].poll() is None
            assert "Traceback" not in (house.directory / f"{name}.log").read_text()


@pytest.fixture(autouse=True)
def nobody_else_notices(served: Served) -> Iterator[None]:
    witness = Witness(served.board)
    until(lambda: bool(witness.answers or witness.failures))  # it is being answered when mallory begins
    yield
    witness.end()


# --- what mallory sends -----------------------------------------------------------------------------


def request(*given: WireTensor, **fields: Any) -> Frame:
    made = Frame(FrameKind.REQUEST, f"{next(numbers):032x}", model="double", tensors=given)  # type: ignore[arg-type]
    return dataclasses.replace(made, **fields)


def ones() -> WireTensor:
    return tensors.pack("x", np.ones(SHAPE, np.float32))  # type: ignore[arg-type]


def wire(name: str, payload: bytes, **fields: Any) -> WireTensor:
    return WireTensor("x", "float32", SHAPE, name, payload, **fields)  # type: ignore[arg-type]


def chunks(frame: Frame, how: codec.Writing | None = None, number: int | None = None) -> list[bytes]:
    return [chunk for chunk, _ in codec.chunks(frame, number or next(numbers), how or codec.Writing())]


def lone(
    head: bytes, payload: bytes = b"", *, total: int = 0, flags: int = 3, kind: int = 0, major: int = 1
) -> bytes:
    fields = (b"LEP1", major, 1, kind, flags, next(numbers) + 1_000_000, len(head), 0, total, 0)
    return codec.PREFIX.pack(*fields) + head + payload


def bomb() -> bytes:
    return zstandard.ZstdCompressor(19).compress(bytes(1 << 28))


SPLIT = codec.Writing(chunk=1 << 18)


def breaches() -> dict[str, list[bytes]]:
    """What no honest peer sends: the stream cannot be trusted any more."""
    (whole,), parts = chunks(request(ones()), codec.Writing(chunk=2 << 20)), chunks(request(ones()), SPLIT)
    head = header.write(request(ones()))
    bent = bytearray(whole)
    bent[len(bent) // 2] ^= 1
    return {
        "garbage": [b"GET / HTTP/1.1\r\n\r\n" * 9],
        "nothing": [b""],
        "truncated": [whole[:39]],
        "half a header": [whole[:60]],
        "half a payload": [whole[:-1]],
        "another protocol": [lone(head, major=9)],
        "an unknown kind of chunk": [lone(head, kind=77)],
        "oversized": [lone(head, total=1 << 62)],
        "a wrong checksum": [bytes(bent)],
        "reordered": [parts[0], parts[2], parts[1], parts[3]],
        "duplicated": [parts[0], parts[1], parts[1]],
        "begun twice": [parts[0], parts[0]],
        "without a beginning": [parts[1]],
        "an unknown codec": chunks(request(wire("gzip", bytes(9)))),
        "an unknown dtype": chunks(request(dataclasses.replace(ones(), dtype="float33"))),
        "negative dimensions": chunks(request(dataclasses.replace(ones(), shape=(-1, -(1 << 18))))),
        "dimensions that overflow": chunks(
            request(dataclasses.replace(wire("zstd", b"x"), shape=(1 << 40, 1 << 40)))
        ),
        "negative credits": chunks(Frame(FrameKind.CREDIT, "", credit_bytes=-1)),  # type: ignore[arg-type]
        "a negative deadline": chunks(request(ones(), remaining_ms=-5)),
        "a goodbye that is none": [lone(b"\xff\xff\xff", kind=2)],
        "an unknown kind of frame": [lone(b"\x08\x4d")],
    }


def faults() -> dict[str, tuple[list[bytes], str]]:
    """What a confused peer may send: that request ends with a typed error, and the link goes on."""
    return {
        "a bomb": (chunks(request(wire("zstd", bomb()))), "corrupt_frame"),
        "broken compression": (chunks(request(wire("zstd", b"rubbish"))), "corrupt_frame"),
        "broken sparseness": (chunks(request(wire("sparse", b"\xff" * 99))), "corrupt_frame"),
        "a wrong epoch": (chunks(request(ones(), epoch=77, page="local")), "stale_epoch"),
        "a wrong page": (chunks(request(ones(), page="nowhere")), "unknown_page"),
        "a wrong model": (chunks(request(ones(), model="nobody")), "unknown_model"),
        "no tensors": (chunks(request()), "invalid_input"),
    }


# --- and what comes back ----------------------------------------------------------------------------


async def told(address: str, sent: list[bytes], patience: float = 10.0) -> Frame | WireError | None:
    """Shake hands, send, and return the first answer: an error frame, a goodbye, or None where nothing came."""
    stream = streams.DialledStream(address)
    await stream.write(codec.hello_chunk(dataclasses.replace(HELLO, checksums=codec.CHECKSUMS)))
    await stream.read()
    answer = asyncio.create_task(heard(stream))
    try:
        with contextlib.suppress(Unavailable):  # it may be let go before it is through
            for chunk in sent:
                if answer.done():
                    break
                await stream.write(checked(chunk))
                await asyncio.sleep(0)
        return await asyncio.wait_for(answer, patience)
    finally:
        await stream.close()


async def heard(stream: streams.DialledStream) -> Frame | WireError | None:
    decoder = codec.Decoder(header.FrameLimits())
    while (chunk := await stream.read()) is not None:
        found = decoder.feed(chunk)
        if isinstance(found, WireError) or (isinstance(found, Frame) and found.error):
            return found
    return None


def checked(chunk: bytes) -> bytes:
    """Return a chunk with the checksum that was agreed, where it is long enough to have one and not bent already."""
    if (
        not codec.CHECKSUMS
        or len(chunk) < codec.PREFIX.size
        or chunk in _BENT
        or chunk[:4] != b"LEP1"
        or chunk[6]
    ):
        return chunk
    marked = bytearray(chunk)
    marked[7] |= 4
    digest = codec.xxhash.xxh3_64_intdigest(bytes(marked[:32]) + chunk[40:])
    return bytes(marked[:32]) + struct.pack("<Q", digest) + chunk[40:]


BREACHES = breaches()
_BENT = frozenset(BREACHES["a wrong checksum"])


@pytest.mark.parametrize("which", list(BREACHES))
async def test_a_breach_ends_the_link_with_its_reason(served: Served, which: str) -> None:
    goodbye = await told(served.board, BREACHES[which])
    assert isinstance(goodbye, WireError), goodbye
    assert goodbye.code in ("corrupt_frame", "incompatible_version")
    assert goodbye.message


@pytest.mark.parametrize("which", list(faults()))
async def test_a_fault_ends_one_request_and_the_link_goes_on(served: Served, which: str) -> None:
    sent, code = faults()[which]
    answer = await told(served.board, sent)
    assert isinstance(answer, Frame), answer
    assert answer.error is not None
    assert answer.error.code == code


async def test_who_floods_gets_typed_errors_and_costs_a_bounded_part_of_memory(served: Served) -> None:
    before = served.memory
    flood = [chunk for _ in range(400) for chunk in chunks(request(ones()))]
    answer = await told(served.board, flood, patience=30.0)
    error = answer.error if isinstance(answer, Frame) else answer
    assert error is None or error.code in ("overloaded", "corrupt_frame")
    assert served.memory - before < 700, (
        "two windows of 64 MiB, and four times 128 MiB of answers (link/machine.py)"
    )


async def test_half_sent_frames_take_no_more_than_was_granted(served: Served) -> None:
    before = served.memory
    began = [chunks(request(ones()), SPLIT)[0] for _ in range(300)]
    goodbye = await told(served.board, began)
    assert isinstance(goodbye, WireError), goodbye
    assert served.memory - before < 200


async def test_who_asks_and_never_reads_costs_a_bounded_part_of_memory(served: Served) -> None:
    """Its answers wait at the agent: past a bound it is let go."""
    before, peak = served.memory, 0.0
    stream = streams.DialledStream(served.board)
    await stream.write(codec.hello_chunk(HELLO))
    with contextlib.suppress(Unavailable, asyncio.TimeoutError):
        for _ in range(400):
            for chunk in chunks(request(ones())):
                await asyncio.wait_for(stream.write(chunk), 5.0)
            await asyncio.sleep(0.02)
            peak = max(peak, served.memory)
    await stream.close()
    assert peak - before < 300


async def test_who_dribbles_holds_up_nobody(served: Served) -> None:
    """The witness looks; here a frame comes a few bytes at a time, and then the peer is gone."""
    stream = streams.DialledStream(served.board)
    await stream.write(codec.hello_chunk(HELLO))
    await stream.read()
    pieces, before = chunks(request(ones()), codec.Writing(chunk=16)), served.memory
    for chunk in pieces[:30]:
        await stream.write(chunk)
        await asyncio.sleep(0.05)
    assert served.memory - before < 100, "what was announced, and the witness's"
    async with lepton_edge.AsyncClient(served.board) as client:
        begun = time.monotonic()
        await client.infer("double", {"x": np.ones(SHAPE, np.float32)}, deadline=10.0)
        assert time.monotonic() - begun < 2.0
    await stream.close()


def test_many_who_come_and_say_nothing(served: Served, tmp_path: Path) -> None:
    """Connections without a hello are closed after a while, and there is room for others."""

    async def come() -> None:
        silent = [streams.DialledStream(served.board) for _ in range(64)]
        async with lepton_edge.AsyncClient(served.board) as client:
            await asyncio.sleep(1.0)
            result = await client.infer("double", {"x": np.ones(SHAPE, np.float32)}, deadline=10.0)
            assert float(result["y"][0, 0]) == 2.0
        ends = await asyncio.wait_for(asyncio.gather(*(end_of(stream) for stream in silent)), 15.0)
        assert all(ends), "nobody may stay without a word"
        for stream in silent:
            await stream.close()

    async def end_of(stream: streams.DialledStream) -> bool:
        """Read until the agent ends the stream; say so."""
        with contextlib.suppress(LeptonError):
            while await stream.read() is not None:
                pass
        return True

    asyncio.run(come())

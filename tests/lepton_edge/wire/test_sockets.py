"""A stream over a socket cuts bytes into chunks wherever they break, and refuses what cannot be one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_edge.core.errors import CorruptFrame, Unavailable
from lepton_edge.wire.sockets import ALIGNMENT, HEAD, LONGEST, READY_BYTES, SCRATCH, Receiver, SocketStream

sizes = st.one_of(st.integers(1, 300), st.sampled_from([SCRATCH - 8, SCRATCH - 7, SCRATCH, 3 * SCRATCH]))


def wire(chunks: list[bytes], lead: int = 1) -> bytes:
    return b"".join(HEAD.pack(len(chunk), lead) + chunk for chunk in chunks)


def cut(receiver: Receiver, sent: bytes, steps: Iterator[int]) -> list[bytes]:
    """Let `sent` come in pieces of the sizes in `steps`, or of what there is room for."""
    found: list[bytes] = []
    while sent:
        space = receiver.space()
        assert len(space) > 0
        count = min(len(space), len(sent), next(steps))
        space[:count], sent = sent[:count], sent[count:]
        found += [bytes(chunk) for chunk in receiver.took(count)]
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(sizes, max_size=6), st.lists(st.integers(1, 2 * SCRATCH), min_size=1, max_size=5))
def test_chunks_come_out_as_they_went_in_wherever_the_bytes_break(
    lengths: list[int], steps: list[int]
) -> None:
    chunks = [bytes([index + 1]) * length for index, length in enumerate(lengths)]
    receiver = Receiver()
    forever = (steps[index % len(steps)] for index in range(10**9))
    assert cut(receiver, wire(chunks), forever) == chunks
    assert not receiver.amid


def test_what_comes_in_parts_is_laid_so_that_its_payload_is_aligned() -> None:
    receiver = Receiver()
    sent = HEAD.pack(100_000, 123) + bytes(100_000)
    chunks = []
    while sent:
        space = receiver.space()
        count = min(len(space), len(sent))
        space[:count], sent = sent[:count], sent[count:]
        chunks += receiver.took(count)
    assert (np.frombuffer(chunks[0], np.uint8).ctypes.data + 123) % ALIGNMENT == 0


@pytest.mark.parametrize("head", [HEAD.pack(0, 0), HEAD.pack(LONGEST + 1, 0), HEAD.pack(5, 6), b"HTTP/1.1"])
def test_what_cannot_be_a_chunk_is_refused_before_memory_is_taken(head: bytes) -> None:
    receiver = Receiver()
    receiver.space()[: len(head)] = head
    with pytest.raises(CorruptFrame):
        receiver.took(len(head))


def pair() -> tuple[SocketStream, socket.socket]:
    here, there = socket.socketpair()
    there.settimeout(2)
    return SocketStream(here, "there", secure=True), there


async def test_a_peer_that_breaks_off_in_the_middle_is_unavailable_one_that_ends_is_none() -> None:
    stream, there = pair()
    there.sendall(wire([b"whole"]) + HEAD.pack(10, 0) + b"half")
    there.close()
    assert await stream.read() == b"whole"
    with pytest.raises(Unavailable, match="broke off"):
        await stream.read()
    stream, there = pair()
    there.sendall(wire([b"whole"]))
    there.close()
    assert await stream.read() == b"whole"
    assert await stream.read() is None


async def test_nonsense_is_a_typed_error_and_its_reason_can_still_be_said() -> None:
    stream, there = pair()
    there.sendall(b"GET / HTTP/1.1\r\n\r\n")
    for _ in range(2):
        with pytest.raises(CorruptFrame):
            await stream.read()
    await stream.write(b"why")
    assert drained(there, HEAD.size + 3) == wire([b"why"], 3)
    await stream.close()
    assert there.recv(1) == b""
    there.close()


async def test_what_nobody_reads_is_bounded_and_nothing_is_lost() -> None:
    stream, there = pair()
    chunk = wire([bytes(512 << 10)])
    there.setblocking(False)
    loop = asyncio.get_running_loop()
    sending = [asyncio.create_task(loop.sock_sendall(there, chunk)) for _ in range(1)]
    sent = 0
    for _ in range(40):
        done, _pending = await asyncio.wait(sending, timeout=0.05)
        if not done:
            break
        sent += 1
        sending = [asyncio.create_task(loop.sock_sendall(there, chunk))]
    assert READY_BYTES // (512 << 10) <= sent <= READY_BYTES // (512 << 10) + 4
    for _ in range(sent + 1):
        assert len(await stream.read() or b"") == 512 << 10
    await sending[0]
    await stream.close()
    there.close()


async def test_write_now_takes_one_chunk_more_than_the_system_and_no_second() -> None:
    stream, there = pair()
    chunk = bytes(3 << 20)
    assert stream.write_now(chunk)
    assert not stream.write_now(b"next")
    writing = asyncio.create_task(stream.write(b"next"))
    received = await asyncio.get_running_loop().run_in_executor(None, drained, there, len(chunk) + 4 + 16)
    await writing
    assert received == wire([chunk], len(chunk)) + wire([b"next"], 4)
    await stream.close()
    there.close()


def drained(there: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        received += there.recv(1 << 20)
    return bytes(received)


async def test_a_writer_whose_peer_goes_away_is_told() -> None:
    stream, there = pair()
    writing = asyncio.create_task(stream.write(bytes(3 << 20)))
    await asyncio.sleep(0.05)
    there.close()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(writing, 2)
    with pytest.raises(Unavailable):
        stream.write_now(b"more")


async def test_chunks_may_be_pushed_and_so_is_the_end() -> None:
    stream, there = pair()
    there.sendall(wire([b"before"]))
    await asyncio.sleep(0.05)
    came: list[object] = []
    ended: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    assert stream.push(came.append, ended.set_result)
    there.sendall(wire([b"one", b"two"]))
    there.close()
    assert await asyncio.wait_for(ended, 2) is None
    assert came == [b"before", b"one", b"two"]


async def test_a_chunk_that_is_refused_is_the_last_one_and_its_reason_can_still_be_said() -> None:
    stream, there = pair()
    came: list[object] = []

    def take(chunk: object) -> None:
        came.append(chunk)
        raise CorruptFrame("not that")

    ended: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    stream.push(take, ended.set_result)
    there.sendall(wire([b"one", b"two"]))
    assert isinstance(await asyncio.wait_for(ended, 2), CorruptFrame)
    there.sendall(wire([b"three"]))
    await asyncio.sleep(0.05)
    assert came == [b"one"]
    assert stream.write_now(b"why")
    assert drained(there, HEAD.size + 3) == wire([b"why"], 3)
    await stream.close()
    there.close()


async def test_whoever_pushes_may_close_at_any_chunk() -> None:
    stream, there = pair()
    came: list[object] = []

    def take(chunk: object) -> None:
        came.append(chunk)
        stream.end()

    ended: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    stream.push(take, ended.set_result)
    there.sendall(wire([b"one"]))
    assert isinstance(await asyncio.wait_for(ended, 2), Unavailable)
    assert came == [b"one"]
    there.close()

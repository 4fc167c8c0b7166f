"""Pulling bytes: in order, without gaps, with bounded patience."""

from __future__ import annotations

import pytest

from device_agents.store.download import RetryPolicy, pull, require_sha256
from lepton_edge.core.errors import CorruptFrame, Unavailable
from lepton_edge.core.messages import FetchChunk, FetchRequest

QUICK = RetryPolicy(attempts=3, first=0.0, longest=0.0)
NAME = "a" * 64


def answering(*chunks):
    async def fetch(request):
        for chunk in chunks:
            yield chunk

    return fetch


@pytest.mark.parametrize(
    "chunks",
    [[FetchChunk(5, 10, b"x")], [FetchChunk(0, 2, b"xyz")],
     [FetchChunk(0, 10, b"xy"), FetchChunk(2, 11, b"z")], [FetchChunk(0, 9, b"xy")]],
    ids=["gap", "more than all", "size changes", "other size than known"],
)  # fmt: skip
async def test_what_does_not_fit_is_refused(chunks):
    with pytest.raises(CorruptFrame):
        await pull(answering(*chunks), FetchRequest(NAME), lambda *_: None, QUICK, expected=10)


async def test_an_end_before_the_end_is_tried_again_and_given_up():
    with pytest.raises(Unavailable, match="ended early"):
        await pull(answering(), FetchRequest(NAME), lambda *_: None, QUICK)


async def test_an_empty_artifact_is_whole_at_once():
    assert await pull(answering(FetchChunk(0, 0, b"")), FetchRequest(NAME), lambda *_: None, QUICK) == 0


def test_pauses_double_up_to_a_limit():
    assert [RetryPolicy(first=0.5, longest=3.0).pause(n) for n in (1, 2, 3, 4, 9)] == [0.5, 1, 2, 3, 3]


@pytest.mark.parametrize("name", ["", "A" * 64, "a" * 63, "../" + "a" * 61, "a" * 64 + "\n"])
def test_only_a_sha256_is_a_sha256(name):
    with pytest.raises(CorruptFrame):
        require_sha256(name)


def packed(offset: int, total: int, data: bytes) -> FetchChunk:
    return FetchChunk(offset, total, data, packed=True)


async def pulled(*chunks: FetchChunk, may_be_packed: bool = True) -> tuple[list[bytes], list[bytes]]:
    """Return what came as it is, and what came packed, of a tensor of ten bytes."""
    plain, other = [], []
    sink = (lambda _, data: other.append(data)) if may_be_packed else None
    request = FetchRequest(NAME, packed=may_be_packed)
    await pull(
        answering(*chunks), request, lambda _, data: plain.append(data), QUICK, expected=10, packed=sink
    )
    return plain, other


async def test_a_tensor_may_come_packed_and_in_fewer_bytes():
    assert await pulled(packed(0, 4, b"ab"), packed(2, 4, b"cd")) == ([], [b"ab", b"cd"])
    assert await pulled(FetchChunk(0, 10, b"0123456789")) == ([b"0123456789"], [])


@pytest.mark.parametrize(
    "chunks",
    [[packed(0, 11, b"x" * 11)], [packed(0, 0, b"")], [packed(0, 1 << 40, b"x")],
     [packed(0, 4, b"ab"), packed(2, 5, b"cde")], [packed(0, 4, b"ab"), FetchChunk(2, 4, b"cd")],
     [FetchChunk(0, 10, b"ab"), packed(2, 10, b"x" * 8)]],
    ids=["larger", "empty", "endless", "size changes", "form changes", "form changes back"],
)  # fmt: skip
async def test_a_packed_form_that_does_not_fit_is_refused(chunks):
    with pytest.raises(CorruptFrame):
        await pulled(*chunks)


async def test_a_packed_form_that_nobody_asked_for_is_refused():
    with pytest.raises(CorruptFrame):
        await pulled(packed(0, 4, b"abcd"), may_be_packed=False)


async def test_a_packed_form_is_asked_for_again_from_where_it_broke_off():
    asked = []

    async def fetch(request):
        asked.append((request.offset, request.packed))
        whole = b"abcd"
        yield packed(request.offset, 4, whole[request.offset : request.offset + 2])

    got = []
    sink = lambda _, data: got.append(data)
    await pull(fetch, FetchRequest(NAME, packed=True), sink, QUICK, expected=10, packed=sink)
    assert asked == [(0, True), (2, True)]
    assert b"".join(got) == b"abcd"


async def test_what_came_as_it_is_goes_on_so_though_a_packed_form_may_be_there_by_now():
    asked = []

    async def fetch(request):
        asked.append((request.offset, request.packed))
        yield FetchChunk(request.offset, 4, b"abcd"[request.offset : request.offset + 2])

    got = []
    sink = lambda _, data: got.append(data)
    await pull(fetch, FetchRequest(NAME, packed=True), sink, QUICK, expected=4, packed=sink)
    assert asked == [(0, True), (2, False)]
    assert b"".join(got) == b"abcd"

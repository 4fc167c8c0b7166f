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

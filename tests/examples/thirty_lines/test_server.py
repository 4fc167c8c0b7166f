"""The cloud answers pictures, keeps its connections, and refuses the rest with a status."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest

from examples.thirty_lines.server import MAX_BODY


@pytest.fixture
def connection(cloud: str) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(cloud, timeout=10)
    yield connection
    connection.close()


def test_many_pictures_travel_on_one_connection(
    connection: http.client.HTTPConnection, coffee: bytes
) -> None:
    sockets = set()
    for _ in range(3):
        connection.request("POST", "/classify", coffee)
        reply = connection.getresponse()
        assert json.loads(reply.read())["index"] == 967
        sockets.add(id(connection.sock))

    assert len(sockets) == 1


def test_what_is_no_picture_gets_a_400_and_the_next_one_an_answer(
    connection: http.client.HTTPConnection, coffee: bytes
) -> None:
    connection.request("POST", "/classify", b"no picture")
    refused = connection.getresponse()
    assert (refused.status, "send a JPEG" in refused.read().decode()) == (400, True)

    connection.request("POST", "/classify", coffee)

    assert connection.getresponse().status == 200


@pytest.mark.parametrize("length", [str(MAX_BODY + 1), "-1", "many", "9" * 5000])
def test_a_body_without_a_sane_length_is_not_read(
    connection: http.client.HTTPConnection, length: str
) -> None:
    connection.putrequest("POST", "/classify")
    connection.putheader("Content-Length", length)
    connection.endheaders()

    assert connection.getresponse().status == 413

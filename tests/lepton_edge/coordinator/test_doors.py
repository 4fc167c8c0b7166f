"""The coordinator dials what devices have registered, and says what came of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from lepton_edge.coordinator import doors
from lepton_edge.core.messages import PROTOCOL_MAJOR, PROTOCOL_MINOR, Description
from lepton_edge.wire import rpc


def device(name: str, *addresses: str, connected: bool = True) -> Any:
    return SimpleNamespace(
        name=name, stream="s" if connected else None, hello=SimpleNamespace(data_addresses=addresses)
    )


async def test_who_answers_who_does_not_and_who_is_somebody_else() -> None:
    async def describe() -> Description:
        return Description("agent", "pi", "0.1", PROTOCOL_MAJOR, PROTOCOL_MINOR)

    server, address = await rpc.open_server("127.0.0.1:0", rpc.describe_handlers(describe))
    try:
        told = await doors.document([device("pi", address, "127.0.0.1:1"), device("other", address)])
    finally:
        await server.stop(None)
    assert told["schema"] == "lepton-edge/doors/1"
    (answers, refused), (mistaken,) = (one["doors"] for one in told["devices"])
    assert answers["why"] == ""
    assert "refused" in refused["why"]
    assert mistaken["why"] == "agent pi answers there"


def test_one_device_or_all_that_are_attached() -> None:
    known = {name: device(name) for name in ("b", "a")}
    state = cast(Any, SimpleNamespace(devices=known, connected=lambda: list(known.values())))
    assert [one.name for one in doors.chosen(state, cast(Any, ""))] == ["a", "b"]
    assert [one.name for one in doors.chosen(state, cast(Any, "b"))] == ["b"]
    assert doors.chosen(state, cast(Any, "c")) == []

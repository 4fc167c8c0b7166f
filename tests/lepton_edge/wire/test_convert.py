"""Every noun comes back from the wire as it went, and what cannot be is refused at the door."""

from __future__ import annotations

import dataclasses
import types
import typing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_edge.core import calls, frames, joining, keys, links, messages, peers, seals
from lepton_edge.core.errors import CorruptFrame
from lepton_edge.wire import convert
from lepton_edge.wire.v1 import admin_pb2, control_pb2, frame_pb2, keys_pb2, plan_pb2
from partitioner import costs, plan
from partitioner.codecs import ALL_DTYPES
from partitioner.units import BlockIndex, Bytes, BytesPerSecond, Epoch, Sha256

UNIONS = [
    (convert.AGENT_SAYS, messages.AgentSays),
    (convert.COORDINATOR_SAYS, messages.CoordinatorSays),
    (convert.ADMIN_CALL, messages.AdminCall),
    (convert.ADMIN_EVENT, messages.AdminEvent),
]
FRAMES_OWN = (frames.Frame, frames.WireTensor)  # they travel by header.py
NOUNS = [
    kind
    for room in (plan, costs, frames, links, messages, peers, calls, joining, keys, seals)
    for kind in vars(room).values()
    if dataclasses.is_dataclass(kind) and kind.__module__ == room.__name__
    if kind not in (*FRAMES_OWN, links.Limits, links.LinkEstimate, links.ProbeSample)
]
integers = st.integers(-(2**63), 2**63 - 1)
sizes = st.integers(0, 2**63 - 1)


def values(hint: typing.Any) -> st.SearchStrategy[typing.Any]:
    special = {Bytes: sizes, BlockIndex: sizes, Epoch: sizes, Sha256: st.sampled_from(["", "0f" * 32])}
    if hint in special:
        return special[hint]
    if hint is BytesPerSecond:
        return st.floats(1, 1e12)
    if hint in SCALARS:
        return SCALARS[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin in (typing.Union, types.UnionType):
        if set(arguments) == {int, str}:
            return sizes | st.text(max_size=5)
        return st.none() | values(arguments[0])
    if dataclasses.is_dataclass(hint):
        return nouns(typing.cast(type, hint))
    return values(hint.__supertype__)


SCALARS: dict[typing.Any, st.SearchStrategy[typing.Any]] = {
    int: integers, str: st.text(max_size=8), bool: st.booleans(), bytes: st.binary(max_size=8),
    float: st.floats(allow_nan=False, allow_infinity=False),
}  # fmt: skip


def nouns(kind: type) -> st.SearchStrategy[typing.Any]:
    hints = typing.get_type_hints(kind)
    fields = {field.name: values(hints[field.name]) for field in dataclasses.fields(kind)}
    if kind is plan.TensorSpec:
        fields["dtype"] = st.sampled_from(sorted(ALL_DTYPES))
    if kind is costs.LinkProfile:
        fields.update(delay_up=st.floats(0, 9), delay_down=st.floats(0, 9))
    return st.builds(kind, **fields)


@pytest.mark.parametrize("kind", NOUNS, ids=lambda kind: kind.__name__)
def test_every_noun_comes_back_as_it_went(kind: type) -> None:
    @settings(max_examples=10, deadline=None, database=None)
    @given(nouns(kind))
    def round_trip(noun: object) -> None:
        assert convert.decode(kind, convert.encode(noun)) == noun

    round_trip()


@pytest.mark.parametrize(("union", "members"), UNIONS)
def test_every_member_of_a_union_comes_back_as_it_went(union: convert.Union, members: typing.Any) -> None:
    assert set(union.kinds.values()) == set(typing.get_args(members))

    @settings(max_examples=30, deadline=None, database=None)
    @given(st.one_of([nouns(kind) for kind in typing.get_args(members)]))
    def round_trip(noun: object) -> None:
        assert union.decode(union.encode(noun)) == noun

    round_trip()


@pytest.mark.parametrize("kind", [*NOUNS, *FRAMES_OWN], ids=lambda kind: kind.__name__)
def test_messages_mirror_nouns_and_mark_defaults_that_are_not_zero(kind: type) -> None:
    stub = next(
        stub
        for stub in (plan_pb2, frame_pb2, keys_pb2, admin_pb2, control_pb2)
        if hasattr(stub, kind.__name__)
    )
    described = getattr(stub, kind.__name__).DESCRIPTOR
    names = [field.name.replace("payload_size", "payload") for field in described.fields]
    assert names == [field.name for field in dataclasses.fields(kind)]
    for field, mirror in zip(dataclasses.fields(kind), described.fields, strict=True):
        if mirror.type == mirror.TYPE_MESSAGE or mirror.is_repeated or field.name.startswith("protocol_"):
            continue  # an absent version is no version, whatever ours is
        default = field.default is not dataclasses.MISSING and (field.default is None or bool(field.default))
        assert mirror.has_presence == default


def test_a_field_that_an_older_peer_does_not_know_gets_the_default_of_the_noun() -> None:
    hop = convert.from_message(frames.Hop, frame_pb2.Hop(device="board"))
    assert hop.simulated_slowdown == 1.0


def test_an_older_client_deploys_without_wishes() -> None:
    asked = convert.from_message(messages.Deploy, admin_pb2.Deploy(name="net"))
    assert asked.wishes == calls.Wishes()
    assert asked.wishes.max_loss == calls.NO_LIMIT


def test_a_field_that_only_a_newer_peer_knows_is_passed_over() -> None:
    unknown = b"\xfa\x3e\x03new"  # field 1007, three bytes
    peer = messages.Peer(messages.DeviceId("board"), ("127.0.0.1:8011",))
    assert convert.decode(messages.Peer, convert.encode(peer) + unknown) == peer


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (plan.TensorSpec, plan_pb2.TensorSpec(name="x", dtype="float33")),
        (plan.TensorSpec, plan_pb2.TensorSpec(name="x", dtype="int8", shape=[plan_pb2.Dim(known=-1)])),
        (plan.TensorSpec, plan_pb2.TensorSpec(name="x", dtype="int8", size=-1)),
        (plan.WeightRef, plan_pb2.WeightRef(name="w", sha256="../../etc/passwd")),
        (plan.WeightRef, plan_pb2.WeightRef(name="w", sha256="0F" * 32)),
        (plan.Stage, plan_pb2.Stage(device="board", first=-1)),
        (plan.InputSpec, plan_pb2.InputSpec(picture="x@picture")),
        (plan.Prediction, plan_pb2.Prediction(latency=float("nan"))),
        (costs.LinkProfile, plan_pb2.LinkProfile(up=0, down=1)),
        (messages.Telemetry, control_pb2.Telemetry(load=float("inf"))),
        (messages.FetchRequest, control_pb2.FetchRequest(sha256="", offset=-5)),
    ],
)
def test_what_cannot_be_is_refused(kind: type, message: typing.Any) -> None:
    with pytest.raises(CorruptFrame):
        convert.decode(kind, message.SerializeToString())


@pytest.mark.parametrize(("union", "members"), UNIONS)
def test_bytes_that_are_no_message_are_refused(union: convert.Union, members: typing.Any) -> None:
    for encoded in (b"", b"\xff\xff\xff", b"\x0a\x7f"):
        with pytest.raises(CorruptFrame):
            union.decode(encoded)


def test_nothing_that_cannot_be_is_sent() -> None:
    with pytest.raises(CorruptFrame, match="load"):
        convert.AGENT_SAYS.encode(messages.Telemetry(float("nan"), Bytes(1), Bytes(1), 20.0, 0, 0, 0, -1.0))  # type: ignore[arg-type]

"""Trained codecs as they are pushed: taken, kept, told apart by version; and what is none is refused by its name."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import onnx
import onnx.reference
import pytest
from onnx import TensorProto, helper

from partitioner.codecs import codec_named
from partitioner.errors import InvalidModel
from partitioner.onnx_io import compile_model, load_compiled
from partitioner.onnx_io.coders import OpenCoders, add_coders, coder_file
from tests.partitioner.onnx_io import coded_net


@pytest.fixture
def place(tmp_path):
    """A compiled net, its folder, and the bytes of the file that it was compiled from."""
    source = tmp_path / "net.onnx"
    onnx.save(coded_net.net(), source)
    compiled = compile_model(source, "net", tmp_path / "made", manifest=None, shapes={}, labels={})
    return compiled, tmp_path / "made", source.read_bytes()


def added(place, **changed):
    compiled, folder, parent = place
    files = {name: content for name, content in {**coded_net.files(parent), **changed}.items() if content}
    return add_coders(compiled, folder, {"0-two": files}, hashlib.sha256(parent).hexdigest())


def described(place, **changed):
    said = json.loads(coded_net.files(place[2])["bottleneck.json"])
    return {"bottleneck.json": json.dumps({**said, **changed}).encode()}


def test_a_coder_is_kept_with_the_model_and_makes_it_another_version(place):
    made = added(place)
    (one,) = made.coders
    assert one.codec.startswith("bottleneck:two-")
    assert (one.tensor.name, one.code.dtype, one.code.shape) == ("r1", "uint8", (1, 2, 16, 16))
    assert one.code.size == coded_net.CODE_BYTES
    assert coder_file(place[1], one.encoder).read_bytes() == coded_net.files(place[2])["encoder.onnx"]
    assert made.version != place[0].version
    assert added(place).version == made.version
    assert add_coders(place[0], place[1], {}, "") == place[0]


def test_who_speaks_an_older_protocol_hears_of_no_coder(place):
    made = added(place)
    assert made.as_known_by(0).coders == ()
    assert made.as_known_by(1).coders == made.coders


def test_what_arrives_is_near_what_was_sent(place):
    made = added(place)
    session = onnx.reference.ReferenceEvaluator(_shown(coded_net.net(), "r1"))
    (sent,) = session.run(["r1"], {"x": coded_net.samples(1)[0]})
    arrived, size = OpenCoders(place[1], made.coders).journey(made.coders[0].codec, sent)
    assert 0 < size <= coded_net.CODE_BYTES + 16
    assert np.abs(arrived - sent).max() <= coded_net.SCALE * 2.5
    broken = np.full_like(sent, np.nan)
    assert OpenCoders(place[1], made.coders).journey(made.coders[0].codec, broken)[1] == sent.nbytes


def _shown(model, name):
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return model


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (lambda place: {"encoder.onnx": None}, "lacks encoder.onnx"),
        (lambda place: {"encoder.onnx": b"nonsense"}, "no ONNX model"),
        (lambda place: {"bottleneck.json": b"{}"}, "no description"),
        (lambda place: described(place, parent="0" * 64), "another model"),
        (lambda place: described(place, tensor="c1"), "crosses at no cut"),
        (lambda place: described(place, name="../up"), "no plain name"),
        (lambda place: described(place, format=2), "another format"),
        (lambda place: {"encoder.onnx": coded_net.decoder().SerializeToString()}, "does not run"),
        (lambda place: {"decoder.onnx": _shape_lost()}, "the decoder the tensor again"),
    ],
)
def test_what_is_no_coder_of_this_model_is_refused(place, changed, words):
    with pytest.raises(InvalidModel) as told:
        added(place, **changed(place))
    assert words in f"{told.value.message} {told.value.hint}"


def _shape_lost():
    nodes = [helper.make_node("Cast", ["code"], ["again"], to=TensorProto.FLOAT)]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [info("code", TensorProto.UINT8, ["n", 2, 16, 16])],
        [info("again", TensorProto.FLOAT, ["n", 2, 16, 16])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return model.SerializeToString()


def test_a_model_without_coders_reads_as_before(place):
    assert load_compiled(place[1]).coders == ()
    assert codec_named("bottleneck:") is None
    assert codec_named("bottleneck:a b") is None
    assert codec_named("bottleneck:a-1").byte_part == "code"

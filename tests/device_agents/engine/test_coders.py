"""Trained codecs on a device: opened once for all who hold them, run at both ends, raw where they hold no tensor."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from device_agents.engine.codecs import TensorCodec
from device_agents.engine.runtime import start_runtime
from lepton_edge.core.errors import CorruptFrame, PrepareFailed, StaleEpoch
from lepton_edge.core.frames import WireTensor
from lepton_edge.wire.header import FrameLimits, check_tensors, look_of
from partitioner.plan import Coder, TensorSpec
from tests.partitioner.onnx_io import coded_net

NAME = "bottleneck:two-00000000"
HALF = coded_net.SIDE // 2
ARRAY = np.repeat(np.linspace(0, 3, HALF * HALF, dtype=np.float32).reshape(1, 1, HALF, HALF), 16, axis=1)


@pytest.fixture
def codec(tmp_path):
    codec = TensorCodec(start_runtime(1, False))
    codec.files = {}
    for graph in (coded_net.encoder(), coded_net.decoder()):
        content = graph.SerializeToString()
        path = codec.files[hashlib.sha256(content).hexdigest()] = tmp_path / f"{len(codec.files)}.onnx"
        path.write_bytes(content)
    return codec


def coder(codec, code=(1, 2, HALF, HALF), rows=1):
    shape = (rows, 16, HALF, HALF)
    return Coder(NAME, TensorSpec("r1", "float32", shape), TensorSpec("r1@code", "uint8", code), *codec.files)


def test_a_tensor_travels_as_its_code(codec):
    codec.coders.open("one", [coder(codec)], codec.files)
    sent = codec.encode("r1", ARRAY, NAME)
    assert (sent.codec, sent.dtype, sent.shape) == (NAME, "float32", ARRAY.shape)
    assert 0 < len(sent.payload) <= coded_net.CODE_BYTES + 16
    check_tensors([look_of(sent)], FrameLimits())
    arrived = codec.decode(sent)
    assert np.abs(arrived[:, :2] - ARRAY[:, :2]).max() <= coded_net.SCALE
    assert arrived.shape == ARRAY.shape


def test_rows_of_several_requests_travel_together(codec):
    codec.coders.open("one", [coder(codec, ("n", 2, HALF, HALF), "n")], codec.files)
    both = np.concatenate([ARRAY, ARRAY / 2])
    assert codec.decode(codec.encode("r1", both, NAME)).shape == both.shape


@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_what_no_code_can_hold_travels_raw(codec, spoilt):
    codec.coders.open("one", [coder(codec)], codec.files)
    array = ARRAY.copy()
    array[0, 3, 2, 1] = spoilt
    sent = codec.encode("r1", array, NAME)
    assert sent.codec == "raw"
    assert codec.encode("r1", ARRAY[:, :8], NAME).codec == "raw"
    np.testing.assert_array_equal(codec.decode(sent), array)


def test_it_is_open_as_long_as_somebody_holds_it(codec):
    for owner in ("one", "other"):
        codec.coders.open(owner, [coder(codec)], codec.files)
    sent = codec.encode("r1", ARRAY, NAME)
    codec.coders.close("one")
    assert codec.decode(sent).shape == ARRAY.shape
    codec.coders.close("other")
    assert codec.encode("r1", ARRAY, NAME).codec == "raw"
    with pytest.raises(StaleEpoch):
        codec.decode(sent)


def test_bytes_that_are_no_code_are_refused(codec):
    codec.coders.open("one", [coder(codec)], codec.files)
    sent = codec.encode("r1", ARRAY, NAME)
    for payload, shape in ((bytes(sent.payload)[:-1], sent.shape), (sent.payload, (1, 8, HALF, HALF))):
        with pytest.raises(CorruptFrame):
            codec.decode(WireTensor("r1", "float32", shape, NAME, payload))


def test_graphs_that_are_none_of_a_coder_are_refused_at_once(codec):
    first, second = codec.files
    swapped = Coder(NAME, coder(codec).tensor, coder(codec).code, second, first)
    with pytest.raises(PrepareFailed):
        codec.coders.open("one", [swapped], codec.files)
    with pytest.raises(PrepareFailed):
        codec.coders.open("one", [coder(codec)], {})
    assert codec.coders.opened(NAME) is None

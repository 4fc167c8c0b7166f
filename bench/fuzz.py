"""Feed the doors of the wire and of stored models what nobody would send, guided by coverage: `make fuzz` (atheris).

    python -m bench.fuzz [TARGET...] [--seconds N]      targets: chunks, hello, byte-parts, pictures, control, packed,
                                                                 packing, store

Law: one promise for every door: an error of our tree, or a noun; no other exception, no hang, and no more memory than
its limits allow. A crash prints the input's place; put it into a test before it is mended. Seeds are made here, from
frames as they are.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import atheris
import numpy as np
import onnx

from bench.rows import Row

INSTRUMENTED = ["lepton_edge.wire", "lepton_edge.core", "lepton_edge.compress.store", "partitioner"]
with atheris.instrument_imports(include=INSTRUMENTED):
    from lepton_edge.compress import store as stores
    from lepton_edge.compress.store import layout, reading
    from lepton_edge.core.frames import Frame, FrameKind, Hop, WireError, WireTensor
    from lepton_edge.core.links import LinkHello
    from lepton_edge.core.messages import Telemetry
    from lepton_edge.wire import codec, convert, tensors
    from lepton_edge.wire.byte_parts import PARTS
    from lepton_edge.wire.header import FrameLimits
    from lepton_edge.wire.packed import framing
    from partitioner.errors import LeptonError
    from partitioner.units import Bytes, CodecName, DeviceId, RequestId, Seconds, TensorName

LIMITS = FrameLimits(frame_bytes=Bytes(1 << 16), open_bytes=Bytes(1 << 17), decoded_bytes=Bytes(1 << 18))
MEGABYTES = 1024  # of the process, fuzzer and all
MOST = 1 << 14  # bytes of one input
PIXELS = 1 << 16
Target = Callable[[bytes], None]


# --- the doors --------------------------------------------------------------------------------------


def chunks(given: bytes) -> None:
    """Feed a stream of chunks, each behind its length (16 bits), as one peer would send them."""
    decoder = codec.Decoder(LIMITS)
    try:
        for piece in _pieces(given):
            found = decoder.feed(piece)
            assert 0 <= decoder.open_bytes <= LIMITS.open_bytes
            if isinstance(found, Frame):
                _unpack(found)
    except LeptonError:
        return


def hello(given: bytes) -> None:
    """Read a peer's first words."""
    try:
        codec.read_hello(given)
    except LeptonError:
        return


def byte_parts(given: bytes) -> None:
    """Expand a payload by each byte part to a declared size: that, or CorruptFrame."""
    if len(given) < 4:
        return
    size = int.from_bytes(given[:3], "little") % (1 << 18)
    item = (1, 2, 4)[given[3] % 3]
    for part in PARTS:
        try:
            expanded = tensors.decompress(given[4:], part, size - size % item, item)
        except LeptonError:
            continue
        assert memoryview(expanded).nbytes == size - size % item


def pictures(given: bytes) -> None:
    """Decode what says that it is a picture."""
    try:
        pixels = tensors.decode_picture(given, PIXELS)
    except LeptonError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.size <= 3 * PIXELS


def control(given: bytes) -> None:
    """Decode what an agent, a coordinator or a client might say."""
    doors = (convert.AGENT_SAYS, convert.COORDINATOR_SAYS, convert.ADMIN_CALL, convert.ADMIN_EVENT)
    for door in doors:
        try:
            door.decode(given)
        except LeptonError:  # noqa: PERF203 (one of four, and the others are next)
            continue


def packed(given: bytes) -> None:
    """Expand a packed tensor to a declared size, at once and in pieces: that many bytes, the same, or CorruptFrame."""
    if len(given) < 4:
        return
    size, step = int.from_bytes(given[:3], "little") % (1 << 18), 1 + given[3]
    whole = _expanded(given[4:], size, len(given))
    assert whole == _expanded(given[4:], size, step)
    assert whole is None or len(whole) == size


def _expanded(content: bytes, size: int, step: int) -> bytes | None:
    expander, found = framing.Expander(size), list[bytes]()
    try:
        for start in range(0, len(content), step):
            found.extend(expander.feed(content[start : start + step]))
        expander.finish()
    except LeptonError:
        return None
    return b"".join(found)


def packing(given: bytes) -> None:
    """Pack whatever it is, of items and rows of any size: it comes back bit by bit."""
    if len(given) < 2:
        return
    itemsize, row, content = (0, 1, 2, 4, 8)[given[0] % 5], given[1], given[2:]
    assert framing.expand(framing.pack(content, itemsize, row), len(content)) == content


def store(given: bytes) -> None:
    """Read a stored model whose digests are taken for right, since no fuzzer finds one: it, or CorruptStore."""
    (place,) = _PLACES
    place.write_bytes(given)
    try:
        stores.contents(place)
        stores.read(place)
    except LeptonError:
        return


_PLACES: list[Path] = []


def _believing() -> None:
    """Let digests be right, and stores small: their bounds are what is tried, not this machine's memory."""
    _PLACES.append(Path(tempfile.mkdtemp(prefix="lepton-fuzz-store-")) / "fuzzed.lepton")
    layout.ALWAYS_FINE = 1 << 20
    believed = SimpleNamespace(sha256=lambda content: SimpleNamespace(hexdigest=_Any))
    setattr(reading, "hashlib", believed)  # noqa: B010 (a module's own import is nobody else's to see)


class _Any:
    """Equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


TARGETS: dict[str, Target] = {
    "chunks": chunks,
    "hello": hello,
    "byte-parts": byte_parts,
    "pictures": pictures,
    "control": control,
    "packed": packed,
    "packing": packing,
    "store": store,
}


def _pieces(given: bytes) -> Iterator[bytes]:
    at = 0
    while at + 2 <= len(given):
        size = int.from_bytes(given[at : at + 2], "little")
        yield given[at + 2 : at + 2 + size]
        at += 2 + size


def _unpack(frame: Frame) -> None:
    for tensor in frame.tensors:
        if np.prod(tensor.shape, dtype=np.float64) <= PIXELS:
            tensors.unpack(tensor)


# --- seeds ------------------------------------------------------------------------------------------


def seeds(target: str) -> Iterator[bytes]:
    """Yield inputs as they should be."""
    if target == "chunks":
        for how in (codec.Writing(64), codec.Writing()):
            for frame in _frames():
                yield b"".join(_behind_its_length(chunk) for chunk, _ in codec.chunks(frame, 7, how))
    elif target == "hello":
        yield codec.hello_chunk(LinkHello("agent", "board", "0.1", checksums=("xxh3",)))
        yield codec.goodbye_chunk(WireError("overloaded", "too much", retryable=True))
    elif target == "byte-parts":
        array = np.maximum(np.random.default_rng(0).normal(size=64), 0).astype(np.float32)
        yield from ((256).to_bytes(3, "little") + b"\x02" + tensors.compress(array, part) for part in PARTS)
    elif target == "pictures":
        yield tensors.encode_jpeg(np.arange(300, dtype=np.uint8).reshape(10, 10, 3))
    elif target in ("packed", "packing"):
        yield from _tensors(packed=target == "packed")
    elif target == "store":
        yield _stored()
    else:
        yield convert.AGENT_SAYS.encode(Telemetry(0.1, Bytes(1), Bytes(1), 50.0, 1, 2, 3, Seconds(1.0)))


def _tensors(packed: bool) -> Iterator[bytes]:
    """Yield tensors of each kind that a form is for: dense, sparse, of few values, scaled rows."""
    random = np.random.default_rng(0)
    dense = random.normal(size=(8, 16)).astype(np.float32)
    few = random.choice(dense.ravel()[:6], (8, 16)).astype(np.float32)
    scaled = (random.integers(-127, 127, (8, 16)) * random.random((8, 1))).astype(np.float32)
    for one in (dense, np.maximum(dense, 0.5) - 0.5, few, scaled, (few * 9).astype(np.int8)):
        content = one.tobytes()
        if packed:
            yield len(content).to_bytes(3, "little") + b"\x07" + framing.pack(content, one.itemsize, 16)
        else:
            yield bytes([{1: 1, 4: 3}[one.itemsize], 16]) + content


def _stored() -> bytes:
    weights = np.random.default_rng(0).normal(size=(16, 32)).astype(np.float32)
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("x", "y")]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])], "g", ends[:1], ends[1:],
        [onnx.numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        stores.write(onnx.helper.make_model(graph), Path(folder) / "seed.lepton")
        return (Path(folder) / "seed.lepton").read_bytes()


def _frames() -> Iterator[Frame]:
    array = np.maximum(np.random.default_rng(0).normal(size=(4, 25)), 0).astype(np.float32)
    for name in ("raw", "zstd", "sparse"):
        tensor = tensors.pack(TensorName("x"), array, CodecName(name))
        yield Frame(FrameKind.REQUEST, RequestId("0" * 32), tensors=(tensor,), metadata={"k": "v"})
        hop = Hop(DeviceId("board"), 0, 3, compute=0.1)
        yield Frame(FrameKind.REPLY, RequestId("1" * 32), tensors=(tensor, _renamed(tensor)), hops=(hop,))
    yield Frame(FrameKind.ERROR, RequestId("2" * 32), error=WireError("overloaded", "full"))
    yield Frame(FrameKind.CREDIT, RequestId(""), credit_frames=3, credit_bytes=9)


def _renamed(tensor: WireTensor) -> WireTensor:
    return dataclasses.replace(tensor, name=TensorName("y"))


def _behind_its_length(chunk: bytes) -> bytes:
    return len(chunk).to_bytes(2, "little") + chunk


# --- the run ----------------------------------------------------------------------------------------


def main() -> int:
    """Fuzz every target that is named, all without a name; print a row each; status 1 where one crashed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", nargs="*", choices=[*TARGETS, []], help="all when not given")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        fuzz(given.target[0], given.seconds)
    crashed = [name for name in given.target or TARGETS if not _well(name, given.seconds)]
    return 1 if crashed else 0


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one target in this process, which the fuzzer ends."""
    if name == "store":
        _believing()
    corpus = Path(tempfile.mkdtemp(prefix="lepton-fuzz-"))
    for index, seed in enumerate(seeds(name)):
        (corpus / f"seed{index}").write_bytes(seed)
    limits = [f"-max_total_time={seconds}", f"-max_len={MOST}", f"-rss_limit_mb={MEGABYTES}", "-timeout=10"]
    crash = f"-artifact_prefix={corpus}/"
    atheris.Setup([sys.argv[0], str(corpus), *limits, crash], TARGETS[name])
    atheris.Fuzz()


def _well(name: str, seconds: int) -> bool:
    """Fuzz one target in a process of its own and print what came of it."""
    print(f"{name}: {seconds} s", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "bench.fuzz", name, "--inside", "--seconds", str(seconds)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    runs = re.search(r"Done (\d+) runs", done.stderr)
    well = done.returncode == 0 and runs is not None
    if not well:
        print(done.stderr[-4000:], file=sys.stderr)
    what = f"{name}: inputs that gave nouns and typed errors only, in {seconds} s"
    Row(
        "fuzz", what, int(runs.group(1)) if runs else 0, "inputs", f"status {done.returncode}", None, well
    ).print()
    return well


if __name__ == "__main__":
    sys.exit(main())

"""Rows that need torch: a distilled student, pruned channels, training on the grid, a bottleneck.

Law: each function prints the rows of one line of the issue's table; what was trained is kept for the next run.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import zstandard
from onnx import TensorProto, helper

from bench.compressing import fashion, judge, students, trained
from bench.compressing.quantized import BENCH, lost, row
from bench.rows import Row
from lepton_edge.compress import bottlenecks
from lepton_edge.compress.recipe import Value
from lepton_edge.compress.technique import Materials
from lepton_edge.wire.byte_parts import ZSTD_LEVEL
from partitioner.onnx_io import runtime

EPOCHS = 2
LENGTH: dict[str, Value] = {"epochs": EPOCHS, "batch": 128, "rate": 1e-3}
CODER: dict[str, Value] = {"narrow": 32, "stride": 7, "epochs": 1, "batch": 128, "rate": 1e-3}
TRAVELLING = 200  # pictures whose bytes are counted


def labelled(original: onnx.ModelProto, scratch: Path, count: int = 60_000) -> Materials:
    """Return materials with labelled pictures to train with, varied."""
    pictures = fashion.training().first(count).again(1)
    return judge.materials(original, scratch, fashion.training().first(judge.CALIBRATION), pictures)


def student(scratch: Path) -> None:
    """A quarter of the weights: how near the trained net it comes with it for a teacher, and what that is worth."""
    teacher = trained.resnet_of_fashion()
    given = labelled(teacher, scratch)
    small = students.start(teacher, scratch)
    taught = trained.kept("student_taught", lambda: judge.applied(small, given, [("distill", LENGTH)]))
    scores = [judge.accuracy(one, fashion.judging()) * 100 for one in (teacher, taught)]
    share = judge.size(small) / judge.size(teacher)
    row("student: share of the teacher's bytes", share, "1", "the ONNX file", 0.27, most=True)
    below, said = scores[0] - scores[1], f"{scores[0]:.2f} %"
    row("distilled student: points below the teacher", below, "points", said, 1.0, most=True)
    students.measure(students.Lesson(), students.SEEDS, scratch)


def channels(scratch: Path) -> None:
    """Channels pruned, then trained on."""
    original = trained.resnet_of_fashion()
    before = judge.accuracy(original, fashion.judging())
    steps: judge.Steps = [("prune_channels", {"ratio": 0.25}), ("finetune", {"epochs": 1, "batch": 128})]
    made = trained.kept(
        "pruned_channels", lambda: judge.applied(original, labelled(original, scratch), steps)
    )
    row(
        "channels pruned: fewer bytes", (1 - judge.size(made) / judge.size(original)) * 100, "%", "ONNX", 30.0
    )
    feeds = [one.feeds for one in fashion.judging().first(4)]
    row(
        "channels pruned: faster by",
        (judge.times_faster(made, original, feeds) - 1) * 100,
        "%",
        "in turns",
        15.0,
    )
    lost("channels pruned", made, before, 2.0)


def grid(scratch: Path) -> None:
    """The pruned net in int8, before and after training on the grid."""
    original = trained.resnet_of_fashion()
    steps: judge.Steps = [("prune_channels", {"ratio": 0.25}), ("clean", {}), ("static_int8", {})]
    given = labelled(original, scratch, 20_000)
    rough = judge.applied(original, given, steps)
    made = trained.kept(
        "pruned_grid",
        lambda: judge.applied(
            rough, given, [("qat", {"epochs": 1, "batch": 128, "labels": 0.5, "rate": 3e-4})]
        ),
    )
    points = [judge.accuracy(one, fashion.judging()) * 100 for one in (rough, made)]
    row(
        "pruned by a quarter, then int8: points won by training on the grid",
        points[1] - points[0],
        "points",
        f"{points[0]:.2f} %",
        0.01,
    )


def narrow(scratch: Path) -> None:
    """A coder inside the net: bytes that cross, points, and the time it takes."""
    original = trained.resnet_of_fashion()
    before = judge.accuracy(original, fashion.judging())
    given = labelled(original, scratch, 20_000)
    made = coded(original, given)
    tensor = next(
        node.input[0] for node in made.graph.node if node.output[0] == f"{bottlenecks.PREFIX}/narrow"
    )
    code, plain = bytes_of(made, bottlenecks.CODE), bytes_of(original, tensor)
    share = code / plain
    row(
        f"bottleneck at {tensor}: share of the bytes",
        share,
        "1",
        f"u8+zstd: {plain:.0f} bytes",
        1 / 3,
        most=True,
    )
    lost("bottleneck", made, before, 2.0)
    feeds = [one.feeds for one in fashion.judging().first(4)]
    slower = 1 / judge.times_faster(made, original, feeds)
    Row(
        BENCH, "bottleneck: time with encoder and decoder", round(slower, 3), "1", "the original, in turns"
    ).print()


def coded(original: onnx.ModelProto, given: Materials) -> onnx.ModelProto:
    """Return the net with a trained coder after its first block: 49 numbers for every 7 x 7 pixels of 32 channels."""
    return trained.kept("coded", lambda: judge.applied(original, given, [("bottleneck", CODER)]))


def bytes_of(model: onnx.ModelProto, name: str) -> float:
    """Return how many bytes tensor `name` travels in, u8 and zstd, on average."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    kind = TensorProto.UINT8 if name == bottlenecks.CODE else TensorProto.FLOAT
    shown.graph.output.append(helper.make_tensor_value_info(name, kind, None))
    session = runtime.open_session(shown, runtime.options(None, runtime.FULL))
    found = []
    for sample in fashion.judging().first(TRAVELLING):
        tensor = runtime.run(session, sample.feeds, [name])[name]
        if tensor.dtype != np.uint8:
            low, high = float(tensor.min()), float(tensor.max())
            tensor = np.round((tensor - low) / max((high - low) / 255, 1e-12)).astype(np.uint8)
        found.append(len(zstandard.ZstdCompressor(ZSTD_LEVEL).compress(tensor.tobytes())))
    return float(np.mean(found))

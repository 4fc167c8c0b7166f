"""Rows that need no torch: quantization, the store, and the guard.

Law: each function prints the rows of one line of the issue's table.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

import lepton_edge
from bench.compressing import fashion, judge, photographs, trained
from bench.rows import Row
from examples.demo import minilm, mobilenet
from examples.demo.wordpiece import WordPiece
from lepton_edge.compress import store
from lepton_edge.compress.errors import BudgetNotMet
from lepton_edge.compress.recipe import Recipe, Step, Value
from lepton_edge.compress.sensitivity import per_layer
from lepton_edge.compress.technique import Sample

BENCH = "compress"
LOUDNESS, NAMING = 4096.0, 64
DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs"
SENTENCES, LEAST_LETTERS, MOST_LETTERS = 100, 40, 400
BLAMED = ("block2.first", "block2.beside")
LOUDER = tuple(f"block1.{branch}.{part}" for branch in ("second", "beside") for part in ("scale", "shift"))
MAKERS, REFUSED_ON = ("block1.second", "block1.beside"), 256
QUIETER = ("block2.first.weight", "block2.beside.weight")
THIN: judge.Steps = (("clean", {}), ("prune", {"sparsity": 0.6}), ("static_int8", {}), ("share", {"bits": 4}))


def row(what: str, value: float, unit: str, beside: str, goal: float, *, most: bool = False) -> None:
    """Print one row; `most`: the goal is a limit from above."""
    Row(BENCH, what, round(value, 4), unit, beside, goal, value <= goal if most else value >= goal).print()


def lost(what: str, model: onnx.ModelProto, before: float, goal: float) -> None:
    """Print how many points of accuracy `model` lost against `before`."""
    points = (before - judge.accuracy(model, fashion.judging())) * 100
    row(f"{what}: points lost", points, "points", f"{before * 100:.2f} % in float32", goal, most=True)


def int8(scratch: Path) -> None:
    """The ResNet in int8: size and points."""
    original = trained.resnet_of_fashion()
    before = judge.accuracy(original, fashion.judging())
    row("ResNet on Fashion-MNIST: accuracy", before * 100, "%", "10,000 pictures not trained with", 91.5)
    made = judge.applied(original, judge.materials(original, scratch), [("clean", {}), ("static_int8", {})])
    row("ResNet int8: times smaller", judge.size(original) / judge.size(made), "x", "the ONNX file", 3.8)
    lost("ResNet int8", made, before, 0.3)
    feeds = [one.feeds for one in fashion.judging().first(4)]
    row("ResNet int8: times faster", judge.times_faster(made, original, feeds), "x", "float32, in turns", 1.0)


def thin(scratch: Path) -> None:
    """The ResNet pruned, in int8 and shared, as it is stored and sent."""
    original = trained.resnet_of_fashion()
    before = judge.accuracy(original, fashion.judging())
    made = judge.applied(original, judge.materials(original, scratch), THIN)
    stored = store.stored_size(made)
    row(
        "ResNet pruned, int8, shared: times smaller",
        judge.size(original) / stored,
        "x",
        "the ONNX file",
        10.0,
    )
    lost("ResNet pruned, int8, shared", made, before, 1.0)
    floats = judge.applied(
        original, judge.materials(original, scratch), [step for step in THIN if step[0] != "static_int8"]
    )
    smaller = 1 - store.stored_size(floats) / judge.size(original)
    row("store of the pruned, shared ResNet: smaller by", smaller * 100, "%", "the ONNX file", 80.0)
    lost("ResNet pruned, shared", floats, before, 2.0)


def photos(scratch: Path) -> None:
    """MobileNetV2 in int8 on photographs, split by picture."""
    original = mobilenet.build()
    calibration, judged = photographs.split()
    given = judge.materials(original, scratch, calibration)
    made = judge.applied(original, given, [("clean", {}), ("static_int8", {})])
    plain: dict[str, Value] = {"ranges": "minmax", "equalize": False, "correct_bias": False}
    poor = judge.applied(original, given, [("clean", {}), ("static_int8", plain)])
    found, least = judge.cosines(made, original, judged), judge.cosines(poor, original, judged).mean()
    beside = f"{len(judged)} views; plain per-channel min-max {least:.3f}"
    row("MobileNetV2 int8: cosine of the logits", float(found.mean()), "1", beside, 0.975)
    agree = photographs.agreement(made, original, judged)
    Row(BENCH, "MobileNetV2 int8: top-1 as in float32", round(agree, 4), "1", f"{len(judged)} views").print()
    row("MobileNetV2 int8: times smaller", judge.size(original) / judge.size(made), "x", "the ONNX file", 3.5)
    feeds = [one.feeds for one in judged[:4]]
    row(
        "MobileNetV2 int8: times faster",
        judge.times_faster(made, original, feeds),
        "x",
        "float32, in turns",
        1.7,
    )


def sentences(scratch: Path) -> None:
    """MiniLM with dynamic int8, on the sentences of our own documentation."""
    original = minilm.build()
    states = next(one for one in original.graph.output if one.name == "last_hidden_state")
    original.graph.output.remove(states)
    samples = _documentation()
    made = judge.applied(
        original, judge.materials(original, scratch, samples), [("clean", {}), ("dynamic_int8", {})]
    )
    cosine = float(judge.cosines(made, original, samples).mean())
    row(
        "MiniLM dynamic int8: cosine of the embedding",
        cosine,
        "1",
        f"{len(samples)} sentences, float32",
        0.990,
    )
    row(
        "MiniLM dynamic int8: times smaller",
        judge.size(original) / judge.size(made),
        "x",
        "the ONNX file",
        3.9,
    )
    feeds = [one.feeds for one in samples[:4]]
    row("MiniLM dynamic int8: times faster", judge.times_faster(made, original, feeds), "x", "in turns", 1.6)


def _documentation() -> list[Sample]:
    """Return up to `SENTENCES` sentences of the documentation, spread evenly, as MiniLM takes them."""
    text = " ".join(path.read_text(encoding="utf-8") for path in sorted(DOCUMENTATION.glob("*.md")))
    found = [one.strip() for one in re.split(r"(?<=[.!?])\s+", text)]
    found = [
        " ".join(one.split()) for one in found if LEAST_LETTERS <= len(one) <= MOST_LETTERS and "|" not in one
    ]
    encode = WordPiece(minilm.model_folder() / "vocab.txt").encode
    chosen = found[:: max(1, len(found) // SENTENCES)][:SENTENCES]
    return [Sample(dict(encode([one])), one) for one in chosen]


def guard(scratch: Path) -> None:
    """A net that answers as before, and that one huge channel keeps from being quantized: the layer is named."""
    original = _with_a_loud_channel(trained.resnet_of_fashion())
    before = judge.accuracy(original, fashion.judging())
    given = judge.materials(original, scratch)
    made = judge.applied(original, given, [("static_int8", {"ranges": "minmax"})])
    points = (before - judge.accuracy(made, fashion.judging())) * 100
    Row(
        BENCH, "adversarial net in int8: points lost", round(points, 2), "points", f"{before * 100:.2f} %"
    ).print()
    cleaned = judge.applied(original, given, [("clean", {})])
    few = judge.materials(original, scratch, fashion.training().first(NAMING))
    worst = per_layer(cleaned, few)[0]
    named = any(name in worst.layer for name in BLAMED)
    row(f"adversarial net: named is {worst}", float(named), "1", f"{BLAMED} read the loud channel", 1.0)
    told = _refusal(original, scratch / "guard")
    guilty = any(f"in layer /{name}" in told for name in (*BLAMED, *MAKERS))
    row("adversarial net: compress refuses int8 and names the layer", float(guilty), "1", told, 1.0)


def _refusal(original: onnx.ModelProto, out: Path) -> str:
    """Return what `compress` says to int8 of a net at a budget of one point; "" where it takes it."""
    recipe = Recipe((Step("static_int8", {"ranges": "minmax"}),))
    pictures = list(
        fashion.judging().first(REFUSED_ON)
    )  # of which it calibrates with some and judges by others
    try:
        lepton_edge.compress(original, pictures, recipe=recipe, target="size", max_drop=0.01, out=out)
    except BudgetNotMet as error:
        return error.message
    return ""


def _with_a_loud_channel(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` with channel 0 of one sum `LOUDNESS` times as large, and read so much more quietly."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    for tensor in made.graph.initializer:
        value = np.array(numpy_helper.to_array(tensor))
        if tensor.name in LOUDER:
            value[0] *= LOUDNESS
        elif tensor.name in QUIETER:
            value[:, 0] /= LOUDNESS
        tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    return made

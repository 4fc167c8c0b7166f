"""Where a trained codec is chosen in service: a narrow radio, a slow board, real processes, and a planner that is free.

    python -m bench.compressing.service

Law: the net, the codec and the pictures are those of `learned`; the link is the laboratory's (root), the board plays
the slower device itself (--simulate-slow). Every page that the planner knows is allowed, and what is measured is what
an application on the board's host sees.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, helper, numpy_helper

from bench.compressing import fashion, learned, trained
from bench.rows import Row
from bench.subjects import Subject
from bench.trips import SHAPED, Cell, Site, site
from examples.demo.processes import Conditions
from lepton_edge.compress import bottlenecks, coding
from lepton_edge.compress.rows import file_digest

SAMPLES = 32
JPEG = "cloud-jpeg"
MANIFEST = f"""format = 1
[[input]]
name = "rgb"
kind = "picture"
resize = {{ size = [28, 28] }}
layout = "NCHW"
scale = {1 / 255}
mean = [{fashion.MEAN}, {fashion.MEAN}, {fashion.MEAN}]
std = [{fashion.DEVIATION}, {fashion.DEVIATION}, {fashion.DEVIATION}]
[accuracy]
max_relative_error = 1.0
min_top1_kept = 0.85
"""
GREY = (0.299, 0.587, 0.114)
PAGES = 2  # a large frame before a small one would be measured with it


def main() -> int:
    """Measure and print rows."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="lepton-service-") as scratch:
        subject = fashion_in_colour(Path(scratch), options.scratch)
        conditions = Conditions(f"{options.up * 1e3:g} kbit/s up", options.down, options.delay)
        cell = Cell(subject.name, conditions, options.slow, simulated=True)
        with site(options.name, Path(scratch) / "site") as there:
            known = there.push(subject)
            there.introduce(cell)
            entry = board(there, cell, options.up)
            plan = deployed(there, cell, options.memory)
            pages = _pages(plan)
            _say(there, plan, pages)
            answers = there.infer(entry, known, pages, options.rounds)
    if options.keep:
        options.keep.write_text(json.dumps({"plan": plan, "answers": answers}))
    _print(cell, plan, answers, pages)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.compressing.service", description=__doc__)
    parser.add_argument("--up", type=float, default=0.024, help="Mbit/s from the board")
    parser.add_argument("--down", type=float, default=0.5, help="Mbit/s to it")
    parser.add_argument("--delay", type=float, default=20.0, help="ms, one way")
    parser.add_argument("--slow", type=float, default=200.0, help="how many times slower the board is")
    parser.add_argument("--memory", type=float, default=4.0, help="MB that the board has for the model")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--name", default="bottle6", help="of the laboratory")
    parser.add_argument("--keep", type=Path, help="a file for the plan and every answer")
    parser.add_argument("--scratch", type=Path, default=fashion.CACHE)
    return parser.parse_args()


def board(there: Site, cell: Cell, up: float) -> str:
    """Start the cell's board again, alone, on a link of `up` Mbit/s from it; return where it answers."""
    for name, child in there.laboratory.town.children.items():
        if name.startswith("board"):
            child.stop()
    there.laboratory.shape(cell.conditions)
    there.laboratory.upwards(up, cell.conditions.delay)
    time.sleep(SHAPED)
    return there.laboratory.board(cell.board, there.coordinator, cell.slow, cell.simulated)


def deployed(there: Site, cell: Cell, memory: float) -> dict[str, Any]:
    """Deploy on the cell's board, which has so many MB for the model; return the plan."""
    job = {
        "do": "deploy",
        "address": there.coordinator,
        "model": cell.model,
        "devices": [cell.board, "cloud"],
    }
    plan: dict[str, Any] = there.ask("cloud", {**job, "board_memory": int(memory * 1e6)})["plan"]
    return plan


def fashion_in_colour(directory: Path, scratch: Path) -> Subject:
    """Return the net with pictures at its door, the frames that it is asked about, and its codec beside it."""
    original = trained.resnet_of_fashion()
    made = learned.coded(original, learned.labelled(original, scratch, 20_000))
    file = directory / "fashion.onnx"
    onnx.save(of_colours(original), file)
    (directory / "fashion.toml").write_text(MANIFEST)
    pixels = fashion.judging().pixels[:SAMPLES]
    colours = np.repeat(pixels[..., None], 3, axis=3)  # as a camera gives them: nothing is encoded yet
    np.savez(directory / "samples.npz", rgb=colours)
    given = directory / "given.npy"
    np.save(given, colours[0])
    folder = directory / "fashion.bottleneck"
    neck = next(one for one in bottlenecks.necks(original) if one.tensor == _coded_tensor(made))
    coding.write_folder(folder, file_digest(file), neck.tensor, made, {"options": learned.CODER})
    return Subject(
        "fashion", file, given, directory / "fashion.toml", directory / "samples.npz", bottlenecks=(folder,)
    )


def of_colours(model: ModelProto) -> ModelProto:
    """Return the net with three colours at its door, which become its one grey."""
    made = ModelProto()
    made.CopyFrom(model)
    grey = made.graph.input[0].name
    node = helper.make_node("Conv", ["rgb", "grey.weight"], [grey], "/grey/Conv", kernel_shape=[1, 1])
    made.graph.node.insert(0, node)
    weight = np.array(GREY, np.float32).reshape(1, 3, 1, 1)
    made.graph.initializer.append(numpy_helper.from_array(weight, "grey.weight"))
    del made.graph.input[0]
    shape: list[str | int | None] = ["N", 3, 28, 28]
    made.graph.input.insert(0, helper.make_tensor_value_info("rgb", onnx.TensorProto.FLOAT, shape))
    del made.graph.value_info[:]
    onnx.checker.check_model(made)
    return made


def _coded_tensor(made: ModelProto) -> str:
    found = next(node for node in made.graph.node if node.output[0] == f"{bottlenecks.PREFIX}/narrow")
    return str(found.input[0])


def _pages(plan: dict[str, Any]) -> list[str]:
    """Return the choice, the page that sends the JPEG, and the next best ones."""
    found = {one["page"]: one["predicted"]["latency"] for one in plan["candidates"] if one["in_book"]}
    ranked = sorted(found, key=lambda page: found[page])
    return [plan["page"], JPEG, *[page for page in ranked if page not in (plan["page"], JPEG)]][:PAGES]


def _say(there: Site, plan: dict[str, Any], pages: Sequence[str]) -> None:
    crossing = [one for frontier in plan["graph"]["frontiers"] for one in frontier["tensors"]]
    told = ", ".join(f"{one['tensor']} by {one['codec']} in {one['wire_bytes']} bytes" for one in crossing)
    there.say(f"chosen: {plan['page']} ({told}); asked: {', '.join(pages)}")
    for one in sorted(plan["candidates"], key=lambda one: one["predicted"]["latency"])[:8]:
        print(one["page"], one["in_book"], one["eligible"], one["predicted"], file=sys.stderr)


def _print(cell: Cell, plan: dict[str, Any], answers: list[dict[str, Any]], pages: Sequence[str]) -> None:
    medians = {}
    for page in pages:
        own = [one["latency"] for one in answers if one["asked"] == page and one["page"] == page]
        if own:
            medians[page] = statistics.median(own)
            said = f"{len(own)} requests{', chosen' if page == plan['page'] else ''}"
            Row("service", f"{cell}: {page}", round(medians[page], 4), "s", said).print()
    codecs = [one["codec"] for frontier in plan["graph"]["frontiers"] for one in frontier["tensors"]]
    chosen = any(codec.startswith("bottleneck:") for codec in codecs)
    Row(
        "service",
        f"{cell}: the planner chose the trained codec",
        float(chosen),
        "1",
        str(codecs),
        1.0,
        chosen,
    ).print()
    if JPEG in medians:
        ratio = medians[plan["page"]] / medians[JPEG]
        Row(
            "service", f"{cell}: the choice over the JPEG", round(ratio, 3), "1", "medians", 1.0, ratio < 1
        ).print()


if __name__ == "__main__":
    sys.exit(main())

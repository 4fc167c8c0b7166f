"""The worker's own side: real models pushed, cut for measuring, and planned; bad ones refused; bugs told."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from lepton_edge.coordinator import compile as worker
from lepton_edge.coordinator import pushing
from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.jobs import Compiled, PlanJob, PushJob, TrialJob
from lepton_edge.coordinator.records import PlanOrder
from lepton_edge.coordinator.trials import segment_bounds
from lepton_edge.core.messages import ProfileCommand
from partitioner.costs import DeviceProfile, LayerShare, LinkProfile, Measurement
from partitioner.graph import needed_boundaries
from partitioner.nouns_json import from_json, to_json
from partitioner.onnx_io import load_compiled
from partitioner.plan import PlanBook


def net() -> onnx.ModelProto:
    make = np.random.default_rng(0).standard_normal
    shapes = {"w1": (16, 3, 3, 3), "w2": (16, 16, 3, 3), "w3": (10, 16)}
    weights = [numpy_helper.from_array((make(s) / 4).astype(np.float32), n) for n, s in shapes.items()]
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], "one"),
        helper.make_node("Relu", ["a"], ["b"], "two"),
        helper.make_node("Conv", ["b", "w2"], ["c"], "three", strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["d"], "four"),
        helper.make_node("GlobalAveragePool", ["d"], ["e"], "five"),
        helper.make_node("Flatten", ["e"], ["f"], "six"),
        helper.make_node("Gemm", ["f", "w3"], ["y"], "seven", transB=1),
    ]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 16, 16])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 10])
    graph = helper.make_graph(nodes, "net", [x], [y], weights)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


MANIFEST = """
format = 1
[model]
name = "net"
[[input]]
name = "x"
kind = "picture"
resize = { size = [16, 16] }
layout = "NCHW"
scale = 0.00392156862745098
[[output]]
name = "y"
softmax = true
top_k = 3
labels = "names.txt"
"""


class Bench:
    """A state directory and the worker's jobs on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.artifacts = Artifacts(directory)
        self.artifacts.prepare()
        self.told: list[dict[str, Any]] = []

    def do(self, kind: str, job: Any) -> dict[str, Any]:
        asked = {"kind": kind, "state_directory": str(self.directory), "job": to_json(job)}
        return worker.serve(json.loads(json.dumps(asked)), self.told.append)

    def push(self, *, manifest: str = "", **changes: Any) -> dict[str, Any]:
        folder = self.artifacts.new_folder("push")
        onnx.save(net(), str(folder / "model.onnx"))
        job = PushJob("net", str(folder / "model.onnx"), str(folder / "compiled"))  # type: ignore[arg-type]
        if manifest:
            (folder / "manifest").write_text(manifest)
            (folder / "names").write_text("\n".join(f"name {i}" for i in range(10)))
            named = (("names.txt", str(folder / "names")),)
            job = dataclasses.replace(job, manifest=str(folder / "manifest"), labels=named)
        return self.do("push", dataclasses.replace(job, **changes))

    def adopted(self, **wishes: Any) -> tuple[Path, Compiled]:
        """Push and adopt; return the folder and what was made."""
        answer = self.push(**wishes)
        made = from_json(Compiled, answer["result"])
        folder = next(self.artifacts.scratch.glob("push-*/compiled"))
        return self.artifacts.adopt(folder, made.record.name, made.record.version), made


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def profile(device: str, directory: Path, seconds: float) -> DeviceProfile:
    nodes = [
        name for layer in load_compiled(directory).graph.layers for name in layer.nodes if not layer.pseudo
    ]
    shares = tuple(LayerShare(name, 1 / len(nodes)) for name in nodes)
    return DeviceProfile(device, Measurement(seconds, seconds / 50, 9), shares)  # type: ignore[arg-type]


def golden(bench: Bench, sha256: Any) -> dict[str, Any]:
    found = bench.artifacts.find(sha256)
    assert found is not None
    with np.load(io.BytesIO(found.read_bytes())) as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_a_model_of_more_weights_than_a_command_can_name_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "MOST_WEIGHTS", 1)
    told = bench.push()["error"]
    assert told["code"] == "invalid_model"
    assert "weight tensors, and 1 at most" in told["message"]


def test_a_push_makes_a_record_weights_and_a_folder(bench: Bench) -> None:
    directory, made = bench.adopted()
    assert made.record.layers == len(load_compiled(directory).graph.layers)
    assert made.record.weights == sum(ref.length for ref in made.weights) > 0
    assert [spec.tensor.name for spec in made.record.inputs] == ["x"]
    blob = (directory / "weights.bin").read_bytes()
    assert all(len(blob) >= ref.offset + ref.length for ref in made.weights)
    assert bench.told[0]["progress"]["stage"] == "compiling"


def test_a_bad_push_is_named_as_its_pusher_named_it(bench: Bench) -> None:
    (bench.directory / "model.onnx").write_bytes(b"")
    error = bench.push(model=str(bench.directory / "model.onnx"))["error"]
    assert (error["code"], error["message"]) == ("invalid_model", "the file pushed as 'net' is empty")


def test_samples_are_kept_and_codecs_measured_on_them(bench: Bench, tmp_path: Path) -> None:
    samples = tmp_path / "s.npz"
    np.savez(samples, x=np.random.default_rng(2).standard_normal((12, 1, 3, 16, 16)).astype(np.float32))
    directory, made = bench.adopted(samples=(("s.npz", str(samples)),))
    compiled = load_compiled(directory)
    assert made.record.samples == compiled.sample_count == 12
    lossy = [sample for sample in compiled.codecs if sample.codec == "f16"]
    assert lossy
    assert all(0 <= sample.loss < 0.02 and sample.samples == 8 for sample in lossy), "8 are enough"
    told = [one["progress"] for one in bench.told if one["progress"]["stage"] == "measuring codecs"]
    assert {one["message"] for one in told} == {"on 8 of 12 samples"}
    assert compiled.unmeasured == ()


def test_labels_become_an_artifact_that_the_record_names(bench: Bench) -> None:
    _, made = bench.adopted(manifest=MANIFEST)
    labels = bench.artifacts.find(made.record.outputs[0].labels)
    assert labels is not None
    assert labels.read_text().splitlines()[3] == "name 3"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"manifest": "format = 1\n[oops]\n"}, "invalid_manifest"),
        ({"shapes": (("nope", (1, 2)),)}, None),
        ({"samples": (("note.txt", __file__),)}, "invalid_input"),
        ({"samples": (("photo.jpg", __file__),)}, "invalid_input"),
        ({"model": __file__}, "invalid_model"),
    ],
)
def test_a_bad_push_is_a_typed_error(bench: Bench, changes: Any, code: str | None) -> None:
    answer = bench.push(**changes)
    assert "error" in answer
    assert code is None or answer["error"]["code"] == code
    assert answer["error"]["message"]


@pytest.mark.parametrize("manifest", ["", MANIFEST])
def test_a_trial_has_an_input_for_everything_that_is_to_be_measured(bench: Bench, manifest: str) -> None:
    directory, made = bench.adopted(manifest=manifest)
    answer = bench.do("trial", TrialJob(str(directory), made.record.name, made.record.version))
    trial = from_json(ProfileCommand, answer["result"])
    arrays = golden(bench, trial.golden)
    blocks = [trial.whole, *trial.pseudo, *(segment.block for segment in trial.segments)]
    assert {spec.name for block in blocks for spec in block.inputs} <= set(arrays)
    assert {one.tensor.name for one in trial.codecs} <= set(arrays)
    for block in blocks:
        assert block.kind == "decode_picture" or bench.artifacts.find(block.artifact)
    assert [block.kind for block in trial.pseudo] == (["decode_picture"] if manifest else [])
    start = len(needed_boundaries(load_compiled(directory).graph))
    assert {segment.first for segment in trial.segments} >= {start}


def test_a_small_device_measures_the_beginning_that_it_can_hold(bench: Bench) -> None:
    directory, made = bench.adopted()
    compiled = load_compiled(directory)
    sizes = [layer.weights for layer in compiled.graph.layers]
    room = int(1.2 * sum(sizes)) - 1
    answer = bench.do("trial", TrialJob(str(directory), made.record.name, made.record.version, room))  # type: ignore[arg-type]
    trial = from_json(ProfileCommand, answer["result"])
    assert 0 < sum(ref.length for ref in trial.whole.weights) < sum(sizes)
    assert "y" not in {spec.name for spec in trial.whole.outputs}
    assert max((segment.last for segment in trial.segments), default=0) < len(sizes)
    none = bench.do("trial", TrialJob(str(directory), made.record.name, made.record.version, 8))  # type: ignore[arg-type]
    assert none["error"]["code"] == "model_too_large"


@pytest.mark.parametrize("manifest", ["", MANIFEST])
def test_a_plan_has_blocks_files_frontiers_and_a_golden_sample(bench: Bench, manifest: str) -> None:
    directory, made = bench.adopted(manifest=manifest)
    board, cloud = profile("b", directory, 0.2), profile("c", directory, 0.01)
    link = LinkProfile(1e7, 1e7, 0.001, 0.001)  # type: ignore[arg-type]
    order = PlanOrder(made.record.name, made.record.version, board, cloud, link)
    answer = bench.do("plan", PlanJob(str(directory), order))
    book = from_json(PlanBook, answer["result"]["book"])
    document = json.loads(answer["result"]["document"])
    assert document["page"] == book.active
    assert {page.name for page in book.pages} >= {"local", "cloud-raw"}
    assert len(book.frontiers) == len(book.blocks) + 1
    assert book.frontiers[-1].tensors == ()
    arrays = golden(bench, book.golden)
    assert {spec.name for frontier in book.frontiers for spec in frontier.tensors} <= set(arrays)
    assert all(
        block.kind == "decode_picture" or bench.artifacts.find(block.artifact) for block in book.blocks
    )
    known = {ref.sha256 for ref in made.weights}
    assert {ref.sha256 for block in book.blocks for ref in block.weights} <= known
    for page in book.pages:
        assert page.stages[0].first == 0
        assert page.stages[-1].last == len(book.blocks)


def test_a_pinned_page_is_active_and_says_what_the_planner_would_take(bench: Bench) -> None:
    directory, made = bench.adopted()
    order = PlanOrder(
        made.record.name, made.record.version, profile("b", directory, 0.2), profile("c", directory, 0.01),
        LinkProfile(1e7, 1e7, 0.001, 0.001), page="local",  # type: ignore[arg-type]
    )  # fmt: skip
    answer = bench.do("plan", PlanJob(str(directory), order))["result"]
    assert answer["book"]["active"] == "local"
    assert "was asked for" in json.loads(answer["document"])["reason"]


def test_a_board_alone_has_a_local_book(bench: Bench) -> None:
    directory, made = bench.adopted()
    board = profile("b", directory, 0.2)
    order = PlanOrder(made.record.name, made.record.version, board, None, None)
    answer = bench.do("plan", PlanJob(str(directory), order))["result"]
    assert [page["name"] for page in answer["book"]["pages"]] == ["local"]


def test_an_infeasible_wish_is_a_typed_error(bench: Bench) -> None:
    directory, made = bench.adopted()
    cloud = profile("c", directory, 0.01)
    order = PlanOrder(made.record.name, made.record.version, None, cloud, None, keep_input_on_board=True)
    answer = bench.do("plan", PlanJob(str(directory), order))
    assert answer["error"]["code"] == "no_feasible_plan"


@pytest.mark.parametrize("ends", [(0, 7), (1, 57), (0, 2), (3, 4)])
def test_segments_lie_inside_and_join(ends: tuple[int, int]) -> None:
    start, end = ends
    pairs = segment_bounds(start, end, [60 - index % 7 for index in range(60)])
    assert all(start <= first < last <= end for first, last in pairs)
    assert all(pair != (start, end) for pair in pairs)
    assert len(set(pairs)) == len(pairs)


def test_a_bug_is_told_before_the_process_dies(tmp_path: Path) -> None:
    asked = json.dumps({"kind": "plan", "state_directory": str(tmp_path), "job": {"nonsense": 1}}) + "\n"
    command = [sys.executable, "-m", "lepton_edge.coordinator.compile"]
    with subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(asked)
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        assert process.wait(10) == 1
    assert answer["dying"] is True
    assert "the coordinator failed on this model" in answer["error"]["message"]


def test_the_process_goes_when_the_coordinator_is_gone() -> None:
    command = [sys.executable, "-m", "lepton_edge.coordinator.compile"]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0

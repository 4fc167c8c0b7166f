"""Documents of a real coordinator's form, drawn: what must be seen is seen."""

from __future__ import annotations

from typing import Any

import pytest

from lepton_edge.core.messages import Deploy, PushModel, RemoveModel, ShowProfile
from tests.lepton_edge.cli.conftest import CommandLine

PI = {
    "device": "pi",
    "role": "board",
    "connected": True,
    "since_heard": 0.4,
    "simulated_slowdown": 8.0,
    "addresses": ["192.168.1.5:8011"],
    "hardware": {"cores": 4, "architecture": "aarch64"},
    "telemetry": {
        "load": 0.25,
        "temperature": 61.2,
        "memory_available": 3_200_000_000,
        "requests_active": 7,
        "queues": [{"model": "net", "active": 7, "waiting": 4, "wait": 0.0125}],
    },
}
SERVER = {
    "device": "server",
    "role": "cloud",
    "connected": False,
    "since_heard": None,
    "simulated_slowdown": 1.0,
    "addresses": ["10.0.0.2:8011"],
    "hardware": {"cores": 16, "architecture": "x86_64"},
    "telemetry": None,
}
MOBILENET = {
    "model": "mobilenetv2",
    "version": "0123456789abcdef",
    "description": "ImageNet classes",
    "weights_bytes": 13_980_000,
    "layers": 54,
    "samples": 32,
    "epoch": 3,
    "page": "cut-4",
}
LINK = {
    "device": "pi",
    "peer": "server",
    "up": 2_360_000.0,
    "down": 2_360_000.0,
    "delay_up": 0.001,
    "delay_down": 0.001,
}


def test_devices_show_age_load_temperature_and_simulation(line: CommandLine) -> None:
    line.tell("devices", devices=[PI, {**SERVER, "telemetry": {"load": 0.0, "temperature": None}}])
    said = line.run("device", "list")
    pi, server = said.out.splitlines()[1:3]
    for word in (
        "pi",
        "board",
        " 0.4 s ago",
        "25%",
        "61 C",
        "7, wait 12.5 ms",
        "3.2 GB",
        "aarch64",
        "SIMULATED 8x slower",
    ):
        assert word in pi
    assert "LOST" in server
    assert "LOST" not in pi
    assert " - " in server, "no temperature is a dash"
    assert "SIMULATED" not in server


def test_an_empty_list_says_what_to_do(line: CommandLine) -> None:
    line.tell("devices", devices=[])
    assert "agent start" in line.run("device", "list").out


def test_status_is_one_screen_with_all_of_it(line: CommandLine) -> None:
    about = {"software": "0.1.0", "term": 2, "uptime": 12.0, "deploying": "resnet", "phase": "profile"}
    line.tell("status", coordinator=about, devices=[PI, SERVER], models=[MOBILENET], links=[LINK])
    said = line.run("status")
    for word in (
        "lepton-edge 0.1.0",
        "deploying resnet (profile)",
        "pi",
        "server",
        "epoch 3, page cut-4",
        "18.88",
        "2.0",
    ):
        assert word in said.out
    assert "pi is SIMULATED 8x slower: its times are no real board's" in said.out
    assert len(said.out.splitlines()) <= 24


def test_the_page_that_an_entry_turned_to_is_said(line: CommandLine) -> None:
    boards = [{"board": "pi", "epoch": 3, "page": "cut-4", "page_now": "local"}]
    line.tell("status", coordinator={}, devices=[], models=[{**MOBILENET, "boards": boards}], links=[])
    assert "page cut-4, now local" in line.run("status").out


def test_status_of_an_empty_house(line: CommandLine) -> None:
    line.tell("status", coordinator={}, devices=[], models=[], links=[])
    said = line.run("status")
    assert "no devices" in said.out
    assert "no models" in said.out


def test_models_and_one_model(line: CommandLine) -> None:
    line.tell("models", models=[MOBILENET, {"model": "net", "epoch": 0}])
    said = line.run("model", "list")
    assert "14.0 MB" in said.out
    assert said.out.splitlines()[2].split() == ["net", "no"]
    line.events.clear()
    inputs = [{"name": "input", "dtype": "float32", "shape": ["N", 3, "", 224], "picture": True}]
    outputs = [{"name": "logits", "labels": True, "top": True}]
    line.tell("model", **MOBILENET, inputs=inputs, outputs=outputs, epochs=[{"epoch": 3, "state": "ACTIVE"}])
    said = line.run("model", "show", "mobilenetv2")
    for word in ("N x 3 x ? x 224", "picture", "labels with scores", "ACTIVE"):
        assert word in said.out


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"codec_samples": [8, 8]}, "loss measured on 8 of 32 samples"),
        ({"codec_samples": [2, 8]}, "loss measured on 2..8 of 32 samples"),
        ({"unmeasured": ["a", "b"]}, "no time to measure a, b; these cross lossless"),
        ({"unmeasured": [f"t{number}" for number in range(11)]}, "t7 and 3 more; these"),
    ],
)
def test_a_model_tells_what_its_codecs_were_measured_on(line: CommandLine, told: Any, says: str) -> None:
    line.tell("model", **MOBILENET, **told)
    assert says in line.run("model", "show", "mobilenetv2").out


def test_push_hands_over_shapes_and_files(line: CommandLine, tmp_path: Any) -> None:
    (tmp_path / "net.onnx").write_bytes(b"onnx")
    line.tell("model", **MOBILENET)
    words = ("model", "push", "net", str(tmp_path / "net.onnx"), "--shape", "x=1,3", "--shape", "a=b=7")
    assert line.run(*words).code == 0
    first = line.calls[0]
    assert isinstance(first, PushModel)
    assert [(one.tensor, one.shape) for one in first.shapes] == [("x", (1, 3)), ("a=b", (7,))]


@pytest.mark.parametrize("shape", ["x", "x=", "x=1,,2", "x=-1", "x=0,3", "=3"])
def test_what_is_no_shape_is_refused(line: CommandLine, shape: str) -> None:
    said = line.run("model", "push", "net", "net.onnx", "--shape", shape)
    assert (said.code, line.calls) == (2, [])
    assert f"--shape {shape}: not a shape / what to do: write --shape INPUT=SIZES" in said.err


def test_remove_says_what_it_did(line: CommandLine) -> None:
    line.tell("model", model="net", removed=True)
    assert "removed net" in line.run("model", "remove", "net").out
    assert line.calls == [RemoveModel("net")]  # type: ignore[arg-type]


def test_a_profile_shows_the_slowest_layers_and_all_on_request(line: CommandLine) -> None:
    layers = [{"node": f"conv{number}", "share": number / 210} for number in range(21)]
    found = {
        "whole": {"median": 0.210, "spread": 0.004, "runs": 20},
        "layers": layers,
        "pseudo": [{"node": "decode_picture", "share": 0.0085}],
        "segments": [{"first": 0, "last": 3, "time": {"median": 0.05, "spread": 0.001, "runs": 9}}],
        "codecs": [{"tensor": "t", "codec": "f16", "encode": 0.0004, "decode": 0.0002, "wire_bytes": 75_264}],
        "engine": "onnxruntime 1.23",
        "threads": 4,
    }
    line.tell("profile", devices=[{"device": "pi", "simulated_slowdown": 8.0, "profile": found}])
    said = line.run("profile", "show", "mobilenetv2", "--no-measure")
    for word in ("210.0 +- 4.0 ms whole", "SIMULATED 8x", "conv20", "9.5%", "20.0", "0..3", "75.3 kB"):
        assert word in said.out
    assert "conv1 " not in said.out
    assert line.calls == [ShowProfile("mobilenetv2", measure=False)]  # type: ignore[arg-type]
    everything = line.run("profile", "show", "mobilenetv2", "--all").out
    assert "conv1 " in everything
    assert "decode_picture" in everything
    assert "8.5" in everything


def test_deploy_passes_wishes_on_and_says_what_is_active(line: CommandLine) -> None:
    line.tell("deployment", model="net", epoch=4, page="cut-2", plan={})
    words = ("--keep-input-on-board", "--page", "cut-2", "--device", "board=pi", "--device", "cloud=server")
    said = line.run("deploy", "net", *words)
    assert said.code == 0, said.err
    assert "active: epoch 4, page 'cut-2'" in said.out
    assert line.calls == [Deploy("net", True, False, "pi", "server", "cut-2")]  # type: ignore[arg-type]


def test_a_dry_run_is_said_to_be_one(line: CommandLine) -> None:
    line.tell("deployment", model="net", epoch=0, page="local", plan={})
    assert "planned only" in line.run("deploy", "net", "--dry-run").out


@pytest.mark.parametrize("device", ["pi", "gateway=pi", "board="])
def test_a_device_is_chosen_by_role(line: CommandLine, device: str) -> None:
    assert line.run("deploy", "net", "--device", device).code == 2


@pytest.mark.parametrize(
    ("words", "schema"),
    [
        (("device", "list"), "devices"),
        (("model", "list"), "models"),
        (("model", "show", "net"), "model"),
        (("profile", "show", "net"), "profile"),
        (("deploy", "net"), "deployment"),
        (("plan", "explain", "net"), "plan"),
        (("status",), "status"),
    ],
)
def test_json_is_the_document_itself(line: CommandLine, words: tuple[str, ...], schema: str) -> None:
    line.tell(schema, schema=f"lepton-edge/{schema}/1", answer="äöü", extra=[1, None])
    said = line.run(*words, "--format", "json")
    assert said.code == 0, said.err
    assert said.document == {"schema": f"lepton-edge/{schema}/1", "answer": "äöü", "extra": [1, None]}
    assert "äöü" in said.out

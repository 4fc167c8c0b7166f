"""The cloud answers when it can; the board answers when it cannot."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.thirty_lines import app
from examples.thirty_lines.app import Application, Settings
from examples.thirty_lines.picture import PictureError


@pytest.fixture
def model(demo_folder: Path) -> Path:
    # fp32 answers like int8 on easy pictures, and no test has to wait for a quantization.
    return demo_folder / "mobilenetv2.onnx"


@pytest.fixture
def silence() -> Iterator[str]:
    """Yield the address of a server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def nobody() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def test_the_cloud_answers(model: Path, cloud: str, coffee: bytes) -> None:
    with Application(model, Settings(server=cloud, timeout=10)) as application:
        answers = [application.classify(coffee) for _ in range(2)]

    assert [(answer.index, answer.where) for answer in answers] == [(967, "cloud")] * 2


def test_shrinking_first_gives_the_same_answer(model: Path, cloud: str, coffee: bytes) -> None:
    with Application(model, Settings(server=cloud, timeout=10, shrink=True)) as application:
        answer = application.classify(coffee)

    assert (answer.index, answer.where) == (967, "cloud")


def test_a_late_cloud_costs_its_timeout_once_and_the_board_answers(
    model: Path, silence: str, coffee: bytes
) -> None:
    application = Application(model, Settings(server=silence, timeout=0.2))

    first, second = application.classify(coffee), application.classify(coffee)

    assert [(first.index, first.where), (second.index, second.where)] == [(967, "board")] * 2
    assert first.milliseconds >= 200
    assert second.milliseconds < first.milliseconds - 100


def test_a_dead_cloud_is_asked_again_later(
    model: Path, nobody: str, coffee: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "PAUSE_AFTER_FAILURE", 0.0)
    application = Application(model, Settings(server=nobody, timeout=0.2))
    assert application.classify(coffee).where == "board"
    host, port = nobody.split(":")

    with socket.create_server((host, int(port))) as listener:
        assert application.classify(coffee).where == "board"
        listener.settimeout(1)
        listener.accept()[0].close()


def test_without_a_server_the_board_answers(model: Path, coffee: bytes) -> None:
    assert Application(model, Settings()).classify(coffee).where == "board"


def test_simulated_slowness_multiplies_local_work(model: Path, coffee: bytes) -> None:
    Application(model, Settings()).classify(coffee)
    started = time.perf_counter()
    with app._slowed(5):
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass
    assert time.perf_counter() - started >= 0.1


def test_a_broken_picture_is_a_typed_error(model: Path, cloud: str) -> None:
    settings = Settings(server=cloud, timeout=10)
    with Application(model, settings) as application, pytest.raises(PictureError):
        application.classify(b"no picture")


def test_the_command_prints_one_object_per_picture(
    demo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(demo_folder / "mobilenetv2.onnx", tmp_path / "mobilenetv2_int8.onnx")
    shutil.copy(demo_folder / "imagenet_labels.txt", tmp_path)
    coffee, broken = demo_folder / "pictures" / "coffee.jpg", tmp_path / "imagenet_labels.txt"

    app.main([str(tmp_path), str(coffee), str(broken), "--repeat", "2", "--simulate-slow", "2"])

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["picture"] for line in lines] == ["coffee.jpg", "imagenet_labels.txt"] * 2
    assert (lines[0]["name"], lines[0]["where"], lines[0]["simulated_slow"]) == ("espresso", "board", 2)
    assert "send a JPEG" in lines[1]["error"]


def test_a_factor_below_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        app.main(["folder", "picture.jpg", "--simulate-slow", "0.5"])
    assert "at least 1" in capsys.readouterr().err


def test_the_application_owes_nothing_to_the_product() -> None:
    folder = Path(app.__file__).parent
    for path in folder.glob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert "import lepton_edge" not in source
        assert "from lepton_edge" not in source
        assert "partitioner import" not in source

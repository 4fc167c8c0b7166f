"""`lepton-edge infer`: files in, an answer out."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from lepton_edge.client import reply
from lepton_edge.core.frames import Frame, Hop, LabelScore, WireError
from lepton_edge.core.messages import ShowModel
from partitioner.units import DeviceId, TensorName
from tests.lepton_edge.cli.conftest import CommandLine

HOPS = (
    Hop(
        DeviceId("pi"),
        0,
        2,
        compute=0.024,
        network=0.03,
        total=0.07,
        simulated_slowdown=8.0,
        bytes_out=15_000,
    ),
    Hop(DeviceId("server"), 2, 5, compute=0.004, total=0.01),
)


def espresso(frame: Frame) -> Frame:
    labels = (LabelScore(TensorName("logits"), 0, 967, "espresso", 0.91),)
    answered = reply(
        frame, {"file": np.arange(3, dtype=np.float32), "big": np.zeros((1, 1000))}, labels, "cut-3"
    )
    return Frame(**{**vars(answered), "hops": HOPS, "reason": "fastest"})


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "coffee.jpg"
    path.write_bytes(b"jpeg")
    return path


def test_a_picture_feeds_the_only_input(line: CommandLine, picture: Path) -> None:
    line.answer = espresso
    line.tell("model", inputs=[{"name": "image"}])
    said = line.run("infer", "mobilenetv2", "--input", str(picture))
    assert said.code == 0, said.err
    assert line.calls == [ShowModel("mobilenetv2")]  # type: ignore[arg-type]
    (tensor,) = line.frames[0].tensors
    assert (tensor.name, bytes(tensor.payload)) == ("image", b"jpeg")
    for word in (
        "espresso",
        "0.9100",
        "cut-3",
        "fastest",
        "24.0",
        "15.0 kB",
        "SIMULATED 8x slower",
        "1 x 1000",
    ):
        assert word in said.out


def test_which_input_must_be_said_when_there_are_several(line: CommandLine, picture: Path) -> None:
    line.tell("model", inputs=[{"name": "a"}, {"name": "b"}])
    said = line.run("infer", "net", "--input", str(picture))
    assert said.code == 6
    assert "--input a=FILE" in said.err
    assert line.frames == []


def test_without_a_coordinator_it_says_how_to_do_without(line: CommandLine, picture: Path) -> None:
    line.events.append(WireError("unavailable", "nobody answers at c:8010", "start one"))
    said = line.run("infer", "net", "--input", str(picture))
    assert said.code == 3
    assert "--input NAME=FILE" in said.err


def test_named_arrays_need_no_coordinator(line: CommandLine, tmp_path: Path) -> None:
    line.answer = espresso
    np.save(tmp_path / "x.npy", np.ones((1, 3), np.int64))
    np.savez(tmp_path / "rest.npz", y=np.zeros(2, np.float32))
    said = line.run("infer", "net", "-i", f"x={tmp_path / 'x.npy'}", "-i", str(tmp_path / "rest.npz"))
    assert said.code == 0, said.err
    assert [(one.name, one.dtype, one.shape) for one in line.frames[0].tensors] == [
        ("x", "int64", (1, 3)), ("y", "float32", (2,)),
    ]  # fmt: skip
    assert line.calls == []


def test_outputs_are_written_whatever_their_names(line: CommandLine, picture: Path, tmp_path: Path) -> None:
    line.answer = espresso
    out = tmp_path / "out.npz"
    assert line.run("infer", "net", "-i", f"x={picture}", "--output", str(out)).code == 0
    with np.load(out) as archive:
        assert archive["file"].tolist() == [0, 1, 2]
        assert archive["big"].shape == (1, 1000)


def test_json_has_small_outputs_by_value_and_every_hop(line: CommandLine, picture: Path) -> None:
    line.answer = espresso
    told = line.run("infer", "net", "-i", f"x={picture}", "--format", "json").document
    assert told["schema"] == "lepton-edge/result/1"
    assert told["outputs"][0]["values"] == [0, 1, 2]
    assert "values" not in told["outputs"][1]
    assert [hop["device"] for hop in told["hops"]] == ["client", "pi", "server"]
    assert told["labels"][0]["label"] == "espresso"


def test_wishes_reach_the_entry(line: CommandLine, picture: Path) -> None:
    line.answer = espresso
    line.run(
        "infer", "net", "-i", f"x={picture}", "--page", "local", "--deadline", "2", "--coordinator", "pi:8011"
    )
    assert (line.frames[0].page, line.addresses) == ("local", ["pi:8011"])
    assert 1900 < line.frames[0].remaining_ms <= 2000


def test_the_coordinator_comes_from_the_environment(line: CommandLine, picture: Path) -> None:
    line.answer = espresso
    line.run("infer", "net", "-i", f"x={picture}", LEPTON_EDGE_COORDINATOR="c:8010")
    assert line.addresses == ["c:8010"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("-i", "x=gone.jpg"), 6, "gone.jpg"),
        (("-i", "x={broken}"), 6, "broken.npz"),
        (("-i", "{broken}"), 6, "broken.npz"),
        ((), 2, "input"),
        (("-i", "x={picture}"), 7, "push it"),
        (("-i", "x={picture}", "--deadline", "0"), 8, "already past"),
        (("-i", "x={picture}", "-o", "/nowhere/out.npz"), 2, "there is no folder /nowhere"),
    ],
)
def test_what_goes_wrong_is_said_with_its_status(
    line: CommandLine, picture: Path, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "broken.npz").write_bytes(b"no zip")
    filled = [word.format(broken=tmp_path / "broken.npz", picture=picture) for word in words]
    ended = line.run("infer", "net", *filled)
    assert ended.code == code
    assert said in ended.err


def test_an_unreadable_npz_by_name_is_not_sent_as_a_picture(line: CommandLine, tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=np.ones(1), b=np.ones(1))
    ended = line.run("infer", "net", "-i", f"x={tmp_path / 'two.npz'}")
    assert ended.code == 6
    assert "without a name" in ended.err


def test_json_never_holds_a_bare_nan(line: CommandLine, picture: Path) -> None:
    line.answer = lambda frame: reply(frame, {"y": np.array([np.nan, np.inf, -np.inf, 0.5], np.float32)})
    said = line.run("infer", "net", "--input", f"x={picture}", "--format", "json")
    assert not {"NaN", "Infinity", "-Infinity"} & set(said.out.replace(",", " ").split())
    assert said.document["outputs"][0]["values"] == [None, None, None, 0.5]
    drawn = line.run("infer", "net", "--input", f"x={picture}").out
    assert "nan, inf, -inf, 0.5" in drawn


def test_only_a_full_disk_is_called_full(
    line: CommandLine, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.answer = espresso
    for number, status in ((errno.ENOSPC, 5), (errno.EACCES, 2)):

        def refuse(*_: object, number: int = number, **__: object) -> None:
            raise OSError(number, "refused")

        monkeypatch.setattr("zipfile.ZipFile.open", refuse)
        ended = line.run("infer", "net", "-i", f"x={picture}", "-o", str(tmp_path / "out.npz"))
        assert ended.code == status, ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("status", "--coordinator", "foo"),
            "--coordinator (or the variable LEPTON_EDGE_COORDINATOR): 'foo'",
        ),
        (("coordinator", "start", "--port", "x"), "'--port'"),
        (("infer", "net", "-i", "x=a.jpg", "--deadline", "x"), "'--deadline'"),
    ],
)
def test_a_wrong_option_is_named_in_plain_words(line: CommandLine, words: tuple[str, ...], said: str) -> None:
    ended = line.run(*words)
    assert ended.code == 2
    assert said in ended.err
    assert "Input should be" not in ended.err
    assert "unable to parse" not in ended.err

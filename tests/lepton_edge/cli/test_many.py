"""`lepton-edge infer` of many files: which go together, a line each, what they took, what failed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lepton_edge.client import failure, reply
from lepton_edge.core.errors import ComputeFailed, InvalidInput, Superseded
from lepton_edge.core.frames import Frame, Hop
from partitioner.units import DeviceId
from tests.lepton_edge.cli.conftest import CommandLine, Said


def answer(frame: Frame) -> Frame:
    told = bytes(frame.tensors[0].payload)
    if told == b"bad":
        return failure(frame, ComputeFailed("it broke", "look"))
    replied = reply(frame, {"y": np.float32([len(told)])})
    hops = (Hop(DeviceId("pi"), 0, 2, compute=0.02, total=0.03),)
    return Frame(**{**vars(replied), "hops": hops})


@pytest.fixture
def pictures(tmp_path: Path, line: CommandLine) -> Path:
    line.answer = answer
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, name in enumerate(("b.jpg", "a.jpg", "c.jpg", ".hidden")):
        (folder / name).write_bytes(b"x" * (number + 1))
    return folder


def lines(said: Said) -> list[dict[str, object]]:
    return [json.loads(one) for one in said.out.splitlines()]


@pytest.mark.parametrize("place", ["{folder}", "{folder}/*.jpg"])
def test_a_folder_or_a_pattern_is_many_in_the_order_of_names(
    line: CommandLine, pictures: Path, place: str
) -> None:
    said = line.run("infer", "net", "-i", f"x={place.format(folder=pictures)}", "--format", "json")
    assert said.code == 0, said.err
    told = lines(said)
    assert [Path(str(one["source"])).name for one in told] == ["a.jpg", "b.jpg", "c.jpg"]
    assert [one["index"] for one in told] == [0, 1, 2]
    assert [one["outputs"][0]["values"] for one in told] == [[2.0], [1.0], [3.0]]  # type: ignore[index]
    assert "3 answers in" in said.err


def test_files_may_be_named_without_an_option(line: CommandLine, pictures: Path) -> None:
    line.tell("model", inputs=[{"name": "image"}])
    said = line.run("infer", "net", str(pictures / "a.jpg"), str(pictures / "c.jpg"))
    assert said.code == 0, said.err
    assert [frame.tensors[0].name for frame in line.frames] == ["image", "image"]
    assert len(line.calls) == 1, "the model is asked for once"
    first, second = said.out.splitlines()
    assert "a.jpg" in first
    assert "local" in first
    assert "c.jpg" in second


def test_the_nth_goes_with_the_nth_and_a_single_one_with_each(
    line: CommandLine, pictures: Path, tmp_path: Path
) -> None:
    for number in range(3):
        np.save(tmp_path / f"n{number}.npy", np.int64([number]))
    np.savez(tmp_path / "rest.npz", z=np.int64([9]))
    given = ["-i", f"x={pictures}", "-i", f"k={tmp_path}/n*.npy", "-i", str(tmp_path / "rest.npz")]
    assert line.run("infer", "net", *given).code == 0
    sent = [{tensor.name: bytes(tensor.payload)[:1] for tensor in frame.tensors} for frame in line.frames]
    assert sorted(one["k"] for one in sent) == [b"\0", b"\1", b"\2"]  # type: ignore[index]
    assert all(one["z"] == b"\t" for one in sent)  # type: ignore[index]


def test_files_that_do_not_go_together_are_refused(line: CommandLine, pictures: Path) -> None:
    said = line.run("infer", "net", "-i", f"x={pictures}", "-i", f"k={pictures}/[ab].jpg")
    assert said.code == 6
    assert "as many files, or one" in said.err
    assert line.frames == []


@pytest.mark.parametrize("place", ["nowhere/*.jpg", "{empty}"])
def test_nothing_to_ask_is_said(line: CommandLine, tmp_path: Path, place: str) -> None:
    said = line.run("infer", "net", "-i", f"x={place.format(empty=tmp_path)}")
    assert said.code == 6
    assert "there is no file" in said.err


def test_one_that_fails_is_a_line_and_the_status_in_the_end(line: CommandLine, pictures: Path) -> None:
    (pictures / "b.jpg").write_bytes(b"bad")
    said = line.run("infer", "net", "-i", f"x={pictures}", "--format", "json")
    assert said.code == 11
    told = lines(said)
    assert [one["schema"] for one in told] == [
        "lepton-edge/result/1", "lepton-edge/error/1", "lepton-edge/result/1",
    ]  # fmt: skip
    assert told[1]["code"] == "compute_failed"
    assert "1 of 3 failed; the first" in said.err
    assert "b.jpg: it broke" in said.err
    assert "2 answers in" in said.err
    assert "FAILED compute_failed" in line.run("infer", "net", "-i", f"x={pictures}").out


def test_outputs_of_many_go_to_a_folder(line: CommandLine, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert line.run("infer", "net", "-i", f"x={pictures}", "-o", str(out)).code == 0
    assert sorted(path.name for path in out.iterdir()) == ["000000-a.npz", "000001-b.npz", "000002-c.npz"]
    with np.load(out / "000000-a.npz") as archive:
        assert archive["y"].tolist() == [2]
    said = line.run("infer", "net", "-i", f"x={pictures}", "-o", str(pictures / "a.jpg"))
    assert said.code == 2
    assert "name a folder" in said.err


def test_repeat_tells_what_it_took_in_all_and_on_each_device(line: CommandLine, pictures: Path) -> None:
    asked = ("infer", "net", "-i", f"x={pictures / 'a.jpg'}", "--repeat", "20")
    told = line.run(*asked, "--format", "json").document
    assert (told["schema"], told["requests"], told["failed"]) == ("lepton-edge/latency/1", 20, 0)
    assert told["latency"]["p50"] <= told["latency"]["p99"] <= told["latency"]["max"]
    assert told["pages"] == {"local": 20}
    assert told["first"] > 0
    assert len(line.frames) == 21, "and one that connects"
    client, pi = told["hops"]
    assert (client["device"], pi["device"], pi["requests"]) == ("client", "pi", 20)
    assert pi["compute"]["p50"] == pytest.approx(0.02)
    drawn = line.run(*asked).out
    for word in ("pi", "20.0", "p90", "p99", "20 answers", "pages: local 20", "not counted"):
        assert word in drawn


def test_repeat_ends_at_the_first_failure(line: CommandLine, pictures: Path) -> None:
    (pictures / "a.jpg").write_bytes(b"bad")
    assert line.run("infer", "net", "-i", f"x={pictures / 'a.jpg'}", "--repeat", "5").code == 11


def test_repeat_counts_what_gave_way_to_a_newer_request(line: CommandLine, pictures: Path) -> None:
    seen: list[Frame] = []

    def crowded(frame: Frame) -> Frame:
        seen.append(frame)
        return failure(frame, Superseded("a newer one", "take it")) if len(seen) == 3 else answer(frame)

    line.answer = crowded
    said = line.run("infer", "net", "-i", f"x={pictures / 'c.jpg'}", "--repeat", "5", "--format", "json")
    assert (said.code, said.document["requests"], said.document["failed"]) == (0, 5, 1)


def test_the_fault_of_a_source_ends_the_command_with_the_files_name(
    line: CommandLine, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "arrays"
    folder.mkdir()
    np.savez(folder / "a.npz", x=np.ones(1))
    (folder / "b.npz").write_bytes(b"no zip")
    said = line.run("infer", "net", "-i", str(folder))
    assert said.code == 6
    assert "b.npz" in said.err


def test_a_wrong_input_of_one_is_its_own_only(line: CommandLine, pictures: Path) -> None:
    seen: list[Frame] = []

    def once(frame: Frame) -> Frame:
        seen.append(frame)
        return failure(frame, InvalidInput("no picture")) if len(seen) == 1 else answer(frame)

    line.answer = once
    said = line.run("infer", "net", "-i", f"x={pictures}", "--in-flight", "1")
    assert said.code == 6
    assert len(said.out.splitlines()) == 3

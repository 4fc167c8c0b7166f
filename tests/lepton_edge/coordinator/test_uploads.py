"""An upload on its way to the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_edge.coordinator.uploads import MAX_PARTS, Spool
from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.messages import PushModel, ShapeBinding, Upload
from partitioner.units import Bytes, ModelName


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, Bytes(1 << 20))


def test_external_data_lies_beside_the_model_under_its_own_name(spool: Spool, tmp_path: Path) -> None:
    spool.add(Upload("model", b"m", last=True))
    spool.add(Upload("data:weights.data", b"w", last=True))
    assert (tmp_path / "weights.data").read_bytes() == b"w"
    assert spool.files["model"].parent == tmp_path


@pytest.mark.parametrize("name", ["..", "a/b", "/etc/passwd", "model.onnx", ".hidden", ""])
def test_external_data_never_becomes_another_path(spool: Spool, name: str) -> None:
    with pytest.raises(InvalidInput):
        spool.add(Upload(f"data:{name}", b"w", last=True))


def test_a_sample_may_be_called_anything_and_keeps_only_its_suffix(spool: Spool, tmp_path: Path) -> None:
    spool.add(Upload("model", b"m", last=True))
    spool.add(Upload("sample:../../x/../photo.JPG", b"p", last=True))
    job = spool.job(
        PushModel(ModelName("net"), (ShapeBinding("x", (1, 2)),)), ModelName("net"), tmp_path / "into"
    )
    ((name, path),) = job.samples
    assert name == "../../x/../photo.JPG"
    assert Path(path).parent == tmp_path
    assert Path(path).suffix == ".jpg"
    assert job.shapes == (("x", (1, 2)),)


def test_a_part_comes_once_and_there_are_not_too_many(spool: Spool) -> None:
    spool.add(Upload("model", b"m", last=True))
    with pytest.raises(InvalidInput, match="came twice"):
        spool.add(Upload("model", b"m", last=True))
    for number in range(MAX_PARTS - 1):
        spool.add(Upload(f"sample:{number}.png", b"", last=True))
    with pytest.raises(InvalidInput, match="more than"):
        spool.add(Upload("sample:more.png", b"", last=True))


def test_too_much_is_refused_when_it_is_too_much(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Bytes(10))
    spool.add(Upload("model", b"x" * 10))
    with pytest.raises(InvalidInput, match="larger than the 10 bytes"):
        spool.add(Upload("model", b"x"))
    spool.close()


def test_trained_codecs_come_by_folder_and_file_and_become_no_path(spool: Spool, tmp_path: Path) -> None:
    spool.add(Upload("model", b"m", last=True))
    for name in ("0-../up/encoder.onnx", "0-../up/decoder.onnx"):
        spool.add(Upload(f"coder:{name}", b"x", last=True))
    spool.finish()
    job = spool.job(PushModel(ModelName("net")), ModelName("net"), tmp_path / "into")
    assert [name for name, _ in job.coders] == ["0-../up/encoder.onnx", "0-../up/decoder.onnx"]
    assert {Path(path).parent for _, path in job.coders} == {tmp_path}

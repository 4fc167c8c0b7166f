"""The bench of published instances: one row a file, and a sentence for a bad one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.published import main, pipeedge_chain

FOLDER = Path(__file__).parent.parent / "partitioner" / "solve" / "published"
Document = dict[str, Any]


def test_one_row_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["msr_bert24_layers", "pipeedge_vit_base"]
    assert main([str(FOLDER / f"{name}.json") for name in names]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["file"] for row in rows] == [f"{name}.json" for name in names]
    assert [row["optimum"] for row in rows] == pytest.approx([17.78990625, 1.5487600088], abs=5e-10)
    assert all(row["lower_bound"] == row["optimum"] and row["seconds"] >= 0 for row in rows)


def test_what_a_file_expects_is_not_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads((FOLDER / "pipeedge_vit_base.json").read_text())
    del found["expect"]
    (tmp_path / "bare.json").write_text(json.dumps(found))
    assert main([str(tmp_path / "bare.json")]) == 0
    assert json.loads(capsys.readouterr().out)["optimum"] == pytest.approx(1.5487600088, abs=5e-10)


def test_how_many_devices_may_be_said_by_device_or_by_file() -> None:
    found = json.loads((FOLDER / "pipeedge_vit_base.json").read_text())
    name = next(iter(found["devices"]))
    found["devices_available"] = dict.fromkeys(found["devices"], 2)
    found["devices"][name]["count"] = 3
    assert [kind.count for kind in pipeedge_chain(found).kinds] == [3, 2]


def test_no_file_is_a_question_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err
    assert main(["--help"]) == 0


def without(name: str) -> Callable[[Document], object]:
    return lambda found: found.pop(name)


BREAKS: dict[str, tuple[Callable[[Document], object], str]] = {
    "no devices": (without("maxFPGAs"), "lacks 'maxFPGAs'"),
    "no edges": (without("edges"), "no known format"),
    "twin": (lambda found: found["nodes"].append(found["nodes"][0]), "same id"),
    "stray edge": (lambda found: found["edges"][0].update(destId=9999), "names node 9999"),
    "two costs": (
        lambda found: found["edges"][1].update(sourceId=found["edges"][-1]["sourceId"], cost=77),
        "one cost",
    ),
    "circle": (lambda found: found["edges"].append({"sourceId": 32, "destId": 1, "cost": 0.0}), "circle"),
    "text": (lambda found: found["nodes"][0].update(cpuLatency="fast"), "wrong kind"),
    "nan": (lambda found: found["nodes"][0].update(cpuLatency=float("nan")), "is nan"),
    "negative": (lambda found: found["nodes"][0].update(fpgaLatency=-1.0), "is -1.0"),
    "list": (lambda found: found.update(nodes=3), "wrong kind"),
    "nobody": (lambda found: found.update(maxFPGAs=0, maxCPUs=0), "no devices"),
    "tiny": (lambda found: found.update(maxFPGAs=1, maxCPUs=0, maxSizePerFPGA=5e8), "all nodes need"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_bad_file_ends_with_status_2(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads((FOLDER / "msr_bert24_layers.json").read_text())
    broken, message = BREAKS[name]
    broken(found)
    (tmp_path / "bad.json").write_text(json.dumps(found))
    assert main([str(tmp_path / "bad.json"), str(FOLDER / "pipeedge_vit_base.json")]) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert len(told.err.splitlines()) == 1
    assert len(told.out.splitlines()) == 1  # the good one is solved all the same


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"a": 1}', "\xff"])
def test_what_is_no_instance_is_told(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="latin-1")
    assert main([str(path)]) == 2
    assert str(path) in capsys.readouterr().err
    assert main([str(tmp_path / "none.json")]) == 2

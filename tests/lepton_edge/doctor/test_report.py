"""A report for a terminal, for a program, and for a bug report without what is nobody's business."""

from __future__ import annotations

import json
from pathlib import Path

from lepton_edge.doctor import Finding, Level, Report
from lepton_edge.doctor.report import published
from tests.lepton_edge.doctor.test_checks import PI

FINE = Finding("clock", Level.OK, "the clock is kept right")
HOT = Finding("heat", Level.PROBLEM, "the processor has 90 degrees", "give it a fan")


def test_what_is_worst_comes_first_with_its_fix() -> None:
    lines = list(Report("agent", PI, (FINE, HOT)).lines())
    assert lines[0] == "PROBLEM  heat: the processor has 90 degrees"
    assert lines[1].strip() == "-> give it a fan"
    assert lines[2].startswith("ok ")
    assert not Report("agent", PI, (FINE, HOT)).healthy
    assert Report("agent", PI, (FINE,)).healthy


def test_the_document_is_json_with_a_schema() -> None:
    told = json.loads(json.dumps(Report("agent", PI, (HOT,)).document()))
    assert told["schema"] == "lepton-edge/doctor/1"
    assert told["findings"][0]["level"] == "problem"
    assert told["machine"]["hardware"]["processor"].startswith("Raspberry Pi")


def test_no_secret_home_or_public_address_is_published() -> None:
    token = "LE1." + "ab" * 32 + ".id1.s3cret-_x"
    key = "-----BEGIN PRIVATE KEY-----\nMIG\n-----END PRIVATE KEY-----"
    told = published(f"{Path.home()}/x {token} {key} 8.8.4.4:1 192.168.1.2:8010 172.20.0.1")
    assert told == "~/x [removed] [removed] [address]:1 192.168.1.2:8010 172.20.0.1"


def test_no_name_of_a_machine_a_device_or_a_model_is_published() -> None:
    text = "kitchen-pi answers the coordinator edge.example.com:8010; secret-net (epoch 1) on kitchen-pi; kitchen-pi2"
    told = published(text, ("kitchen-pi", "", "secret-net", "board"))
    assert told == "[name 1] answers the coordinator [host]:8010; [name 3] (epoch 1) on [name 1]; kitchen-pi2"
    assert (
        published("a board beside the coordinator", ("board", "coordinator"))
        == "a board beside the coordinator"
    )


def test_what_a_report_needs_is_left_in_it() -> None:
    text = "Python 3.11.2, onnxruntime 1.23.2, 2026-11-22 10:15:30; ::1 fe80::1 fd00:1:2::3 0.0.0.0:8010"
    assert published(text) == text


def test_public_addresses_and_others_homes_go() -> None:
    text = "[2001:db8:0:1::42]:8010 at /home/anna/venv and 203.0.113.7:8011"
    assert published(text) == "[[address]]:8010 at ~/venv and [address]:8011"


def test_the_block_to_paste_names_versions_and_findings() -> None:
    block = Report("agent", PI, (FINE, HOT)).paste()
    assert block.startswith("```\nlepton-edge ")
    assert "onnxruntime 1.23.2" in block
    assert "PROBLEM heat" in block

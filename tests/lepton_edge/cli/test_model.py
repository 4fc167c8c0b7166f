"""What `model list` and `model show` say of variants."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lepton_edge.cli.model import columns_of, variant_lines
from lepton_edge.client import Client, MockTransport
from lepton_edge.core.messages import AdminCall, AdminEvent, Deploy, Document
from tests.lepton_edge.cli.conftest import CommandLine

DIFFERS = {
    "from": "net",
    "weights_bytes": 3_500_000,
    "its_weights_bytes": 14_000_000,
    "operators": ["ai.onnx/DequantizeLinear", "ai.onnx/QuantizeLinear"],
    "without": [],
}


def test_the_list_says_whose_variant_each_is_only_where_one_is() -> None:
    headers = [[column.title for column in columns_of([{"variant_of": whose}])] for whose in ("", "net")]
    assert "variant of" not in headers[0]
    assert [one for one in headers[1] if one != "variant of"] == headers[0]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, []),
        ({"variant_of": "net", "differs": None}, ["variant of net, which is not there"]),
        (
            {"variant_of": "net", "differs": DIFFERS},
            [
                "variant of net: 3.5 MB of weights instead of 14.0 MB; "
                "operators of its own: DequantizeLinear, QuantizeLinear"
            ],
        ),
        (
            {"variants": [{"model": "net-int8", "version": "v1", "weights_bytes": 3_500_000}]},
            ["variants: net-int8 (3.5 MB of weights)"],
        ),
    ],
)
def test_a_model_says_how_it_differs_and_which_variants_it_has(
    told: dict[str, object], said: list[str]
) -> None:
    assert variant_lines(told) == said


def test_a_push_that_deploys_asks_for_both_and_tells_how_the_deployment_ended(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def answer(calls: list[AdminCall]) -> list[AdminEvent]:
        asked.append(type(calls[0]).__name__)
        told = {"model": "net", "board": "roof", "epoch": 1, "page": "local", "plan": {}}
        schema = "deployment" if isinstance(calls[0], Deploy) else "model"
        return [Document(f"lepton-edge/{schema}/1", json.dumps(told))]

    def client(address: str | None) -> Client:
        return Client(transport=MockTransport(line.answer, answer))

    monkeypatch.setattr("lepton_edge.cli.connect.make_client", client)
    (tmp_path / "net.onnx").write_bytes(b"a model")
    said = line.run("model", "push", "net", str(tmp_path / "net.onnx"), "--deploy")
    assert (said.code, asked[-1]) == (0, "Deploy"), said.err
    assert "net: active: epoch 1, page 'local'" in said.out

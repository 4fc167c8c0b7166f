"""What `model list` and `model show` say of variants."""

from __future__ import annotations

import pytest

from lepton_edge.cli.model import columns_of, variant_lines

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

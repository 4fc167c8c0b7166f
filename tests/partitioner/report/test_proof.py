"""What the solver proved, told without infinities."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

from partitioner.book import Draft
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.report import explain
from partitioner.report.proof import label_of, objective_name
from partitioner.solve.problem import EGRESS, LATENCY, THROUGHPUT, Layout, Objective
from partitioner.units import CodecName, DeviceId

Document = dict[str, Any]


def test_a_full_document_is_json_and_finite(full_document: Document) -> None:
    text = json.dumps(full_document, allow_nan=False)
    assert json.loads(text) == full_document
    assert full_document["energy_is"] == "declared"


def test_plan_front_rivals_flips_and_regret(full_document: Document) -> None:
    assert full_document["plan"]["throughput"] == pytest.approx(2 / 0.0612)
    assert full_document["plan"]["gap"] == pytest.approx(0.02)
    assert [one["chosen"] for one in full_document["pareto"]] == [True, False, False]
    assert [one["label"] for one in full_document["pareto"]] == [
        "board to layer5, rest cloud", "board to layer2, rest cloud", "board alone",
    ]  # fmt: skip
    assert [one["factor"] for one in full_document["flips"]] == [2.31, 0.42]
    assert full_document["alternatives"][0]["stages"][0]["layers"] == 15
    assert full_document["regret"]["scenarios"] == 63


def test_of_one_cut_with_other_codecs_the_one_of_the_page_is_chosen(
    compiled: CompiledModel, full_draft: Draft, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile
) -> None:
    taken = next(one for one in full_draft.candidates if one.page.name == full_draft.active)
    codecs = taken.page.stages[0].codecs
    assert codecs
    others = tuple(dataclasses.replace(one, codec=CodecName("float16")) for one in codecs)
    assert others != codecs
    whole = frozenset(range(len(compiled.graph.layers)))
    layout = Layout((DeviceId("board"), DeviceId("cloud")), (taken.down_set, whole - taken.down_set))
    base = dataclasses.replace(full_draft.front[0], layout=layout)
    front = [
        dataclasses.replace(base, costs=dataclasses.replace(base.costs, codecs=(choice,)))
        for choice in (others, codecs)
    ]
    draft = dataclasses.replace(full_draft, front=tuple(front), plan=front[0])
    told = explain(compiled, draft, board, cloud, lte)
    assert [one["chosen"] for one in told["pareto"]] == [False, True]
    other = dataclasses.replace(draft, front=(front[0], full_draft.front[1]))
    assert [one["chosen"] for one in explain(compiled, other, board, cloud, lte)["pareto"]] == [True, False]


def test_what_no_solver_told_is_empty(document: Document) -> None:
    assert document["limits"]["latency"] is None
    assert document["limits"]["throughput"] is None
    assert json.dumps(document, allow_nan=False)
    assert not math.isinf(document["bound"]["gap"])


def test_objectives_have_names() -> None:
    assert objective_name(LATENCY) == "latency"
    assert objective_name(THROUGHPUT) == "throughput"
    assert objective_name(EGRESS) == "egress"
    assert objective_name(Objective(latency=1.0, energy=0.2)) == "1 x latency + 0.2 x energy"


def test_a_relay_is_named_too() -> None:
    stages = [
        {"device": "board", "layers": 0, "last": ""},
        {"device": "gateway", "layers": 3, "last": "b"},
        {"device": "cloud", "layers": 3, "last": "f"},
    ]
    assert label_of(stages) == "board, gateway to b, rest cloud"
    assert label_of(stages[:2]) == "all on gateway"

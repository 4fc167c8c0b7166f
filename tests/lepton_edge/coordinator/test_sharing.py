"""Plans are shared by who differs in name alone."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from lepton_edge.coordinator import sharing
from lepton_edge.coordinator.records import CloudLoad, Estimate, PlanOrder, Share, VariantOrder
from lepton_edge.coordinator.sharing import Made, Shared
from lepton_edge.core.messages import DeviceSpeed


def order(make: Any, board: str, cloud: str, **changes: Any) -> PlanOrder:
    made = PlanOrder("net", "v1", make.profile(board), make.profile(cloud), make.link)
    return dataclasses.replace(made, **changes)


def full(make: Any, board: str, cloud: str) -> PlanOrder:
    """Return an order that names its devices wherever it can."""
    variant = VariantOrder("net-int8", "v9", make.profile(board), make.profile(cloud))
    return order(
        make,
        board,
        cloud,
        stale=(board,),
        speeds=(DeviceSpeed(board, 0.5), DeviceSpeed(cloud, 2.0)),
        load=CloudLoad(cloud, 0.3, 0.01, by=(Share("net", "another", 0.3),)),
        variants=(variant,),
    )


def test_names_alone_make_no_other_plan(make: Any) -> None:
    assert sharing.key_of(full(make, "b1", "c1")) == sharing.key_of(full(make, "b2", "c2"))
    told = json.dumps(dataclasses.asdict(sharing.nameless(full(make, "b1", "c1"))))
    assert '"b1"' not in told
    assert '"c1"' not in told
    assert '"another"' in told, "whose requests load the cloud is told by name"


def test_whatever_else_differs_makes_another_plan(make: Any) -> None:
    base = order(make, "b1", "c1")
    slower = dataclasses.replace(base.board, overhead=0.001)  # type: ignore[type-var]
    estimate = Estimate("b1", make.profile("sibling"), 0.02, 0.03)
    others = [
        dataclasses.replace(base, board=slower),
        dataclasses.replace(base, link=dataclasses.replace(make.link, up=2e6)),
        dataclasses.replace(base, keep_input_on_board=True),
        dataclasses.replace(base, board_memory=1 << 20),
        dataclasses.replace(base, explain_only=True),
        dataclasses.replace(base, board=None, board_estimate=estimate),
        dataclasses.replace(base, speeds=(DeviceSpeed("b1", 0.5),)),
        dataclasses.replace(base, speeds=(DeviceSpeed("c1", 0.5),)),
        dataclasses.replace(base, version="v2"),
        dataclasses.replace(base, cloud=None),
    ]
    assert len({sharing.key_of(one) for one in [base, *others]}) == 1 + len(others)


def test_a_plan_is_given_the_names_of_who_asks(make: Any) -> None:
    known = Shared()
    first, second = order(make, "b1", "c1"), order(make, "b2", "c2")
    document = json.dumps(
        {"devices": {sharing.BOARD: 1}, "why": f"{sharing.CLOUD} is far from {sharing.BOARD}"}
    )
    known.keep(first, Made(make.book(sharing.BOARD, sharing.CLOUD), document))
    found = known.find(second)
    assert found is not None
    assert found.book == make.book("b2", "c2")
    assert json.loads(found.document) == {"devices": {"b2": 1}, "why": "c2 is far from b2"}
    assert known.find(dataclasses.replace(second, page="local")) is None


def test_what_has_no_name_in_it_is_the_same_object(make: Any) -> None:
    book = make.book(sharing.BOARD, sharing.CLOUD)
    named = sharing.renamed(book, {sharing.BOARD: "b1", sharing.CLOUD: "c1"})
    assert named.blocks is book.blocks, "5,000 boards share one"
    assert named.pages[0].stages[0].device == "b1"


def test_only_so_many_are_kept_and_who_is_asked_for_stays(make: Any) -> None:
    known, made = Shared(most=2), Made(None, "{}")
    one, two, three = (order(make, "b", "c", page=page) for page in ("1", "2", "3"))
    known.keep(one, made)
    known.keep(two, made)
    assert known.find(one) == made
    known.keep(three, made)
    assert known.find(two) is None
    assert known.find(one) == made
    known.forget(one)
    assert known.find(one) is None

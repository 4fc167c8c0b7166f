"""Which files are kept."""

from __future__ import annotations

import dataclasses
from typing import Any

from lepton_edge.coordinator.housekeeping import wanted_artifacts, wanted_versions
from lepton_edge.coordinator.records import ACTIVE, RETIRED, EpochRecord
from lepton_edge.coordinator.state import Settings, State
from partitioner.plan import Coder, HeldVariant, OutputSpec, TensorSpec


def test_an_active_epoch_keeps_its_version_and_files_after_a_new_push(make: Any) -> None:
    book = dataclasses.replace(make.book(), golden="f" * 64, outputs=(OutputSpec("y", labels="a" * 64),))
    state = State(Settings("0.1", 1))
    state.models["net"] = dataclasses.replace(
        make.model(version="v2"), outputs=(OutputSpec("y", labels="b" * 64),)
    )
    state.epochs["net", 1] = EpochRecord("net", "v1", 1, ACTIVE, book)
    assert wanted_versions(state) == {("net", "v1"), ("net", "v2")}
    assert wanted_artifacts(state) == {"0" * 64, "1" * 64, "f" * 64, "a" * 64, "b" * 64}


def test_a_retired_epoch_keeps_nothing(make: Any) -> None:
    state = State(Settings("0.1", 1))
    state.epochs["net", 1] = EpochRecord("net", "v1", 1, RETIRED)
    assert wanted_versions(state) == set()
    assert wanted_artifacts(state) == set()


def test_a_variant_that_a_device_runs_is_kept_whatever_its_name_means_now(make: Any) -> None:
    book = make.book()
    blocks = tuple(dataclasses.replace(one, artifact=f"{one.index + 5}" * 64) for one in book.blocks)
    held = HeldVariant("board", "net-int8", blocks, golden="e" * 64, version="old")
    state = State(Settings("0.1", 1))
    state.models["net-int8"] = make.model("net-int8", "new")
    record = EpochRecord("net", "v1", 1, ACTIVE, dataclasses.replace(book, variants=(held,)))
    state.epochs["net", 1] = record
    assert wanted_versions(state) == {("net", "v1"), ("net-int8", "old"), ("net-int8", "new")}
    assert wanted_artifacts(state) >= {"0" * 64, "1" * 64, "5" * 64, "6" * 64, "e" * 64}
    state.epochs["net", 1] = dataclasses.replace(record, state=RETIRED)
    assert ("net-int8", "old") not in wanted_versions(state)


def test_the_graphs_of_trained_codecs_are_kept_with_the_book_that_uses_them(make: Any) -> None:
    spec = TensorSpec("t", "float32", (1, 2))
    coder = Coder("bottleneck:t-1", spec, TensorSpec("t@code", "uint8", (1, 1)), "c" * 64, "d" * 64)
    state = State(Settings("0.1", 1))
    book = dataclasses.replace(make.book(), coders=(coder,))
    state.epochs["net", 1] = EpochRecord("net", "v1", 1, ACTIVE, book)
    assert {"c" * 64, "d" * 64} <= wanted_artifacts(state)

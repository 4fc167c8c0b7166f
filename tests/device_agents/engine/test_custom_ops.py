"""Custom operators of a real library run where a person allowed their domain by name, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from device_agents.engine.runtime import start_runtime
from device_agents.engine.sessions import open_session
from lepton_edge.core.custom_ops import custom_ops
from lepton_edge.core.errors import InvalidInput
from partitioner.errors import UnsupportedOperator
from tests.extensions import library

DOMAIN = "ai.onnx.contrib"
LIBRARY = library()


def inverting(domain: str = DOMAIN) -> bytes:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4, 4]) for name in "xy"]
    node = helper.make_node("Inverse", ["x"], ["y"], domain=domain)
    imports = [helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    return bytes(helper.make_model(graph, ir_version=8, opset_imports=imports).SerializeToString())


def test_an_operator_of_an_allowed_domain_computes() -> None:
    runtime = start_runtime(1, custom=custom_ops([f"{DOMAIN}={LIBRARY}"]))
    x = np.eye(4, dtype=np.float32) * 4
    np.testing.assert_array_equal(open_session(inverting(), runtime).run(None, {"x": x})[0], np.eye(4) / 4)


def test_it_is_refused_where_nobody_allowed_it_and_told_how_to() -> None:
    with pytest.raises(UnsupportedOperator, match=f"{DOMAIN}/Inverse") as refused:
        open_session(inverting(), start_runtime(1))
    assert f"--allow-custom-ops {DOMAIN}=LIBRARY" in refused.value.hint


def test_a_library_brings_no_more_than_the_domain_that_was_named() -> None:
    runtime = start_runtime(1, custom=custom_ops([f"mine={LIBRARY}"]))
    with pytest.raises(UnsupportedOperator, match=f"{DOMAIN}/Inverse is a custom operator"):
        open_session(inverting(), runtime)


def test_an_operator_that_the_library_lacks_is_refused_by_the_engine() -> None:
    runtime = start_runtime(1, custom=custom_ops([f"mine={LIBRARY}"]))
    with pytest.raises(UnsupportedOperator):
        open_session(inverting("mine"), runtime)


def test_what_is_no_library_is_said_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "ops.so"
    path.write_bytes(b"no library")
    with pytest.raises(InvalidInput, match="takes no custom operators from"):
        start_runtime(1, custom=custom_ops([f"mine={path}"]))

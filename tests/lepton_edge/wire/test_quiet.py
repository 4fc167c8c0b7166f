"""gRPC's own lines stay off stderr, unless somebody wants them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SHOW = "import os, lepton_edge.wire.rpc; print(os.environ['GRPC_VERBOSITY'])"


@pytest.mark.parametrize(("wanted", "found"), [(None, "NONE"), ("DEBUG", "DEBUG")])
def test_who_says_nothing_of_it_hears_our_errors_alone(wanted: str | None, found: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
    environment |= {"GRPC_VERBOSITY": wanted} if wanted else {}
    said = subprocess.run(
        [sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == found

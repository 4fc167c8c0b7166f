"""What `make image` builds and runs is what the files say."""

from __future__ import annotations

import re

from bench.clean.image import BASE, COMPOSE, DOCKERFILE, PYTHON
from bench.clean.wheels import ROOT


def test_the_base_that_it_makes_is_the_one_that_the_dockerfile_asks_for() -> None:
    asked = set(re.findall(r"^FROM (\S+)", (ROOT / DOCKERFILE).read_text("utf-8"), re.MULTILINE))
    assert asked == {BASE}
    assert f":{PYTHON}" in BASE


def test_the_remarks_of_the_topology_are_the_steps_that_it_takes() -> None:
    remarks = [line for line in (ROOT / COMPOSE).read_text("utf-8").splitlines() if line.startswith("#")]
    steps = [line for line in remarks if "docker compose" in line]
    assert [("token create" in one, "up -d" in one) for one in steps] == [
        (False, True),
        (True, False),
        (False, True),
    ]

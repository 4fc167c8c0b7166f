"""The alert rules are ones that Prometheus takes, and each says what it should about a story."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from tests.deploy.test_files import DEPLOY, ROOT, RULES

STORIES = Path(__file__).with_name("alerts_test.yml")
TOLD = yaml.safe_load(STORIES.read_text())["tests"]
PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")


def test_each_rule_has_a_story_in_which_it_is_heard() -> None:
    heard = {
        one["alertname"] for story in TOLD for one in story["alert_rule_test"] if one.get("exp_alerts", [])
    }
    assert heard == {rule["alert"] for group in RULES for rule in group["rules"]}


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool: make alerts")
@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", str(DEPLOY / "prometheus/prometheus.yml")),
        ("test", "rules", str(STORIES)),
    ],
    ids=["taken", "told"],
)
def test_prometheus_takes_the_rules_and_they_say_what_they_should(words: Sequence[str]) -> None:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *words], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr

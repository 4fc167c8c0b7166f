"""What an idle agent does not hold in memory."""

from __future__ import annotations

import subprocess
import sys

IDLE = """
import sys
import device_agents.cli, device_agents.server
print([name for name in ("rich", "pygments", "cryptography", "PIL", "onnx", "scipy") if name in sys.modules])
import rich.console
print(rich.console.Console(width=20).width)
"""


def test_what_only_people_at_terminals_need_is_not_there_and_can_be_had() -> None:
    told = subprocess.run([sys.executable, "-c", IDLE], capture_output=True, text=True, check=True)
    assert told.stdout.split("\n")[:2] == ["[]", "20"]

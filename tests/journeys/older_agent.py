"""An agent that tells the protocol's minor version before this one: `python -m tests.journeys.older_agent ARGS`.

Law: this release's code; only what it tells the coordinator of itself is older, so that it is treated as such.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from lepton_edge.core import messages

messages.PROTOCOL_MINOR -= 1

from device_agents import cli, server  # noqa: E402  (they take the number when they are imported)


def main() -> None:
    """Start an agent from `--flag value` pairs and --insecure, which is all that the release before knew."""
    words = [word for word in sys.argv[1:] if word != "--insecure"]
    given = dict(zip(words[::2], words[1::2], strict=True))
    flags = {name.removeprefix("--").replace("-", "_"): value for name, value in given.items()}
    flags["state_directory"] = Path(flags["state_directory"])  # type: ignore[assignment]
    flags["secure"] = "false"
    asyncio.run(server.serve(cli.configuration(flags, None, {}), lambda line: print(line, flush=True)))


if __name__ == "__main__":
    main()

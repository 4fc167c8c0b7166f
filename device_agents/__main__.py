"""The agent's process: `python -m device_agents CONFIG`, where CONFIG is an `AgentConfig` as JSON.

Law: only what serves is loaded here. The command line (`cli`) reads settings and becomes this process,
because typer and what it brings would stay resident, 10 MB of the 85 that an idle agent may take. Says
errors in one line and ends with the exit status that `lepton-edge --help` lists.
"""

from __future__ import annotations

import sys
from pathlib import Path

# structlog loads rich, 3 MB, for tracebacks that an agent never prints; without it, it does without
sys.modules["rich"] = None  # type: ignore[assignment]
import structlog  # noqa: E402, F401 (others use it)

del sys.modules["rich"]

import asyncio  # noqa: E402
import json  # noqa: E402

from device_agents.engine import claim_process  # noqa: E402
from device_agents.server import serve  # noqa: E402
from lepton_edge.core.config import AgentConfig  # noqa: E402
from lepton_edge.security import private  # noqa: E402
from lepton_edge.systemd import logs  # noqa: E402
from partitioner.errors import LeptonError  # noqa: E402
from partitioner.nouns_json import from_json  # noqa: E402

STATUS = {
    "unavailable": 3,
    "already_exists": 3,
    "incompatible_version": 3,
    "port_in_use": 4,
    "storage_full": 5,
    "invalid_input": 6,
    "unauthenticated": 15,
    "permission_denied": 15,
}
OTHERWISE = 11


def main(arguments: list[str]) -> int:
    """Serve until asked to end; return the exit status."""
    given = json.loads(arguments[0])
    config = from_json(AgentConfig, given["config"])
    config = type(config)(**{**vars(config), "state_directory": Path(config.state_directory)})
    logs.configure(config.log_level, config.log_format, device=config.name)
    private.keep(config.state_directory)
    try:
        asyncio.run(serve(config, lambda line: print(line, flush=True)))
    except LeptonError as error:
        hint = f" / what to do: {error.hint}" if error.hint else ""
        print(f"error: {error.message}{hint}", file=sys.stderr)
        return STATUS.get(error.code, OTHERWISE)
    except KeyboardInterrupt:  # where signals have no handlers (Windows)
        pass
    return 0


if __name__ == "__main__":
    claim_process()  # here, not in main: all blocks of this process share one thread pool, for good
    private.mask()
    sys.exit(main(sys.argv[1:]))

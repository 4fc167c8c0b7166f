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
import structlog  # noqa: E402

del sys.modules["rich"]

import asyncio  # noqa: E402
import json  # noqa: E402
import logging  # noqa: E402

from device_agents.engine import claim_process  # noqa: E402
from device_agents.server import serve  # noqa: E402
from lepton_edge.core.config import AgentConfig  # noqa: E402
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
    configure_logs(given["log_level"])
    try:
        asyncio.run(serve(config, lambda line: print(line, flush=True)))
    except LeptonError as error:
        hint = f" / what to do: {error.hint}" if error.hint else ""
        print(f"error: {error.message}{hint}", file=sys.stderr)
        return STATUS.get(error.code, OTHERWISE)
    except KeyboardInterrupt:  # where signals have no handlers (Windows)
        pass
    return 0


def configure_logs(level: str) -> None:
    """Send logs of `level` and above to stderr; stdout stays for data."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


if __name__ == "__main__":
    claim_process()  # here, not in main: all blocks of this process share one thread pool, for good
    sys.exit(main(sys.argv[1:]))

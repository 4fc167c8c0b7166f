"""An agent on a device that heats up and cools while it runs: `python -m tests.journeys.hot_agent --heat FOLDER ARGS`.

FOLDER holds `slowdown`, how many times slower the device computes now, and `sys`, what Linux would tell of its coolers.
Law: this release's code; only where it looks at the system, and how quick the played device is, come from FOLDER.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from device_agents import cli, server
from device_agents.driver import strain, telemetry
from device_agents.engine import stage, timing

QUICK = 3.0
"""Cool it is that much slower than the machine which plays it: a board beside a cloud."""


class Heat:
    """What plays the heat of a device, from the outside: `QUICK` is cool."""

    def __init__(self, folder: Path) -> None:
        cooler = folder / "sys" / "class" / "thermal" / "cooling_device0"
        self.system, self.slowdown, self.state = folder / "sys", folder / "slowdown", cooler / "cur_state"
        if not cooler.exists():
            cooler.mkdir(parents=True)
            (cooler / "type").write_text("cpufreq-cpu0")
            self.set(QUICK)

    def set(self, slowdown: float) -> None:
        """Let the device compute so many times slower from now on, and say that it is throttled where that is so."""
        fresh = self.slowdown.with_suffix(".new")
        fresh.write_text(str(slowdown))
        fresh.replace(self.slowdown)
        self.state.write_text("0" if slowdown == QUICK else "3")

    def now(self) -> float:
        """Return how many times slower it computes now."""
        return float(self.slowdown.read_text())


def main() -> None:
    """Start an agent from `--flag value` pairs."""
    words = [word for word in sys.argv[1:] if word != "--insecure"]
    given = dict(zip(words[::2], words[1::2], strict=True))
    heat = Heat(Path(given.pop("--heat")))
    telemetry.Strain = lambda: strain.Strain(heat.system)  # type: ignore[assignment,misc]
    stage.Pacer = lambda _, lateness: timing.Pacer(heat.now(), lateness)  # type: ignore[assignment,misc]
    flags = {name.removeprefix("--").replace("-", "_"): value for name, value in given.items()}
    flags |= {"state_directory": Path(flags["state_directory"]), "secure": False}  # type: ignore[dict-item]
    asyncio.run(server.serve(cli.configuration(flags, None, {}), lambda line: print(line, flush=True)))


if __name__ == "__main__":
    main()

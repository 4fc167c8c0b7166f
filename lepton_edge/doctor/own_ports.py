"""The ports of a process on this machine that the other side does not try: its figures, its near door, its bind.

Law: connects on this machine alone, each time for a moment; asks and never fails. `findings` are pure. Whether a
firewall lets others in shows from the other side only (`asking`).
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
from collections.abc import Iterable
from pathlib import Path

from lepton_edge.core.config import METRICS_PORT, NO_METRICS, AgentConfig
from lepton_edge.doctor.facts import Figures, Finding, Level
from lepton_edge.wire.near_door import sockets_of
from lepton_edge.wire.rpc import is_loopback, split_address

LOOPBACK = "127.0.0.1"
PATIENCE = 1.0  # seconds for one address
MOST = 1 << 20  # bytes of figures that are read
LAST_PORT = 8009
"""The last of the ports that doors for figures take by themselves."""
WHO = re.compile(r'^lepton_edge_(?:agent_info\{device|coordinator_info\{control)="([^"]*)"', re.MULTILINE)


def figures(who: str, host: str, port: int) -> Figures | None:
    """Return where the agent called `who`, or the coordinator at the port `who`, shows its figures.

    None where it does not, and where several do, since nothing tells them apart.
    """
    if port == NO_METRICS:
        return None
    last = LAST_PORT if port == METRICS_PORT else port
    found = [tried for tried in range(port, last + 1) if _whose(host, tried) == who]
    if len(found) != 1:
        return None
    status, why = _got(host, found[0], "/readyz")
    return Figures(f"{host}:{found[0]}", "" if status == http.client.OK else why.strip())


def _whose(host: str, port: int) -> str | None:
    found = WHO.search(_got(host, port, "/metrics")[1])
    return found[1] if found else None


def _got(host: str, port: int, path: str) -> tuple[int, str]:
    """Return status and body of a GET; (0, "") where nobody answers in HTTP."""
    asked = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        asked.request("GET", path)
        answer = asked.getresponse()
        return answer.status, answer.read(MOST).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        asked.close()


def answers(host: str, port: int) -> bool:
    """Say whether something on this machine accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), PATIENCE):
        return True
    return False


def near(state_directory: Path) -> bool | None:
    """Say whether the near door of the agent with this state lets this user in; None where there is none."""
    found = [path for path in sockets_of(state_directory) if path.is_socket()]
    return any(_opens(path) for path in found) if found else None


def _opens(path: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as way:
        way.settimeout(PATIENCE)
        way.connect(str(path))
        return True
    return False


def of_coordinator(address: str, route: str) -> list[Finding]:
    """Look at the coordinator that answers at `address`, where that is this machine; `route` is how others see it."""
    host, port = split_address(address)
    if not (is_loopback(host) or host == route):
        return []
    shown = figures(str(port), LOOPBACK, METRICS_PORT)
    return list(coordinators_findings(shown, route, port, open_=answers(route, port)))


def of_agent(config: AgentConfig, *, attached: bool) -> list[Finding]:
    """Look at the agent of `config` on this machine; `attached`: its coordinator says that it runs."""
    everywhere = config.metrics_bind in ("0.0.0.0", "::")  # noqa: S104 (it is compared, not bound)
    shown = figures(config.name, LOOPBACK if everywhere else config.metrics_bind, config.metrics_port)
    return list(agents_findings(shown, near(config.state_directory), attached=attached))


# --- what follows ---------------------------------------------------------------------------------


def agents_findings(shown: Figures | None, door: bool | None, *, attached: bool) -> Iterable[Finding]:
    """Yield what is to be said of an agent's ports on its own machine; without a running one nothing is. Pure."""
    if shown is not None:
        yield from _shown(shown)
    elif attached:
        fix = "fine, unless somebody is to watch it: see metrics_port, and its log (figures are shown)"
        yield Finding("metrics", Level.NOTE, "it shows no figures on this machine", fix)
    if door:
        said = "applications of this user on this machine come in by the near door, without TLS and faster"
        yield Finding("near door", Level.OK, said)
    elif door is False and attached:
        fix = "run applications as the user of the agent, or give them a key and its data port"
        yield Finding("near door", Level.NOTE, "its near door does not open for this user", fix)


def _shown(shown: Figures) -> Iterable[Finding]:
    if shown.not_ready:
        fix = "wait; if it stays so, its log says why (journalctl -u lepton-edge-agent)"
        yield Finding("metrics", Level.WARNING, f"{shown.address} says: not ready: {shown.not_ready}", fix)
    else:
        yield Finding("metrics", Level.OK, f"figures are at http://{shown.address}/metrics; it is ready")


def coordinators_findings(shown: Figures | None, route: str, port: int, *, open_: bool) -> Iterable[Finding]:
    """Yield what is to be said of a coordinator that runs on this machine; `open_`: `route` answers at its port."""
    if shown is not None:
        yield from _shown(shown)
    if route and not open_:
        said = f"the coordinator answers on this machine only, not at {route}:{port}"
        fix = "where devices elsewhere are to join: start it with --bind 0.0.0.0"
        yield Finding("control port", Level.NOTE, said, fix)
    elif route:
        said = (
            f"the coordinator also answers at {route}:{port}; on a device, lepton-edge agent doctor tries it"
        )
        yield Finding("control port", Level.OK, said)

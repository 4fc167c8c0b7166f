"""The text of a service unit.

Law: pure. A system's service is shut in as far as an agent bears it; a user's manager cannot do most of that, so
there the unit says less. No network is waited for at boot: what a device holds it serves without one.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath

WATCHDOG = 30  # seconds without a sign of life until the service is started anew
RESTART = 2  # seconds before that
START, STOP = 90, 30  # seconds; requests in progress may take ten of the latter
HOMES = ("/home", "/root", "/run/user")

_EVERYWHERE = """\
NoNewPrivileges=yes
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native
UMask=0077"""
_SYSTEM = """\
ProtectSystem=strict
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
CapabilityBoundingSet=
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM"""


@dataclass(frozen=True)
class Unit:
    """A service to be installed.

    Attributes:
        name: of the unit, without ".service".
        description: one line for people.
        command: what to run; its first word is an absolute path.
        state: the folder below /var/lib that systemd makes for the service alone; "" for none.
        writes: folders elsewhere that it may write, which must be there.
        user: who runs it; "" lets the system make a user for it alone.
        memory: the most it may take, as systemd writes it: "80%", "512M".
        for_user: it belongs to the user's own manager, not to the system's.
    """

    name: str
    description: str
    command: tuple[str, ...]
    state: str = ""
    writes: tuple[str, ...] = ()
    user: str = ""
    memory: str = "80%"
    for_user: bool = False

    def text(self) -> str:
        """Return the unit file."""
        parts = (self._about(), self._service(), self._limits(), self._install())
        return "\n\n".join(parts) + "\n"

    def _about(self) -> str:
        return f"[Unit]\nDescription={self.description}\nAfter=network.target\nStartLimitIntervalSec=0"

    def _service(self) -> str:
        lines = [
            "[Service]",
            "Type=notify",
            "NotifyAccess=main",
            f"ExecStart={' '.join(_quoted(word) for word in self.command)}",
            "Restart=always",
            f"RestartSec={RESTART}",
            f"WatchdogSec={WATCHDOG}",
            f"TimeoutStartSec={START}",
            f"TimeoutStopSec={STOP}",
            "Environment=PYTHONUNBUFFERED=1",
            f"SyslogIdentifier={self.name}",  # the journal would call every one of them python3
            f"MemoryMax={self.memory}",
        ]
        if self.state and not self.for_user:
            lines += [f"StateDirectory={self.state}", "StateDirectoryMode=0700"]
            lines.append(f"Environment=HOME=/var/lib/{self.state}")  # a user made for the service has no home
        if not self.for_user:
            lines.append(f"User={self.user}" if self.user else "DynamicUser=yes")
        return "\n".join(lines)

    def _limits(self) -> str:
        if self.for_user:
            return _EVERYWHERE
        home = "read-only" if self._lives_at_home else "yes"
        writes = "".join(f"\nReadWritePaths={_escaped(path)}" for path in self.writes)
        return f"{_EVERYWHERE}\n{_SYSTEM}\nProtectHome={home}{writes}"

    @property
    def _lives_at_home(self) -> bool:
        """Whether what it runs or writes lies in somebody's home, which it must be able to read."""
        used = [PurePosixPath(path) for path in (*self.command, *self.writes)]
        return any(path.is_relative_to(home) for path in used for home in HOMES)

    def _install(self) -> str:
        return f"[Install]\nWantedBy={'default.target' if self.for_user else 'multi-user.target'}"


def _quoted(word: str) -> str:
    """Return a word of a command as systemd reads it, for whom $ begins a variable."""
    return shlex.quote(_escaped(word).replace("$", "$$"))


def _escaped(text: str) -> str:
    """Return a text without specifiers: % begins them."""
    return text.replace("%", "%%")

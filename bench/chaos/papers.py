"""Who is who in a chaos run with TLS: tokens, keys and certificates, made as a person makes them.

Law: runs the product's commands as the coordinator's administrator and says how they ended; decides nothing. In the
open there are no papers: keys are None.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.chaos.subject import NAME
from device_agents.fingerprint import fingerprint
from examples.demo.processes import Child, lepton

PATIENCE = 60.0
IN_THE_OPEN = ("LEPTON_EDGE_INSECURE", "LEPTON_EDGE_SECURE", "LEPTON_EDGE_COORDINATOR_SECURE")
"""What benches set, since most of them speak in the open."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    said: str
    complained: str

    @property
    def broke(self) -> bool:
        """Whether it ended by what is no error of ours."""
        return "Traceback" in self.complained or self.status < 0


class Papers:
    """Makes what somebody needs to be believed."""

    def __init__(self, directory: Path, secure: bool) -> None:
        self.secure = secure
        self._directory, self._coordinator, self._token = directory, "", ""
        self._admin = directory / "coordinator" / "security" / "admin.pem"

    def open(self, coordinator: str, child: Child) -> None:
        """Ask as the administrator of this coordinator from now on, and remember the token of its first start."""
        for variable in IN_THE_OPEN:
            os.environ.pop(variable, None)
        os.environ["LEPTON_EDGE_KEY"] = str(self._admin)
        self._coordinator = coordinator
        self._token = child.wait_for_line("to join:").partition("--token ")[2]

    def join(self, name: str, role: str, state: Path) -> None:
        """Let an agent in by the token of the first start, before it is started."""
        done = self.command(*self.joining(name, role, state, self._token))
        if done.status:
            raise RuntimeError(f"{name} did not join: {done.complained}")

    def joining(self, name: str, role: str, state: Path, token: str) -> list[str]:
        """Return the command with which a device joins by `token`."""
        file = self._directory / f"{name}.token"
        file.touch(mode=0o600)
        file.write_text(token)
        words = ["agent", "join", self._coordinator, "--token-file", str(file)]
        return [*words, "--role", role, "--name", name, "--state-directory", str(state)]

    def token(self) -> tuple[str, str]:
        """Return a new token for one device, and its id."""
        text = self.command(
            "token", "create", "--ttl", "10m", "--coordinator", self._coordinator
        ).said.strip()
        return text, text.split(".")[2]

    def revoke_token(self, token: str) -> Done:
        """Let nobody in by the token with this id."""
        return self.command("token", "revoke", token, "--coordinator", self._coordinator)

    def key(self, name: str) -> str | None:
        """Return the file of a client's key that is made now; None in the open."""
        if not self.secure:
            return None
        path = self._directory / f"{name}.pem"
        words = ("client", "key", "create", name, "--model", NAME, "--out", str(path))
        done = self.command(*words, "--coordinator", self._coordinator)
        if done.status:
            raise RuntimeError(f"there is no key for {name}: {done.complained}")
        return str(path)

    def revoke_key(self, name: str) -> Done:
        """Believe a client's key no more."""
        return self.command("client", "key", "revoke", name, "--coordinator", self._coordinator)

    def renewing(self, name: str, state: Path) -> list[str]:
        """Return the command with which an agent renews its certificate."""
        arguments = [str(state), self._coordinator, name, fingerprint()]
        return [sys.executable, "-m", "device_agents.joining", *arguments]

    def command(self, *words: str) -> Done:
        """Run a command of the product to its end."""
        return ended(begun(lepton(*words)))


def begun(command: list[str]) -> subprocess.Popen[str]:
    """Start a command."""
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen[str]) -> Done:
    """Wait for the end of a command."""
    try:
        said, complained = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Done(-1, "", f"it did not end within {PATIENCE:.0f} s")
    return Done(process.returncode, said, complained)

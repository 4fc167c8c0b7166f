"""A clean Debian system: booted by its own systemd over a root of its own, on a host of the laboratory.

Law: knows systemd-nspawn, and nothing of what runs there. A root is made once (`bench/lab/debian-root`) and never
written: each machine writes into a layer of its own, which is gone with it. Needs root.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
import time
import zlib
from pathlib import Path

from examples.demo.processes import Child

MAKER = Path(__file__).resolve().parents[1] / "lab" / "debian-root"
ROOTS = Path(tempfile.gettempdir()) / "lepton-roots"
SUITE = "bookworm"
PACKAGES = (
    "ca-certificates,python3,python3-pip,python3-venv,pipx,sudo,systemd,systemd-sysv,libpam-systemd,dbus"
)
"""minbase, its system manager, and what the documents take for granted: Python, ways to install for it, sudo."""
WHEELS = "/srv/wheels"
BOOT, STOP = 60.0, 20.0  # seconds


def missing() -> list[str]:
    """Return the programs that are not here."""
    return [tool for tool in ("debootstrap", "systemd-nspawn", "nsenter", "ip") if not shutil.which(tool)]


def clean_root(suite: str = SUITE, packages: str = PACKAGES) -> Path:
    """Return the root of a suite, made now where there is none yet (a minute, 400 MB)."""
    ROOTS.mkdir(parents=True, exist_ok=True)
    root = ROOTS / f"{suite}-{zlib.crc32(packages.encode()):08x}"
    subprocess.run([str(MAKER), str(root), suite, packages], check=True, timeout=900)
    return root


class Machine:
    """One system with a user of its own; leaving it takes it off and forgets what it wrote."""

    def __init__(self, name: str, host: str, folder: Path, user: str, wheels: Path) -> None:
        self.name, self.host, self.user = name, host, user
        self._folder, self._wheels = folder / name, wheels
        self.root = self._folder / "root"
        self._leader = 0
        self._manager: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Machine:
        """Lay its own layer over the clean root, make its user, switch it on."""
        upper, work = self._folder / "upper", self._folder / "work"
        for one in (upper, work, self.root):
            one.mkdir(parents=True, exist_ok=True)
        layers = f"lowerdir={clean_root()},upperdir={upper},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self.root)], check=True)
        (self.root / "etc/pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {WHEELS}\n")
        (self.root / "etc/hostname").write_text(f"{self.name}\n")
        (self.root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n")
        enlist = ["useradd", "--create-home", "--shell", "/bin/bash", "--groups", "sudo", self.user]
        subprocess.run(["chroot", str(self.root), *enlist], check=True)
        (self.root / "etc/sudoers.d/without-password").write_text("%sudo ALL=(ALL) NOPASSWD: ALL\n")
        self.boot()
        return self

    def __exit__(self, *reason: object) -> None:
        """Pull the plug, and take its layer away."""
        self.pull_the_plug()
        subprocess.run(["umount", "--lazy", str(self.root)], check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def boot(self) -> None:
        """Switch it on; return when its systemd has started what it starts."""
        words = [
            "systemd-nspawn",
            "--quiet",
            "--register=no",
            "--boot",
            f"--machine={self.name}",
            "--console=pipe",
        ]
        words += [] if Path("/run/systemd/system").exists() else ["--keep-unit"]
        words += [f"--directory={self.root}", f"--network-namespace-path=/run/netns/{self.host}"]
        words += [f"--bind-ro={self._wheels}:{WHEELS}"]
        with (self._folder / "console.log").open("ab") as console:
            self._manager = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True
            )
        self._leader = self._found_leader()
        while self.run("systemctl is-system-running --wait", "root", check=False).stdout.strip() not in (
            "running",
            "degraded",
        ):
            time.sleep(0.2)

    def _found_leader(self) -> int:
        """Return the process that is its systemd."""
        assert self._manager is not None
        children = Path(f"/proc/{self._manager.pid}/task/{self._manager.pid}/children")
        end = time.monotonic() + BOOT
        while time.monotonic() < end and self._manager.poll() is None:
            for child in children.read_text().split():
                if "systemd" in Path(f"/proc/{child}/comm").read_text():
                    return int(child)
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} did not boot: {self._folder / 'console.log'}")

    def pull_the_plug(self) -> None:
        """End everything there at once, as a power cut does; what is on its disk stays."""
        if self._manager is None:
            return
        self._manager.kill()
        self._manager.wait(STOP)
        subprocess.run(["kill", "-9", str(self._leader)], check=False, stderr=subprocess.DEVNULL)
        while Path(f"/proc/{self._leader}").exists():
            time.sleep(0.05)
        self._manager = None

    def command(self, line: str, user: str = "") -> list[str]:
        """Return the words that run a line of the shell there, as somebody who has logged in."""
        inside = ["nsenter", "--target", str(self._leader), "--all", "--"]
        return [*inside, "su", "-", user or self.user, "-c", line]

    def run(
        self, line: str, user: str = "", *, check: bool = True, patience: float = 300.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a line of the shell there and wait for its end; raise RuntimeError, with what it said, if it failed."""
        done = subprocess.run(
            self.command(line, user), capture_output=True, text=True, timeout=patience, check=False
        )
        if check and done.returncode:
            raise RuntimeError(f"{self.name}$ {line}\nstatus {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def start(self, line: str, user: str = "") -> Child:
        """Run a line of the shell there that stays."""
        name = "-".join(shlex.split(line)[:3]).replace("/", "_")
        return Child(name, self.command(line, user), self._folder)

"""A headless Chromium, driven over WebDriver's plain HTTP: what a page really does when a person opens it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--disable-dev-shm-usage",
)  # fmt: skip
START = 20.0  # seconds that the driver may take to answer


def missing() -> str:
    """Return what is not installed here, or nothing."""
    lacking = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"no {' and no '.join(lacking)} here: `make chromium` installs them on Debian" if lacking else ""


class Chromium:
    """One tab."""

    def __init__(self, driver: str, home: Path) -> None:
        self._driver = driver
        options = {
            "binary": shutil.which("chromium"),
            "args": [*FLAGS, f"--user-data-dir={home}"],
        }
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        created = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{created['sessionId']}"

    def open(self, path: Path) -> None:
        """Open a file and wait until it has loaded."""
        self._call("POST", f"{self._session}/url", {"url": path.as_uri()})

    def ask(self, script: str) -> Any:
        """Return what JavaScript returns."""
        return self._call("POST", f"{self._session}/execute/sync", {"script": script, "args": []})

    def command(self, name: str, **params: Any) -> Any:
        """Run a command of the developer tools' protocol."""
        wanted = {"cmd": name, "params": params}
        return self._call("POST", f"{self._session}/goog/cdp/execute", wanted)

    def console(self) -> list[str]:
        """Return what was written to the console since the last call, errors of the page among it."""
        return [one["message"] for one in self._log("browser")]

    def requested(self) -> list[str]:
        """Return every address that the page asked for since the last call."""
        messages = [json.loads(one["message"])["message"] for one in self._log("performance")]
        sent = (one["params"] for one in messages if one["method"] == "Network.requestWillBeSent")
        return [one["request"]["url"] for one in sent]

    def hover(self, x: float, y: float) -> None:
        """Move the pointer to a place of the window."""
        move = {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0}
        pointer = {"type": "pointer", "id": "mouse", "actions": [move]}
        self._call("POST", f"{self._session}/actions", {"actions": [pointer]})

    def look(self, width: int, height: int, *, dark: bool = False, touch: bool = False) -> None:
        """Be a window of this size, of a person who likes it light or dark."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=touch,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self) -> bytes:
        """Return a PNG of the window."""
        return base64.b64decode(self._call("GET", f"{self._session}/screenshot"))

    def quit(self) -> None:
        """Close the browser."""
        self._call("DELETE", self._session)

    def _log(self, kind: str) -> Any:
        return self._call("POST", f"{self._session}/se/log", {"type": kind})

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._driver + path, content, method=method)
        request.add_header("Content-Type", "application/json")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{path}: {error.read().decode()[:500]}") from error


@contextlib.contextmanager
def chromium(home: Path) -> Iterator[Chromium]:
    """Start a driver and a browser with a fresh profile in `home`; end both."""
    port = _free_port()
    environment = {**os.environ, "HOME": str(home)}
    command = ["chromedriver", f"--port={port}", "--silent"]
    driver = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        tab = Chromium(f"http://127.0.0.1:{port}", home / "profile")
        try:
            yield tab
        finally:
            tab.quit()
    finally:
        driver.terminate()
        driver.wait(timeout=10)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait(port: int) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError("chromedriver does not answer")

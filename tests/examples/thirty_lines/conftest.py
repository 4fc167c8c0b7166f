"""A running cloud for the tests of the thirty lines."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.thirty_lines.server import Server


@pytest.fixture
def cloud(demo_folder: Path) -> Iterator[str]:
    """Yield HOST:PORT of a server that lives as long as the test."""
    server = Server(demo_folder / "mobilenetv2.onnx", ("127.0.0.1", 0))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def coffee(demo_folder: Path) -> bytes:
    return (demo_folder / "pictures" / "coffee.jpg").read_bytes()

"""The cloud side: fp32 MobileNetV2 behind HTTP. POST a JPEG to /classify, get {"index": ..., "seconds": ...}.

    python -m examples.thirty_lines.server DIR [--host 127.0.0.1] [--port 8700] [--threads N]

Law: every body is bounded before it is read; whatever the client sends, it gets a status and costs
others nothing.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from examples.thirty_lines.picture import PictureError, preprocess

MAX_BODY: Final = 20 << 20
MAX_DIGITS: Final = 9
IDLE_SECONDS: Final = 60.0


class Server(ThreadingHTTPServer):
    """One fp32 session, one inference at a time, a thread per connection."""

    daemon_threads = True

    def __init__(self, model: Path, address: tuple[str, int], threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._turn = threading.Lock()
        super().__init__(address, _Handler)

    def classify(self, jpeg: bytes) -> int:
        """Return the index of the most probable class.

        Raises:
            PictureError: `jpeg` cannot be decoded.
        """
        pixels = preprocess(jpeg)
        with self._turn:
            return int(np.argmax(self._session.run(None, {"input": pixels})[0]))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    # Header and body go out as two writes; Nagle would hold the second one back for 40 ms.
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or len(length) > MAX_DIGITS or int(length) > MAX_BODY:
            self.close_connection = True
            self._reply(413, {"error": f"send a Content-Length of at most {MAX_BODY} bytes"})
            return
        body = self.rfile.read(int(length))
        started = time.perf_counter()
        try:
            assert isinstance(self.server, Server)
            index = self.server.classify(body)
        except PictureError as error:
            self._reply(400, {"error": str(error)})
            return
        self._reply(200, {"index": index, "seconds": time.perf_counter() - started})

    def _reply(self, status: int, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Stay silent: the client prints what matters."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Serve the demo's fp32 model over HTTP.")
    parser.add_argument("folder", type=Path, help="written by python -m examples.demo.prepare")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8700, help="0 takes a free one; it is printed")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    server = Server(options.folder / "mobilenetv2.onnx", (options.host, options.port), options.threads)
    print(json.dumps({"listening": f"{options.host}:{server.server_address[1]}"}), flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()

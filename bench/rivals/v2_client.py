"""A client of the Open Inference Protocol: `tritonclient`, over gRPC or over HTTP with binary tensors.

Law: what MLServer, KServe and Triton are asked with, in their own environments.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tritonclient.grpc as by_grpc
import tritonclient.http as by_http
from tritonclient.utils import InferenceServerException
from turns import serve_turns, wait_until


def serve_client(how: str, port: int, *packages: str) -> None:
    """Wait for the server's model "identity" (x in, y out), then do jobs by `how`: "grpc" or "http"."""
    library: Any = by_grpc if how == "grpc" else by_http
    client = library.InferenceServerClient(f"127.0.0.1:{port}")
    wait_until(lambda: bool(client.is_model_ready("identity")), OSError, InferenceServerException)
    wanted = [library.InferRequestedOutput("y")]

    def ask(array: np.ndarray) -> np.ndarray:
        given = library.InferInput("x", list(array.shape), "FP32")
        given.set_data_from_numpy(array)
        came: np.ndarray = client.infer("identity", [given], outputs=wanted).as_numpy("y")
        return came

    serve_turns(ask, *packages)

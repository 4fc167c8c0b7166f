"""KServe's Python model server with an identity model, asked by the v2 protocol.

    python kserve_end.py grpc|http

Law: one worker; binary tensors both ways.
"""

from __future__ import annotations

import subprocess
import sys

from turns import free_port


def serve(http: int, grpc: int) -> None:
    import kserve  # here alone: its protocol's messages and the client's cannot be in one process

    class Identity(kserve.Model):
        """Gives its input back."""

        def __init__(self) -> None:
            super().__init__("identity")
            self.ready = True

        async def predict(self, payload, headers=None, response_headers=None):
            given = payload.inputs[0].as_numpy()
            made = kserve.InferOutput(name="y", shape=list(given.shape), datatype="FP32")
            made.set_data_from_numpy(given, binary_data=True)
            return kserve.InferResponse(payload.id, "identity", [made])

    kserve.ModelServer(http_port=http, grpc_port=grpc, workers=1, enable_grpc=True).start([Identity()])


def main() -> None:
    if sys.argv[1] == "serve":
        serve(*(int(port) for port in sys.argv[2:]))
        return
    from v2_client import serve_client

    ports = {"http": free_port(), "grpc": free_port()}
    command = [sys.executable, __file__, "serve", str(ports["http"]), str(ports["grpc"])]
    with subprocess.Popen(command) as server:
        try:
            serve_client(sys.argv[1], ports[sys.argv[1]], "kserve")
        finally:
            server.kill()


if __name__ == "__main__":
    main()

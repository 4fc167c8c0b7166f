"""MLServer with an identity model, asked by the v2 protocol.

    python mlserver_end.py grpc|http

Law: no worker processes behind the server, which is its fastest for a model that computes nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from turns import free_port
from v2_client import serve_client

MODEL = """
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

class Identity(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        given = NumpyCodec.decode_input(payload.inputs[0])
        made = NumpyCodec.encode_output("y", given)
        return InferenceResponse(model_name=self.name, outputs=[made])
"""


def main() -> None:
    ports = {"http": free_port(), "grpc": free_port()}
    settings = {
        "http_port": ports["http"],
        "grpc_port": ports["grpc"],
        "metrics_port": free_port(),
        "host": "127.0.0.1",
        "parallel_workers": 0,
    }
    with tempfile.TemporaryDirectory(prefix="lepton-bench-") as folder:
        Path(folder, "identity_model.py").write_text(MODEL)
        Path(folder, "settings.json").write_text(json.dumps(settings))
        model = {"name": "identity", "implementation": "identity_model.Identity"}
        Path(folder, "model-settings.json").write_text(json.dumps(model))
        command = [str(Path(sys.executable).parent / "mlserver"), "start", folder]
        with subprocess.Popen(command, cwd=folder, env=os.environ | {"PYTHONPATH": folder}) as server:
            try:
                serve_client(sys.argv[1], ports[sys.argv[1]], "mlserver", "tritonclient")
            finally:
                server.kill()


if __name__ == "__main__":
    main()

"""Triton: the real server that nvidia-pytriton carries, with an identity model of its Python backend.

    python triton_end.py grpc|http

Law: the server's own way from request to model and back; pytriton's, which goes on to another process, is longer.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from turns import free_port
from v2_client import serve_client

MODEL = """
import triton_python_backend_utils as utils

class TritonPythonModel:
    def execute(self, requests):
        given = [utils.get_input_tensor_by_name(one, "x").as_numpy() for one in requests]
        return [utils.InferenceResponse([utils.Tensor("y", array)]) for array in given]
"""
CONFIG = """
backend: "python"
max_batch_size: 0
input [{ name: "x" data_type: TYPE_FP32 dims: [-1, -1] }]
output [{ name: "y" data_type: TYPE_FP32 dims: [-1, -1] }]
instance_group [{ kind: KIND_CPU count: 1 }]
"""


def repository(folder: Path) -> Path:
    """Write the model's folder; return the repository."""
    version = folder / "models" / "identity" / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(MODEL)
    (version.parent / "config.pbtxt").write_text(CONFIG)
    return folder / "models"


def backends(folder: Path, server: Path) -> Path:
    """Put the backend together with its part for this Python, as pytriton does; return where."""
    shutil.copytree(server / "backends", folder / "backends")
    stub = f"{sys.version_info.major}.{sys.version_info.minor}/triton_python_backend_stub"
    shutil.copy(server / "python_backend_stubs" / stub, folder / "backends" / "python")
    return folder / "backends"


def environment(server: Path) -> dict[str, str]:
    """Return the environment in which the server finds its libraries and this Python's packages."""
    libraries = server.parents[1] / "nvidia_pytriton.libs"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"LD_LIBRARY_PATH": str(libraries), "PATH": path}


def main() -> None:
    found = find_spec("pytriton")
    assert found is not None
    assert found.origin is not None
    server = Path(found.origin).parent / "tritonserver"
    ports = {"grpc": free_port(), "http": free_port()}
    with tempfile.TemporaryDirectory(prefix="lepton-bench-") as name:
        folder = Path(name)
        command = [str(server / "bin" / "tritonserver"), f"--model-repository={repository(folder)}"]
        command += [f"--backend-directory={backends(folder, server)}", "--allow-metrics=false"]
        command += [f"--grpc-port={ports['grpc']}", f"--http-port={ports['http']}"]
        command += ["--http-address=127.0.0.1", "--grpc-address=127.0.0.1"]
        with subprocess.Popen(command, stdout=sys.stderr, env=environment(server)) as running:
            try:
                serve_client(sys.argv[1], ports[sys.argv[1]], "nvidia-pytriton", "tritonclient")
            finally:
                running.terminate()
                running.wait(20)


if __name__ == "__main__":
    main()

"""torch: an identity function by RPC, or a tensor sent and received by gloo, between two processes.

    python torch_end.py rpc|gloo

Law: one thread a process; gloo's tensors are allocated once, as its users do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import torch
import torch.distributed as gloo
from torch.distributed import rpc
from turns import free_port, serve_turns

SIZES = (150_000, 600_000)
"""Bytes that gloo's far end waits for."""


def identity(tensor):
    return tensor


def ask_by_rpc(array: np.ndarray):
    return rpc.rpc_sync("far", identity, args=(torch.from_numpy(array),)).numpy()


class Sent:
    """Tensors there and back by gloo, each size under a tag of its own."""

    def __init__(self) -> None:
        self.came = {size: torch.empty(size // 4) for size in SIZES}

    def __call__(self, array: np.ndarray):
        """Return `array` as it came back."""
        came = self.came[array.nbytes]
        gloo.send(torch.from_numpy(array.reshape(-1)), 1, tag=array.nbytes)
        gloo.recv(came, 1, tag=array.nbytes)
        return came.numpy()


def serve_gloo(size: int) -> None:
    tensor = torch.empty(size // 4)
    while True:
        gloo.recv(tensor, 0, tag=size)
        gloo.send(tensor, 0, tag=size)


def main() -> None:
    how, rank = sys.argv[1], int(os.environ.get("RANK", "0"))
    torch.set_num_threads(1)
    if rank == 0:
        os.environ |= {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(free_port()),
            "GLOO_SOCKET_IFNAME": "lo",
        }
        os.environ["TP_SOCKET_IFNAME"] = "lo"
        far = subprocess.Popen(
            [sys.executable, __file__, how], env=os.environ | {"RANK": "1"}, stdin=subprocess.DEVNULL
        )
    try:
        _run(how, rank)
    finally:
        if rank == 0:
            far.kill()


def _run(how: str, rank: int) -> None:
    if how == "rpc":
        rpc.init_rpc("near" if rank == 0 else "far", rank=rank, world_size=2)
        if rank == 0:
            serve_turns(ask_by_rpc, "torch")
        else:
            rpc.shutdown()
    else:
        gloo.init_process_group("gloo", rank=rank, world_size=2)
        if rank == 0:
            serve_turns(Sent(), "torch")
        else:
            threads = [threading.Thread(target=serve_gloo, args=(size,)) for size in SIZES]
            for thread in threads:
                thread.start()


if __name__ == "__main__":
    main()

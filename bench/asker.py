"""An application in a process of its own, so that it can run on any host: does what a job says.

    python -m bench.asker <job.json >answers.json

A job is a JSON object with "do": "push" (a model), "deploy" (a model), or "infer" (rounds over pages, one
request each, so that what is compared shares the machine's moods). Law: the SDK only, and the SDK's figures.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lepton_edge.client import Client
from lepton_edge.core.messages import Progress, Wishes
from lepton_edge.core.results import Result
from partitioner.units import Bytes

Job = dict[str, Any]
WARM_UP = 3


def main() -> int:
    job: Job = json.load(sys.stdin)
    with Client(job["address"], patience=600.0) as client:
        json.dump(JOBS[job["do"]](client, job), sys.stdout)
    return 0


def push(client: Client, job: Job) -> Any:
    shapes = {name: tuple(shape) for name, shape in job.get("shapes", {}).items()}
    told = client.push(
        job["model"],
        job["file"],
        manifest=job.get("manifest"),
        samples=job.get("samples"),
        shapes=shapes,
        bottlenecks=job.get("bottlenecks", ()),
        progress=_tell,
    )
    return {"input": told["inputs"][0]["name"]}


def deploy(client: Client, job: Job) -> Any:
    devices, page, keep = tuple(job["devices"]), job.get("page", ""), job.get("keep_input", False)
    near, far = job.get("variants") or ("", "")
    memory = Bytes(job.get("board_memory", 0))
    wishes = Wishes(board_variant=near, cloud_variant=far, board_memory=memory)
    return client.deploy(
        job["model"], devices=devices, page=page, keep_input_on_board=keep, wishes=wishes, progress=_tell
    )


def infer(client: Client, job: Job) -> Any:
    """Return, for each request, the page that was asked for, the one that ran, and every hop's figures."""
    given = _given(job)
    answers = []
    for turn in range(job["rounds"] + WARM_UP):
        for page in job["pages"]:
            result = client.infer(job["model"], given, page=page)
            if turn >= WARM_UP:
                answers.append(_answer(page, result))
        print(f"\r      round {turn + 1}/{job['rounds'] + WARM_UP} ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return answers


JOBS = {"push": push, "deploy": deploy, "infer": infer}


def _given(job: Job) -> dict[str, Any]:
    path = Path(job["file"])
    if path.suffix != ".npz":
        return {job["input"]: _read(path)}
    with np.load(path) as arrays:
        return dict(arrays)


def _read(path: Path) -> Any:
    return np.load(path) if path.suffix == ".npy" else path.read_bytes()


def _answer(page: str, result: Result) -> dict[str, Any]:
    return {
        "asked": page,
        "page": result.page,
        "reason": result.reason,
        "latency": result.latency,
        "hops": [asdict(hop) for hop in result.hops],
        "top": result.labels[0].label if result.labels else _top(result),
    }


def _top(result: Result) -> str:
    first = next(iter(result.outputs.values()))
    return str(int(np.argmax(first)))


def _tell(progress: Progress) -> None:
    print(f"      {progress.stage} {progress.message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""Many pictures through a model: a folder in order, or a camera that waits for nobody.

Law: uses only what `lepton_edge` makes public. A model that takes a picture must be deployed (README.md,
"By hand"; `examples/quickstart.py` does it).

    python -m examples.streaming folder PICTURES [HOST:PORT]
    python -m examples.streaming camera PICTURES [HOST:PORT] [SECONDS]
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import lepton_edge

MODEL, INPUT = "mobilenetv2", "input"
RATE = 30.0
"""Pictures a second of the camera."""


def main(kind: str = "folder", directory: str = ".", address: str = "", seconds: str = "5") -> None:
    """Classify the pictures of a folder, or what a camera sees for some seconds."""
    pictures = sorted(Path(directory).glob("*.jpg"))
    if not pictures:
        sys.exit(f"no .jpg in {directory}")
    try:
        if kind == "camera":
            asyncio.run(watch(pictures, address, float(seconds)))
        else:
            classify(pictures, address)
    except lepton_edge.LeptonError as error:
        sys.exit(f"{error.code}: {error.message} / what to do: {error.hint}")


def classify(pictures: list[Path], address: str) -> None:
    """Print what is on each picture, in order; one that fails is told and the next one goes on."""
    begun = time.monotonic()
    with lepton_edge.Client(address or None) as client:
        given = ({INPUT: picture} for picture in pictures)  # read when there is room for it, not before
        for result in client.stream(MODEL, given, in_flight=8, on_error="yield", deadline=5.0):
            picture = pictures[result.index]
            if result.error is not None:
                print(f"{picture.name}: {result.error}")
            else:
                print(f"{picture.name}: {best(result)} ({result.latency * 1e3:.0f} ms)")
    print(f"{len(pictures) / (time.monotonic() - begun):.1f} pictures a second", file=sys.stderr)


async def watch(pictures: list[Path], address: str, seconds: float) -> None:
    """Print what the camera sees. Two in flight: one is computed while the next one travels, and none grows old."""
    seen = 0
    async with lepton_edge.AsyncClient(address or None) as client:
        stream = client.stream(MODEL, camera(pictures, seconds), in_flight=2, deadline=1.0)
        async with aclosing(stream) as results:
            async for result in results:
                seen += 1
                print(f"frame {result.metadata['frame']}: {best(result)}")
    print(f"{seen} of {int(seconds * RATE)} frames, the newest each time", file=sys.stderr)


async def camera(
    pictures: list[Path], seconds: float
) -> AsyncIterator[tuple[dict[str, Any], dict[str, str]]]:
    """Yield a frame and its number at the camera's rate; what nobody took in time is gone."""
    begun = time.monotonic()
    for frame in due(begun):
        if frame >= seconds * RATE:
            return
        await asyncio.sleep(max(0.0, begun + frame / RATE - time.monotonic()))
        yield {INPUT: pictures[frame % len(pictures)]}, {"frame": str(frame)}


def due(begun: float) -> Iterator[int]:
    """Yield the number of the next frame each time, leaving out those that are past."""
    frame = 0
    while True:
        yield frame
        frame = max(frame + 1, int((time.monotonic() - begun) * RATE))


def best(result: lepton_edge.Result) -> str:
    """Return the best label and its score."""
    return f"{result.labels[0].label} {result.labels[0].score:.1%}" if result.labels else "no label"


if __name__ == "__main__":
    main(*sys.argv[1:])

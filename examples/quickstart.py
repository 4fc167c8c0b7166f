"""From nothing to an answer, with the SDK: push a model, deploy it, classify a picture.

Law: uses only what `lepton_edge` makes public. A coordinator and at least one agent must be running
(README.md, "By hand"), and the model must have been made: `make demo` leaves it in `.demo/ingredients`, and
`python -m examples.demo.prepare .demo/ingredients` makes it alone.

    python examples/quickstart.py [HOST:PORT of the coordinator] [directory of the model]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lepton_edge


def main(address: str = "127.0.0.1:8010", directory: str = ".demo/ingredients") -> None:
    """Push, deploy, explain and infer."""
    home = Path(directory)
    if not (home / "mobilenetv2.onnx").is_file():
        sys.exit(f"no model in {home} / what to do: python -m examples.demo.prepare {home}")
    try:
        with lepton_edge.Client(address) as client:
            deploy(client, home)
            classify(client, home / "pictures" / "coffee.jpg")
    except lepton_edge.LeptonError as error:  # typed: its code, whose fault it is, whether to try again
        line = f"{error.code} ({error.fault}'s fault, retryable: {error.retryable}): {error.message}"
        sys.exit(f"{line} / what to do: {error.hint or 'see docs/cli.md'}")


def deploy(client: lepton_edge.Client, home: Path) -> None:
    """Push the model in `home`, activate the best plan, and say why it is the best."""
    client.push(
        "mobilenetv2",
        home / "mobilenetv2.onnx",
        manifest=home / "mobilenetv2.toml",  # how a picture becomes the input, and logits become labels
        samples=home / "samples",  # what the loss of codecs is measured on
        progress=each_line_once(),
    )
    deployment = client.deploy("mobilenetv2", progress=each_line_once())
    print(f"page {deployment['page']!r}: {deployment['reason']}")


def each_line_once() -> Callable[[Any], None]:
    """Return a printer of progress that prints no line twice: a stage tells its step again and again."""
    printed: set[str] = set()

    def show(step: Any) -> None:
        line = f"  {step.stage}: {step.message}" if step.message else f"  {step.stage}"
        if line not in printed:
            printed.add(line)
            print(line, file=sys.stderr)

    return show


def classify(client: lepton_edge.Client, picture: Path) -> None:
    """Print what is in `picture`, and where the time went."""
    result = client.infer("mobilenetv2", {"input": picture}, deadline=5.0)
    for answer in result.labels:
        print(f"{answer.score:6.1%}  {answer.label}")
    for hop in result.hops:
        print(f"  {hop.device:8} compute {hop.compute * 1e3:6.1f} ms, network {hop.network * 1e3:6.1f} ms")
    print(f"{result.latency * 1e3:.1f} ms in all, on page {result.page!r}, request {result.request_id}")


if __name__ == "__main__":
    main(*sys.argv[1:])

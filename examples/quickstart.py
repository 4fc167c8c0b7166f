"""From nothing to an answer, with the SDK: push a model, deploy it, classify a picture.

Law: uses only what `lepton_edge` makes public. A coordinator and at least one agent must be running
(README.md, "By hand"), and `python -m examples.demo.prepare .demo/models` must have made the model.

    python examples/quickstart.py [HOST:PORT of the coordinator] [directory of the model]
"""

from __future__ import annotations

import sys
from pathlib import Path

import lepton_edge


def main(address: str = "127.0.0.1:8010", directory: str = ".demo/models") -> None:
    """Push, deploy, explain and infer."""
    home = Path(directory)
    with lepton_edge.Client(address) as client:
        client.push(
            "mobilenetv2",
            home / "mobilenetv2.onnx",
            manifest=home / "mobilenetv2.toml",  # how a picture becomes the input, and logits become labels
            samples=home / "samples",  # what the loss of codecs is measured on
            progress=lambda step: print(f"  {step.stage}: {step.message}", file=sys.stderr),
        )
        deployment = client.deploy("mobilenetv2")
        print(f"page {deployment['page']!r}: {deployment['reason']}")
        classify(client, home / "pictures" / "coffee.jpg")


def classify(client: lepton_edge.Client, picture: Path) -> None:
    """Print what is in `picture`, and where the time went."""
    try:
        result = client.infer("mobilenetv2", {"input": picture}, deadline=5.0)
    except (
        lepton_edge.LeptonError
    ) as error:  # typed: its code, whose fault it is, whether to try again, what to do
        print(f"{error.code} ({error.fault}'s fault, retryable: {error.retryable}): {error}", file=sys.stderr)
        raise SystemExit(1) from error
    for answer in result.labels:
        print(f"{answer.score:6.1%}  {answer.label}")
    for hop in result.hops:
        print(f"  {hop.device:8} compute {hop.compute * 1e3:6.1f} ms, network {hop.network * 1e3:6.1f} ms")
    print(f"{result.latency * 1e3:.1f} ms in all, on page {result.page!r}, request {result.request_id}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The whole way in a few lines: load, compress, deploy, test.

Law: an application's code: it imports the public face and nothing of the rooms. It needs the extra `compress`, and a
coordinator and a board that are running (README, "By hand"): what was found is served there as "small", and asked.

    python -m examples.compressing MODEL.onnx PICTURES/ MANIFEST.toml
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import lepton_edge


def shrink(model: Path, pictures: Path, manifest: Path, out: Path) -> Any:
    """Return the report of a search for the smallest model that loses one point at most."""
    return lepton_edge.compress(
        model, pictures, description=manifest, target="size", max_drop=0.01, max_candidates=6, out=out
    )


def serve(client: lepton_edge.Client, report: Any, pictures: Path, manifest: Path) -> str:
    """Push and deploy what was found, ask it about one picture, and return what it answered."""
    client.push("small", report.file, manifest=manifest, samples=pictures)
    client.deploy("small")
    picture = next(one for one in sorted(pictures.iterdir()) if one.suffix in (".jpg", ".png"))
    name = client.model("small")["inputs"][0]["name"]
    result = client.infer("small", {name: picture})
    return f"{picture.name}: {result.labels[0].label if result.labels else list(result.outputs)}"


def main(model: str, pictures: str, manifest: str) -> None:
    """Compress, then serve."""
    report = shrink(Path(model), Path(pictures), Path(manifest), Path(f"{Path(model).stem}.compressed"))
    print(report.words(report.best.recipe), report.file)
    with lepton_edge.Client() as client:
        print(serve(client, report, Path(pictures), Path(manifest)))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python -m examples.compressing MODEL.onnx PICTURES/ MANIFEST.toml")
    main(*sys.argv[1:])

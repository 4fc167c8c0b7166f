"""The whole way in a few lines: load, compress, adapt, deploy, test.

Law: an application's code: it imports the public face and nothing of the rooms. Run it with a model, a folder of its
pictures and, where a coordinator listens on this machine, its name is served in the end.

    python -m examples.compressing mobilenetv2.onnx photographs/ mobilenetv2.toml
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
    main(*sys.argv[1:4])

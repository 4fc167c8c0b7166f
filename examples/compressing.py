"""The whole way in a few lines: load, compress, adapt, deploy, test.

Law: an application's code: it imports the public face and nothing of the rooms. It needs the extra `compress`, and a
coordinator and a board that are running (README, "By hand"): what was found is made ready for the board's platform,
served there as "small", and asked.

    python -m examples.compressing MODEL.onnx PICTURES/ MANIFEST.toml [PLATFORM]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import lepton_edge
from lepton_edge.compress import Wanted, adapt


def shrink(model: Path, pictures: Path, manifest: Path, out: Path) -> Any:
    """Return the report of a search for the smallest model that loses one point at most."""
    return lepton_edge.compress(
        model, pictures, description=manifest, target="size", max_drop=0.01, max_candidates=6, out=out
    )


def ready(report: Any, pictures: Path, manifest: Path, platform: str) -> Any:
    """Return the bundle of what was found for `platform`: what was verified here, and what only the board can show."""
    wanted = Wanted(data=pictures, description=manifest)
    return adapt(report.file, platform, report.file.with_name(platform), wanted)


def serve(client: lepton_edge.Client, model: Path, pictures: Path, manifest: Path) -> str:
    """Push and deploy what was found, ask it about one picture, and return what it answered."""
    client.push("small", model, manifest=manifest, samples=pictures)
    client.deploy("small")
    picture = next(one for one in sorted(pictures.iterdir()) if one.suffix in (".jpg", ".png"))
    name = client.model("small")["inputs"][0]["name"]
    result = client.infer("small", {name: picture})
    return f"{picture.name}: {result.labels[0].label if result.labels else list(result.outputs)}"


def main(model: str, pictures: str, manifest: str, platform: str = "x86") -> None:
    """Compress, adapt, then serve."""
    data, described = Path(pictures), Path(manifest)
    report = shrink(Path(model), data, described, Path(f"{Path(model).stem}.compressed"))
    print(report.words(report.best.recipe), report.file)
    bundle = ready(report, data, described, platform)
    for fact in bundle.unverified:
        print(f"not verified: {fact.what} ({fact.how})")
    with lepton_edge.Client() as client:
        print(serve(client, bundle.folder / "model.onnx", data, described))


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit("usage: python -m examples.compressing MODEL.onnx PICTURES/ MANIFEST.toml [PLATFORM]")
    main(*sys.argv[1:])

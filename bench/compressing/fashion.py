"""Fashion-MNIST out of Debian's package: 60,000 pictures to train with, 10,000 to judge by.

Law: pictures are float32 [1, 1, 28, 28], (pixel / 255 - mean) / deviation; nothing of the judging ones is ever
trained or calibrated with. The package is used where it is installed, else downloaded and unpacked without root.
"""

from __future__ import annotations

import gzip
import itertools
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lepton_edge.compress.technique import Sample

PACKAGE = "dataset-fashion-mnist"
INSTALLED = Path("/usr/share/datasets/fashion-mnist")
CACHE = Path(__file__).resolve().parents[2] / ".demo" / "compress"
MEAN, DEVIATION = 0.2860, 0.3530
PATIENCE = 300
SHIFT = 1  # pixels that a picture is moved by at most while training


@dataclass(frozen=True)
class Pictures:
    """Pictures uint8 [n, 28, 28] and their classes uint8 [n] as samples.

    Varied ones are mirrored and moved, at each pass otherwise.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    name: str
    varied: bool = False
    seed: int = 0
    _passes: Iterator[int] = field(default_factory=itertools.count, compare=False)

    def __len__(self) -> int:
        return len(self.pixels)

    def __iter__(self) -> Iterator[Sample]:
        random = np.random.default_rng((self.seed, next(self._passes)))
        for index, picture in enumerate(self.pixels):
            seen = _varied(picture, random) if self.varied else picture
            normal = ((seen.astype(np.float32) / 255 - MEAN) / DEVIATION)[None, None]
            yield Sample(
                {"picture": normal}, f"{self.name}[{index}]", np.asarray(self.labels[index], np.int64)
            )

    def first(self, count: int) -> Pictures:
        """Return the first `count` of them, as they are."""
        return Pictures(self.pixels[:count], self.labels[:count], self.name)

    def again(self, seed: int) -> Pictures:
        """Return them varied."""
        return Pictures(self.pixels, self.labels, self.name, varied=True, seed=seed)


def _varied(picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    mirrored = picture[:, ::-1] if random.random() < 0.5 else picture
    down, right = random.integers(0, 2 * SHIFT + 1, 2)
    return np.pad(mirrored, SHIFT)[down : down + picture.shape[0], right : right + picture.shape[1]]


def training() -> Pictures:
    """Return the 60,000 pictures to train and calibrate with."""
    return _read("train", "training")


def judging() -> Pictures:
    """Return the 10,000 pictures to judge by."""
    return _read("t10k", "judging")


def _read(prefix: str, name: str) -> Pictures:
    folder = _folder()
    pixels = gzip.decompress((folder / f"{prefix}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{prefix}-labels-idx1-ubyte.gz").read_bytes())
    return Pictures(
        np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 28, 28),
        np.frombuffer(labels, np.uint8, offset=8),
        name,
    )


def _folder() -> Path:
    """Return where the data lies; download Debian's package where it is not installed."""
    if INSTALLED.is_dir():
        return INSTALLED
    unpacked = CACHE / "debian"
    inside = unpacked / INSTALLED.relative_to("/")
    if not inside.is_dir():
        unpacked.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "-qq", "download", PACKAGE], cwd=unpacked, check=True, timeout=PATIENCE)
        package = next(unpacked.glob(f"{PACKAGE}_*.deb"))
        subprocess.run(["dpkg", "-x", package.name, "."], cwd=unpacked, check=True, timeout=PATIENCE)
        package.unlink()
    return inside

"""How much of a picture can be seen in tensors that were computed from it: the simplest attack, learnt from samples.

Law: arithmetic on arrays; opens no file and no session. The attack is a linear decoder (ridge regression) from what a
place of the tensors holds to the patch of the picture there; it is learnt from some samples and judged on others that
it did not see, by SSIM (Wang, Bovik, Sheikh, Simoncelli 2004, uniform window of 7). It is a lower bound: networks that
are trained to invert do better (Dosovitskiy and Brox 2016), and so do attackers with more than a few samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SIDE = 64
"""Pixels of a side at which pictures are compared: enough to recognise a face or a plate's place."""
LEAST = 4
"""Samples: three to learn from and one to judge."""
WINDOW = 7
MOST_FEATURES = 576
MOST_ROWS = 8192
RIDGE = 1e-2  # of the rows, features standardised


@dataclass(frozen=True)
class Inversion:
    """Mean SSIM over the pictures that were held out: of the decoder, and of the mean picture that needs no tensor."""

    ssim: float
    blind: float


def invert(tensors: Sequence[Sequence[Array]], pictures: Sequence[Array]) -> Inversion:
    """Return how well `pictures` are reconstructed from `tensors`, both sample by sample.

    A picture is [SIDE, SIDE, channels] in 0..1 (see `pictures_of`); tensors are numbers of any shape, [1, channels,
    height, width] taken place by place. Needs LEAST samples.
    """
    held = [number for number in range(len(pictures)) if number % LEAST == LEAST - 1]
    known = [number for number in range(len(pictures)) if number not in held]
    grid = _grid(tensors[0])
    learnt = [
        _some_places(_features(tensors[one], grid), _patches(pictures[one], grid), known) for one in known
    ]
    decoder = _Decoder.learn([rows for rows, _ in learnt], [patches for _, patches in learnt])
    mean = np.mean([pictures[one] for one in known], axis=0)
    seen = [ssim(_whole(decoder(_features(tensors[one], grid)), grid), pictures[one]) for one in held]
    return Inversion(float(np.mean(seen)), float(np.mean([ssim(mean, pictures[one]) for one in held])))


def pictures_of(inputs: Sequence[Array]) -> list[Array] | None:
    """Return a model's inputs as pictures [SIDE, SIDE, channels] in 0..1; None where they are none.

    They are [1, channels, height, width] or [1, height, width, channels], with one or three channels.
    """
    planes = [_as_picture(one) for one in inputs]
    found = [one for one in planes if one is not None]
    if len(found) != len(inputs) or not found:
        return None
    low, high = min(float(one.min()) for one in found), max(float(one.max()) for one in found)
    scale = (high - low) or 1.0
    return [np.moveaxis(_resampled((one - low) / scale, SIDE), 0, -1) for one in found]


def reduced(tensor: Array) -> Array:
    """Return a tensor no finer than pictures are compared, in float32: what `invert` reads of it, and little memory."""
    if not _has_places(tensor):
        return np.asarray(tensor, np.float32)
    maps = _maps(tensor)
    side = min(SIDE, min(maps.shape[1:]))
    return _resampled(maps, side)[None].astype(np.float32)


def ssim(one: Array, other: Array) -> float:
    """Return the structural similarity of two pictures [height, width, channels] in 0..1: 1 where they are equal."""
    a, b = one.mean(axis=-1), other.mean(axis=-1)
    samples = WINDOW * WINDOW
    mean_a, mean_b = _means(a), _means(b)
    unbiased = samples / (samples - 1)
    var_a, var_b = unbiased * (_means(a * a) - mean_a**2), unbiased * (_means(b * b) - mean_b**2)
    both = unbiased * (_means(a * b) - mean_a * mean_b)
    c1, c2 = 0.01**2, 0.03**2
    above = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    return float((above / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean())


def _means(plane: Array) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(plane.astype(np.float64), (WINDOW, WINDOW))
    return np.asarray(windows.mean(axis=(-2, -1)))


def _as_picture(array: Array) -> Array | None:
    """Return [channels, height, width] in float64."""
    if array.ndim != 4 or array.shape[0] != 1:
        return None
    plane = np.asarray(array[0], np.float64)
    if plane.shape[0] not in (1, 3):
        plane = np.moveaxis(plane, -1, 0)
    return plane if plane.shape[0] in (1, 3) and min(plane.shape[1:]) >= WINDOW else None


def _resampled(maps: Array, side: int) -> Array:
    """Return [channels, height, width] as [channels, side, side]: means of what falls together, else repeated."""
    for axis in (1, 2):
        length = maps.shape[axis]
        starts = np.arange(side) * length // side
        if side > length:
            maps = np.take(maps, starts, axis)
            continue
        counts = np.diff(np.append(starts, length)).reshape([-1 if one == axis else 1 for one in range(3)])
        maps = np.add.reduceat(maps, starts, axis) / counts
    return np.asarray(maps)


def _grid(tensors: Sequence[Array]) -> int:
    """Return how many places a side the tensors tell apart: a power of two, SIDE at most; 1 where they have none."""
    sides = [min(_maps(one).shape[1:]) for one in tensors if _has_places(one)]
    return min(SIDE, 1 << (max(sides) - 1).bit_length()) if sides else 1


def _has_places(tensor: Array) -> bool:
    return tensor.ndim == 4 and min(tensor.shape[1:]) >= 1 and max(tensor.shape[2:]) > 1


def _maps(tensor: Array) -> Array:
    """Return [channels, height, width]; of two layouts the one whose sides are equal."""
    maps = np.asarray(tensor[0], np.float64)
    last = maps.shape[0] == maps.shape[1] != maps.shape[2]
    return np.moveaxis(maps, -1, 0) if last else maps


def _features(tensors: Sequence[Array], grid: int) -> Array:
    """Return [places, features]; where there are places, tensors without any are left out."""
    if grid == 1:
        return _mixed(np.concatenate([np.asarray(one, np.float64).ravel() for one in tensors])[None])
    found = [_around(_resampled(_maps(one), grid)) for one in tensors if _has_places(one)]
    return _mixed(np.concatenate(found).reshape(sum(len(one) for one in found), -1).T)


def _mixed(features: Array) -> Array:
    """Return at most MOST_FEATURES: where there are more, so many random sums of them, which keep distances."""
    if features.shape[1] <= MOST_FEATURES:
        return np.asarray(features)
    mix = np.random.default_rng(0).standard_normal((features.shape[1], MOST_FEATURES))
    return np.asarray(features @ (mix / np.sqrt(MOST_FEATURES)))


def _around(maps: Array) -> Array:
    """Return the maps with those of each place's eight neighbours, where that is not too much."""
    if 9 * len(maps) > MOST_FEATURES:
        return maps
    side = maps.shape[1]
    wide = np.pad(maps, ((0, 0), (1, 1), (1, 1)), mode="edge")
    return np.concatenate([wide[:, y : y + side, x : x + side] for y in range(3) for x in range(3)])


def _some_places(rows: Array, patches: Array, known: Sequence[int]) -> tuple[Array, Array]:
    """Return a few places of one sample, so that those of all samples are `MOST_ROWS` together."""
    count = min(len(rows), -(-MOST_ROWS // len(known)))
    some = np.random.default_rng(0).choice(len(rows), count, replace=False)
    return rows[some], patches[some]


def _patches(picture: Array, grid: int) -> Array:
    """Return [places, numbers of a patch]."""
    patch = SIDE // grid
    parts = picture.reshape(grid, patch, grid, patch, -1).swapaxes(1, 2)
    return np.asarray(parts.reshape(grid * grid, -1))


def _whole(patches: Array, grid: int) -> Array:
    """Return the picture that `_patches` took apart, its values in 0..1."""
    patch = SIDE // grid
    parts = patches.reshape(grid, grid, patch, patch, -1).swapaxes(1, 2)
    return np.asarray(np.clip(parts.reshape(SIDE, SIDE, -1), 0.0, 1.0))


@dataclass(frozen=True)
class _Decoder:
    mean: Array
    scale: Array
    weights: Array
    bias: Array

    @classmethod
    def learn(cls, rows: Sequence[Array], patches: Sequence[Array]) -> _Decoder:
        x, y = np.concatenate(rows), np.concatenate(patches)
        mean, scale, bias = x.mean(axis=0), x.std(axis=0), y.mean(axis=0)
        scale = np.where(scale > 1e-9 * (np.abs(mean) + 1), scale, np.inf)  # what never changes tells nothing
        x = (x - mean) / scale
        return cls(mean, scale, _ridge(x, y - bias), bias)

    def __call__(self, rows: Array) -> Array:
        return np.asarray((rows - self.mean) / self.scale @ self.weights + self.bias)


def _ridge(x: Array, y: Array) -> Array:
    """Return the weights, by the smaller of the two equal systems."""
    count, width = x.shape
    if width <= count:
        return np.linalg.solve(x.T @ x + RIDGE * count * np.eye(width), x.T @ y)
    return np.asarray(x.T @ np.linalg.solve(x @ x.T + RIDGE * count * np.eye(count), y))

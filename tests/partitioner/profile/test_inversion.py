"""A linear decoder sees what is there to be seen, nothing where nothing is, and SSIM is that of others."""

from __future__ import annotations

import numpy as np
import pytest

from partitioner.profile import inversion
from partitioner.profile.inversion import SIDE, invert, pictures_of, ssim

skimage = pytest.importorskip("skimage.metrics")


def scene(seed: int) -> np.ndarray:
    """A picture [1, 3, 96, 96] of a few soft patches, none like another."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(-2, 2, (3, 6, 6))
    return np.kron(coarse, np.ones((16, 16)))[None].astype(np.float32)


INPUTS = [scene(seed) for seed in range(16)]
PICTURES = pictures_of(INPUTS) or []


def convolved(seed: int, stride: int, channels: int) -> np.ndarray:
    """What a random convolution with a ReLU makes of a scene: [1, channels, 96 / stride, 96 / stride]."""
    weights = np.random.default_rng(99).standard_normal((channels, 3 * stride * stride))
    blocks = scene(seed)[0].reshape(3, 96 // stride, stride, 96 // stride, stride)
    rows = blocks.transpose(1, 3, 0, 2, 4).reshape((96 // stride) ** 2, -1)
    made = np.maximum(rows @ weights.T, 0)
    return made.T.reshape(1, channels, 96 // stride, 96 // stride)


def test_ssim_is_that_of_scikit_image() -> None:
    one, other = PICTURES[0], np.clip(PICTURES[0] + 0.2 * PICTURES[1] - 0.1, 0, 1)
    expected = skimage.structural_similarity(one.mean(-1), other.mean(-1), win_size=7, data_range=1.0)
    assert ssim(one, other) == pytest.approx(expected, abs=0.02), "they leave out the border differently"
    assert ssim(one, one) == pytest.approx(1.0)


def test_early_layers_give_the_picture_away_and_deep_ones_less() -> None:
    early, deep = (
        invert([[convolved(seed, stride, channels)] for seed in range(16)], PICTURES)
        for stride, channels in ((2, 16), (48, 8))
    )
    assert early.ssim > 0.8
    assert deep.ssim < early.ssim - 0.3
    assert early.blind == deep.blind < 0.5


def test_what_has_nothing_to_do_with_the_picture_shows_no_more_than_the_mean() -> None:
    noise = [[np.random.default_rng(seed).standard_normal((1, 16, 32, 32))] for seed in range(16)]
    found = invert(noise, PICTURES)
    assert found.ssim < found.blind + 0.1


def test_a_vector_and_several_tensors_are_taken_too() -> None:
    vectors = [[scene(seed).reshape(1, -1)[:, ::7]] for seed in range(16)]
    assert 0 <= invert(vectors, PICTURES).ssim < 1
    pairs = [[convolved(seed, 16, 4), convolved(seed, 2, 16)] for seed in range(16)]
    assert invert(pairs, PICTURES).ssim > 0.8, "the finest of them counts"


def test_it_is_judged_on_pictures_that_it_did_not_see() -> None:
    """One number a sample that names it: who learnt by heart would be perfect, and an attacker has learnt nothing."""
    names = [[np.eye(16)[seed][None]] for seed in range(16)]
    found = invert(names, PICTURES)
    assert found.ssim < found.blind + 0.05


@pytest.mark.parametrize("shape", [(1, 3, 96, 80), (1, 80, 96, 3), (1, 1, 28, 28)])
def test_inputs_that_are_pictures_become_pictures(shape: tuple[int, ...]) -> None:
    (made,) = pictures_of([np.random.default_rng(0).normal(0, 3, shape)]) or [np.zeros(0)]
    assert made.shape == (SIDE, SIDE, 1 if shape[1] == 1 else 3)
    assert 0 <= made.min() <= made.max() <= 1


@pytest.mark.parametrize("shape", [(1, 16000), (1, 128), (1, 12, 64, 64), (1, 3, 4, 4), (2, 3, 64, 64)])
def test_inputs_that_are_none_are_none(shape: tuple[int, ...]) -> None:
    assert pictures_of([np.zeros(shape)]) is None


def test_maps_whose_channels_come_last_are_read_so() -> None:
    made = [[np.moveaxis(convolved(seed, 2, 16), 1, -1)] for seed in range(16)]
    assert invert(made, PICTURES).ssim > 0.8
    assert len(INPUTS) >= inversion.LEAST

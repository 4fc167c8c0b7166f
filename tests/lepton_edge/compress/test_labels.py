"""Labels to train with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_edge.compress import labels
from lepton_edge.compress.errors import UnusableData
from lepton_edge.compress.samples import Chosen, open_samples
from tests.lepton_edge.compress import small

MODEL = small.classifier()
X = np.zeros((3, 16), np.float32)


def handed(*given: Any) -> Chosen:
    return open_samples([({"x": X[:1]}, one) for one in given], MODEL)


def archive(folder: Path, *given: Any) -> Chosen:
    np.savez(folder / "training.npz", x=X, labels=np.asarray(given))
    return open_samples(folder / "training.npz", MODEL)


def folders(folder: Path, *given: int) -> Chosen:
    for one in given:
        (folder / str(one)).mkdir()
        np.save(folder / str(one) / "sample.npy", X[0])
    return open_samples(folder, MODEL)


def test_classes_of_the_model_are_fine(tmp_path: Path) -> None:
    for training in (handed(0, 3), archive(tmp_path, 0, 3, 1)):
        labels.check(training, MODEL)


@pytest.mark.parametrize("wrong", [4, -1])
def test_a_label_that_is_no_class_is_named_before_anything_is_trained(tmp_path: Path, wrong: int) -> None:
    for training in (handed(0, wrong), archive(tmp_path, 0, wrong, 1)):
        with pytest.raises(
            UnusableData, match=f"the label {wrong} of the training data is none of 4 classes"
        ):
            labels.check(training, MODEL)


def test_folders_are_labels_too(tmp_path: Path) -> None:
    with pytest.raises(UnusableData, match="the label 7"):
        labels.check(folders(tmp_path, 0, 7), MODEL)


def test_what_is_no_number_is_left_to_who_trains(tmp_path: Path) -> None:
    labels.check(handed(0.5, 9.5), MODEL)
    labels.check(open_samples([{"x": X[:1]}], MODEL), MODEL)

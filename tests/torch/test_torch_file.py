"""Our restricted reader of the old torch format against torch's own, on the demo's real weights."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: run `make test-torch`")

from examples.demo import torch_file  # noqa: E402
from examples.demo.mobilenet import PACKAGE, WEIGHTS_FILE  # noqa: E402
from examples.demo.packages import package_folder  # noqa: E402


def test_every_tensor_is_what_torch_reads() -> None:
    path = package_folder(PACKAGE) / WEIGHTS_FILE
    ours = torch_file.load(path)
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    assert list(ours) == list(theirs)
    for name, tensor in theirs.items():
        np.testing.assert_array_equal(ours[name], tensor.numpy())

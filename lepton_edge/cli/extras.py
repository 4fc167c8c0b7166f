"""Optional extras: whether one is installed, and what to say when it is not.

Law: looks, never imports.
"""

from __future__ import annotations

from importlib.util import find_spec

from lepton_edge.core.errors import RequestError

_MODULES = {
    "coordinator": ("onnx", "onnxslim", "scipy"),
    "compress": ("onnx", "onnxslim", "scipy", "optuna"),
}


class MissingExtra(RequestError):
    """A command needs packages that the base installation leaves out."""

    code = "missing_extra"


def require(extra: str) -> None:
    """Return when the extra's packages are installed.

    Raises:
        MissingExtra: says how to install them.
    """
    missing = [module for module in _MODULES[extra] if find_spec(module) is None]
    if missing:
        raise MissingExtra(
            f"this command needs {', '.join(missing)}, which the base installation leaves out",
            f"pip install 'lepton-edge[{extra}]'",
        )

"""Where a real library of custom operators lies.

Law: it is found and not imported: its package has every process that is started afterwards use protobuf without its
compiled part (PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION), which is slow and large.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path

import pytest


def library() -> str:
    """Return the path of the library; skip who asks where the package is not installed."""
    found = importlib.util.find_spec("onnxruntime_extensions")
    if found is None or found.origin is None:
        pytest.skip("onnxruntime-extensions is not installed", allow_module_level=True)
    ending = importlib.machinery.EXTENSION_SUFFIXES[0]
    (file,) = Path(found.origin).parent.glob(f"_extensions_pydll{ending}")
    return str(file)

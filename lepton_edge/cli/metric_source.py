"""A metric of the user's own: a function in a Python file that `--metric FILE.py:FUNCTION` names.

Law: imports that one file, because its user asked for it, and nothing else by name.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lepton_edge.core.errors import UsageError

_HINT = "write --metric metrics.py:closeness, a function of (answers, answers of the original, label)"

_ANY = (
    ImportError, SyntaxError, NameError, AttributeError, TypeError, ValueError, ArithmeticError, LookupError,
    RuntimeError, OSError, AssertionError, EOFError, SystemExit,
)  # fmt: skip
"""What a file may raise while it is imported; Ctrl-C and a full memory are not its own."""


def read_metric(given: str) -> str | Callable[..., Any] | None:
    """Return the name of a metric as it is, the function of "FILE.py:FUNCTION", None of "".

    Raises:
        UsageError: the file cannot be imported, or holds no such function.
    """
    file, colon, name = given.rpartition(":")
    if not colon or not file.endswith(".py"):
        return given or None
    found = getattr(_imported(given, Path(file)), name, None)
    if not callable(found):
        raise UsageError(f"--metric {given}: {file} has no function {name!r}", _HINT)
    function: Callable[..., Any] = found
    return function


def _imported(given: str, file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"metric_{file.stem}", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise UsageError(f"--metric {given}: there is no file {file}", _HINT)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except _ANY as error:
        told = f"{type(error).__name__}: {error}"
        raise UsageError(f"--metric {given}: {file} cannot be imported: {told}", _HINT) from error
    return module

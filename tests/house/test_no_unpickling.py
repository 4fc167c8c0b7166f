"""Nothing that came from elsewhere is ever run: no unpickling, no marshal, no numpy objects, no code out of a model."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("partitioner", "lepton_edge", "device_agents", "examples")  # bench reads what it wrote itself
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))

RUNS_WHAT_IT_READS = {
    "pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "jsonpickle",
}  # fmt: skip
UNTRUSTED_CALLS = {"torch.load", "torch.jit.load", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}
REGISTERS_CODE = {"register_custom_ops_library"}
ALLOWED_BY_NAME = {"device_agents/engine/runtime.py", "partitioner/onnx_io/runtime.py"}
"""Where the engine is given libraries of this machine that a person allowed by name (--allow-custom-ops)."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled(path: Path) -> None:
    found = list(offences(path.read_text(encoding="utf-8")))
    if path.relative_to(ROOT).as_posix() in ALLOWED_BY_NAME:
        found = [one for one in found if not any(code in one for code in REGISTERS_CODE)]
    assert found == []


def offences(text: str) -> Iterator[str]:
    """Yield what in a file would run, or make objects of, what it reads."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (_told(node, one.name) for one in node.names if _root(one.name) in RUNS_WHAT_IT_READS)
        elif isinstance(node, ast.ImportFrom) and _root(node.module or "") in RUNS_WHAT_IT_READS:
            yield _told(node, node.module or "")
        elif isinstance(node, ast.Call):
            yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[str]:
    called = ast.unparse(node.func)
    if called in UNTRUSTED_CALLS or called.rpartition(".")[2] in REGISTERS_CODE:
        yield _told(node, called)
    refuses = [one.value for one in node.keywords if one.arg == "allow_pickle"]
    if any(not (isinstance(one, ast.Constant) and one.value is False) for one in refuses):
        yield _told(node, f"{called}(allow_pickle=...)")
    if called in {"np.load", "numpy.load"} and not refuses:
        yield _told(node, f"{called} without allow_pickle=False")


def _root(module: str) -> str:
    return module.partition(".")[0]


def _told(node: ast.AST, what: str) -> str:
    return f"{what} at line {getattr(node, 'lineno', 0)}"


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "import torch.nn, marshal",
        "def f():\n    import shelve",
        "np.load(file)",
        "np.load(file, allow_pickle=True)",
        "numpy.load(file, allow_pickle=chosen)",
        "np.lib.format.read_array(file, allow_pickle=True)",
        "torch.load(path)",
        "yaml.load(text)",
        "options.register_custom_ops_library(path)",
    ],
)
def test_the_search_finds_it(text: str) -> None:
    assert list(offences(text))


@pytest.mark.parametrize(
    "text", ["import json, pickletools", "np.load(file, allow_pickle=False)", "json.load(file)", "a.eval()"]
)
def test_the_search_leaves_what_only_reads(text: str) -> None:
    assert not list(offences(text))

"""The house rules that a machine can hold (CONTRIBUTING.md lists all twelve)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("partitioner", "lepton_edge", "device_agents", "examples", "bench")
FORBIDDEN_NAMES = {"utils", "util", "common", "shared", "helpers", "helper", "misc"}
FILES = sorted(
    path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "/wire/v1/" not in path.as_posix()
)


def _functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_keeps_the_house_rules(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert path.stem not in FORBIDDEN_NAMES, "rule 1: place equals name"
    assert text.count("\n") <= 400, "rule 8: a file has 400 lines at most"
    if text.strip():
        assert ast.get_docstring(tree), "rule 10: a file opens with its law"
    for function in _functions(tree):
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length <= 40, f"rule 8: {function.name} has {length} lines"
        arguments = function.args
        count = len(arguments.args) + len(arguments.posonlyargs) - _has_self(function)
        assert count <= 5, f"rule 8: {function.name} has {count} positional parameters"


def _has_self(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = [*function.args.posonlyargs, *function.args.args][:1]
    return int(bool(first) and first[0].arg in {"self", "cls"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_broad_except_outside_driver_loops(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node):
            assert path.stem in {"driver", "service"}, f"rule 7: broad except at {path}:{node.lineno}"


def _is_broad(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or (
        isinstance(handler.type, ast.Name) and handler.type.id in {"Exception", "BaseException"}
    )


def test_no_registry_or_machine_path_is_named() -> None:
    offenders = [
        str(path.relative_to(ROOT))
        for pattern in ("*.py", "*.toml", "*.md", "*.txt", "Makefile")
        for path in ROOT.rglob(pattern)
        if not {".venv", ".git", ".demo"} & set(path.relative_to(ROOT).parts)
        and not any(part.startswith(".venv") for part in path.relative_to(ROOT).parts)
        and path != Path(__file__)
        and any(word in path.read_text(encoding="utf-8", errors="ignore") for word in ("/work/", "pypi.org"))
    ]
    assert offenders == []

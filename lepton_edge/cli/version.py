"""`lepton-edge version`.

Law: reads what is installed; talks to nobody.
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import typer
from rich.console import Console

from lepton_edge.cli.options import Format, FormatOption
from lepton_edge.cli.output import print_document
from lepton_edge.core.messages import PROTOCOL_MAJOR, PROTOCOL_MINOR
from lepton_edge.core.version import __version__

app = typer.Typer(add_completion=False)

_PACKAGES = ("onnxruntime", "grpcio", "protobuf", "numpy", "onnx", "onnxslim", "scipy")


@app.command()
def show(form: FormatOption = Format.TABLE) -> None:
    """Show the versions of what is installed."""
    print_document(document(), form, _render)


def document() -> dict[str, Any]:
    """Return the versions; an extra that is not installed reads "not installed"."""
    return {
        "schema": "lepton-edge/version/1",
        "lepton_edge": __version__,
        "protocol": f"{PROTOCOL_MAJOR}.{PROTOCOL_MINOR}",
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: _installed(name) for name in _PACKAGES},
    }


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _render(told: dict[str, Any], console: Console) -> None:
    console.print(f"lepton-edge {told['lepton_edge']}, protocol {told['protocol']}")
    console.print(f"Python {told['python']} on {told['platform']}")
    for name, number in told["packages"].items():
        console.print(f"  {name:12} {number}")

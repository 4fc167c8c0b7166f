"""Regenerate the protobuf stubs under lepton_edge/wire/v1, or check that they are up to date.

Law: stubs are made by one pinned generator, because the generator writes a floor for the protobuf library
into them. It lives in a small virtual environment of its own, `.venv-protos`, so that it never meets the
product's libraries.

    python protos/generate.py             write the stubs
    python protos/generate.py --check     exit 1 and name the files that differ
"""

from __future__ import annotations

import argparse
import filecmp
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
PACKAGE = Path("lepton_edge/wire/v1")
GENERATOR = "grpcio-tools==1.73.1"
HOME = ROOT / ".venv-protos"


def generator() -> Path:
    """Return the Python that holds the pinned generator, after installing it where it is missing."""
    python = HOME / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        venv.create(HOME, with_pip=True)
    name, version = GENERATOR.split("==")
    probe = f"import importlib.metadata as m; raise SystemExit(m.version({name!r}) != {version!r})"
    if subprocess.run([python, "-c", probe], stderr=subprocess.DEVNULL, check=False).returncode:
        pip = [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            GENERATOR,
        ]
        subprocess.run(pip, check=True)
    return python


def generate(python: Path, into: Path) -> None:
    """Write stubs and their types for every .proto file to `into`/lepton_edge/wire/v1."""
    sources = sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / PACKAGE).glob("*.proto"))
    options = [f"--proto_path={PROTOS}", f"--python_out={into}", f"--pyi_out={into}"]
    subprocess.run([python, "-m", "grpc_tools.protoc", *options, *sources], check=True, cwd=PROTOS)


def differing(fresh: Path, kept: Path) -> list[str]:
    """Return the names of stubs that are missing, left over or different."""
    names = {path.name for where in (fresh, kept) for path in where.glob("*_pb2.py*")}
    return sorted(name for name in names if not _same(fresh / name, kept / name))


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and filecmp.cmp(one, other, shallow=False)


def main() -> int:
    """Generate, or compare with what is committed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail when the stubs are out of date"
    )
    check: bool = parser.parse_args().check
    if not check:
        generate(generator(), ROOT)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        generate(generator(), Path(scratch))
        stale = differing(Path(scratch) / PACKAGE, ROOT / PACKAGE)
    if stale:
        print(f"stale stubs: {', '.join(stale)}; run `make protos` and commit", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())

"""From `--input` and files on the command line to the inputs of one request or of many.

Law: finds and names files; reads an .npz only when its request is made. Which files go together is said by their
order: the nth file of one input goes with the nth of another, and a single file with every one.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lepton_edge.cli.archives import read_arrays
from lepton_edge.client import Client
from lepton_edge.client.exchange import Input
from lepton_edge.core.errors import InvalidInput, Unavailable
from lepton_edge.core.results import Array

ARCHIVE = ""
"""Stands for the name of an input where an .npz names the inputs itself."""


@dataclass(frozen=True)
class Asked:
    """One request to make: its files by input name, and what to call it in a list of many."""

    source: str
    files: dict[str, Path]

    def read(self) -> dict[str, Input]:
        """Return its inputs; of an .npz, the arrays in it by their names.

        Raises:
            InvalidInput: an .npz cannot be read.
        """
        inputs: dict[str, Input] = {}
        for name, path in self.files.items():
            inputs |= {name: path} if name != ARCHIVE else read_arrays(path)
        return inputs


def requests_of(asked: Client, model: str, given: Sequence[str]) -> list[Asked]:
    """Return the requests that `given`, each "[INPUT=]FILE, folder or pattern", stands for.

    Raises:
        InvalidInput: a file is not there, or it is not clear which input it is for, or which go together.
    """
    by_name: dict[str, list[Path]] = {}
    only = ""
    for one in given:
        name, where = split_name(one)
        for path in files_of(where):
            if path.suffix != ".npz" and not name and not only:
                only = only_input(asked, model)
            by_name.setdefault(_input_of(name or only, path, named=bool(name)), []).append(path)
    return _grouped(by_name)


def _input_of(name: str, path: Path, named: bool) -> str:
    if path.suffix != ".npz":
        return name
    if named:
        arrays: dict[str, Array] = read_arrays(path)
        raise InvalidInput(
            f"{path} holds arrays with names of their own: {', '.join(arrays)}", "give it without a name"
        )
    return ARCHIVE


def _grouped(by_name: dict[str, list[Path]]) -> list[Asked]:
    count = max((len(paths) for paths in by_name.values()), default=0)
    odd = [name for name, paths in by_name.items() if len(paths) not in (1, count)]
    if odd:
        raise InvalidInput(
            f"{len(by_name[odd[0]])} files for input {odd[0] or 'of .npz files'!r}, and {count} for another",
            "give each input as many files, or one",
        )
    return [
        Asked(
            ", ".join(str(paths[number]) for paths in by_name.values() if len(paths) == count),
            {name: paths[number if len(paths) > 1 else 0] for name, paths in by_name.items()},
        )
        for number in range(count)
    ]


def split_name(given: str) -> tuple[str, str]:
    """Return (name, place) of "x=array.npy"; no name in "photo.jpg", or where the whole is a file."""
    name, found, place = given.partition("=")
    if not found or Path(given).exists():
        return "", given
    return name, place


def files_of(place: str) -> list[Path]:
    """Return the file `place`, or the files in the folder or of the pattern that it is, in order of their names.

    Raises:
        InvalidInput: there is none.
    """
    path = Path(place)
    if path.is_file():
        return [path]
    found = (
        list(_in_folder(path)) if path.is_dir() else [Path(one) for one in glob.glob(place, recursive=True)]
    )
    files = sorted(one for one in found if one.is_file())
    if not files:
        what = f"no file in the folder {place}" if path.is_dir() else f"no file {place}"
        raise InvalidInput(f"there is {what}", "check the path")
    return files


def _in_folder(path: Path) -> Iterator[Path]:
    """Return what lies in `path`, but not the list of which picture each file was made of (`compress`)."""
    return (one for one in path.iterdir() if not one.name.startswith(".") and one.name != "sources.txt")


def only_input(asked: Client, model: str) -> str:
    """Return the name of the model's only input.

    Raises:
        InvalidInput: it has several.
        Unavailable: no coordinator can be asked, as when an entry is asked while the coordinator is away.
    """
    try:
        told = asked.model(model)
    except Unavailable as error:
        hint = "if only the coordinator is away, name the input: --input NAME=FILE"
        raise Unavailable(error.message, f"{error.hint}; {hint}") from error
    names = [str(one["name"]) for one in told.get("inputs", [])]
    if len(names) != 1:
        raise InvalidInput(
            f"{model!r} has {len(names)} inputs: {', '.join(names)}",
            f"name them: --input {names[0] if names else 'NAME'}=FILE",
        )
    return names[0]

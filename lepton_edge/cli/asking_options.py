"""`--key` and `--insecure` after a command's name, where people write them who write `--coordinator` there too.

Law: every command of ours that asks a coordinator gets them, and no other; said once here, not in thirty signatures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import typer

from lepton_edge.cli.as_whom import asking
from lepton_edge.cli.options import InsecureOption, KeyOption
from lepton_edge.core.errors import UsageError

ASKS = "--coordinator"
"""A command that has this option asks a coordinator."""


def offer(command: Any) -> bool:
    """Let each command in `command` that asks a coordinator take the options; return whether there is one."""
    asks = [one for one in _leaves(command) if ASKS in _flags(one)]
    for one in asks:
        one.params.extend(option for option in _options() if not set(option.opts) & _flags(one))
    return bool(asks)


def refuse_unused(name: str, given: Mapping[str, Any]) -> None:
    """Raise UsageError where an option before `name`, which asks nobody, would have no effect."""
    said = [f"--{option}" for option in ("coordinator", "key", "insecure") if given.get(option)]
    if said:
        raise UsageError(
            f"{' and '.join(said)} before `{name}` would mean nothing: {name} has options of its own",
            f"put it at the end, if `lepton-edge {name} --help` knows it; or leave it out",
        )


def _leaves(command: Any) -> Iterator[Any]:
    below = getattr(command, "commands", None)
    if not below:
        yield command
        return
    for one in below.values():
        yield from _leaves(one)


def _flags(command: Any) -> set[str]:
    return {flag for one in command.params for flag in one.opts}


def _options() -> Iterator[Any]:
    """Yield the options, made by typer as it makes all others; what they are told goes to `asking`."""
    app = typer.Typer(add_completion=False)
    app.command()(_template)
    for option in typer.main.get_command(app).params:
        option.callback, option.expose_value = _note, False
        yield option


def _template(key: KeyOption = None, insecure: InsecureOption = None) -> None:
    """Have the options that are offered."""


def _note(context: Any, option: Any, value: Any) -> Any:
    del context
    if value is not None:
        setattr(asking, option.name, value)
    return value

"""A group of commands whose modules are imported when they are used.

Law: the one place of the command line that imports by name: its own commands from a table, those of other
packages from the entry point group `lepton_edge.commands`. It is also the one door for errors: a LeptonError
becomes one line on stderr and an exit status.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from lepton_edge.cli import asking_options, exit_codes, usage
from lepton_edge.cli.wording import one_line, without_tokens
from partitioner.errors import LeptonError

PLUGINS = "lepton_edge.commands"


@dataclass(frozen=True)
class LazyCommand:
    """A command by where it lives ("package.module:attribute", a typer app) and one line of help."""

    target: str
    help: str
    panel: str = ""

    def load(self) -> Any:
        """Import the module and return its command."""
        module, _, attribute = self.target.partition(":")
        return typer.main.get_command(getattr(importlib.import_module(module), attribute))


def plugins() -> dict[str, LazyCommand]:
    """Return the commands that other installed packages add."""
    found = entry_points(group=PLUGINS)
    return {point.name: LazyCommand(point.value, _help_of(point)) for point in found}


def _help_of(point: EntryPoint) -> str:
    """Return the line that the plug-in's package has for its command in `COMMANDS`, else whose it is.

    Only the package is imported for it (its `__init__`), never the command's module.
    """
    package = point.module.partition(".")[0]
    try:
        told = getattr(importlib.import_module(package), "COMMANDS", {})
    except ImportError:
        told = {}
    return str(told.get(point.name) or f"Added by {package}; see lepton-edge {point.name} --help.")


def error_line(error: LeptonError) -> str:
    """Return `error` as one line: what happened, and what to do."""
    line = f"error: {error.message}"
    return without_tokens(one_line(f"{line} / what to do: {error.hint}" if error.hint else line))


class LazyGroup(TyperGroup):
    """Lists commands without importing them, imports the one that is used, and prints its errors.

    Subclasses set `table`, and the part of the help where others' commands stand.
    Types are Any where typer and click name theirs differently between releases.
    """

    table: Mapping[str, LazyCommand] = {}
    plugins_panel: str | None = None

    def _known(self) -> dict[str, LazyCommand]:
        return {**self.table, **{name: one for name, one in plugins().items() if name not in self.table}}

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the table's order, plug-ins last."""
        return list(self._known())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a stand-in that knows its name and help only; enough for --help and completion."""
        known = self._known().get(cmd_name)
        if known is None:
            return None
        return TyperCommand(cmd_name, help=known.help, rich_help_panel=known.panel or self.plugins_panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that `args` begins with."""
        self.commands = dict.fromkeys(self._known(), TyperCommand(None))  # for "did you mean"
        name, _, rest = super().resolve_command(ctx, args)
        command = self._known()[str(name)].load()
        ours = str(name) in self.table
        if not (ours and asking_options.offer(command)):
            asking_options.refuse_unused(str(name), ctx.params)
        return name, command, rest

    def main(self, args: Any = None, prog_name: str | None = None, *rest: Any, **more: Any) -> Any:
        """Run the command line; print an error as one line, and exit with its status."""
        more["standalone_mode"] = False
        try:
            status = super().main(args, prog_name or usage.PROGRAM, *rest, **more)
        except usage.WRONG as error:
            _tell(usage.understood(error), silent=usage.is_help(error))
        except LeptonError as error:
            _tell(error)
        except typer.Abort:
            sys.exit(exit_codes.INTERRUPTED)
        else:
            sys.exit(status if isinstance(status, int) else exit_codes.OK)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(exit_codes.INTERRUPTED) from None


def _tell(error: LeptonError, *, silent: bool = False) -> NoReturn:
    if not silent:
        print(error_line(error), file=sys.stderr)
    sys.exit(exit_codes.status_of(error))

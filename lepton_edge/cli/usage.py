"""What a wrong command line is told: the same two parts as every other error, and what was probably meant.

Law: knows the errors of typer by their names and attributes only, since releases keep them in different packages.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

import typer

from lepton_edge.cli.wording import plain
from lepton_edge.core.errors import UsageError

PROGRAM = "lepton-edge"
_NO_COMMAND = re.compile(r"No such command '(.*?)'")
_EXTRA = re.compile(r"^Got unexpected extra arguments? ?(?:\(s\) )?\((.*)\)$")
WRONG: type[Exception] = next(one for one in typer.BadParameter.__mro__ if one.__name__ == "ClickException")
"""What typer raises for a command line that cannot be followed."""


def is_help(error: Exception) -> bool:
    """Say whether nothing was asked for, so that typer has shown the help."""
    return type(error).__name__ == "NoArgsIsHelpError"


def understood(error: Any) -> UsageError:
    """Return an error of typer's as ours: what is wrong, and what to write instead."""
    context: Any = getattr(error, "ctx", None)
    command = path(context)
    if hasattr(error, "possibilities"):
        return _no_option(error, context, command)
    if type(error).__name__ == "MissingParameter":
        return UsageError(f"{command}: {_name(error)} is missing", f"write: {usage(context)}")
    if getattr(error, "param", None) is not None:
        said = plain(error.message).rstrip(".")
        return UsageError(f"'{_name(error)}': {said}", f"see: {command} --help")
    if hasattr(error, "option_name"):
        return UsageError(f"{error.option_name} needs a value after it", f"see: {command} --help")
    said = error.format_message().rstrip(".")
    if wrong := _NO_COMMAND.match(said):
        near = difflib.get_close_matches(wrong[1], context.command.list_commands(context), 2)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        return UsageError(f"there is no command {wrong[1]!r}", f"{meant}{command} --help lists them all")
    if "(LE1." in said:
        return UsageError(f"{command}: a token stands there without its option", "write --token before it")
    said = _EXTRA.sub(r"too many words: \1", said)
    return UsageError(f"{command}: {_small(said)}", f"write: {usage(context)}; see {command} --help")


def _no_option(error: Any, context: Any, command: str) -> UsageError:
    wrong = error.option_name
    message = f"{command} has no option {wrong}"
    known = [flag for one in context.command.get_params(context) for flag in one.opts] if context else []
    meant = difflib.get_close_matches(wrong, known, 2) or [flag for flag in known if flag.startswith(wrong)]
    if meant:
        return UsageError(message, f"did you mean {' or '.join(sorted(meant))}? see {command} --help")
    if context is not None and context.parent is None:
        return UsageError(message, f"options of a command follow its name: {PROGRAM} COMMAND {wrong} ...")
    return UsageError(message, f"see: {command} --help")


def path(context: Any) -> str:
    """Return "lepton-edge plan explain" of the context of that command, however the program was called."""
    names: list[str] = []
    while context is not None and context.parent is not None:
        names.append(context.info_name or "")
        context = context.parent
    return " ".join([PROGRAM, *reversed(names)])


def usage(context: Any) -> str:
    """Return how a command is written: "lepton-edge infer [OPTIONS] NAME [FILE]..."."""
    if context is None:
        return f"{PROGRAM} COMMAND ..."
    pieces = [piece.strip("{}") for piece in context.command.collect_usage_pieces(context)]
    return " ".join([path(context), *pieces])


def _name(error: Any) -> str:
    """Return what a person writes for the parameter at fault: --port, or NAME."""
    one = error.param
    if one is None:
        return str(error.param_hint or "a part")
    if one.param_type_name == "option":
        return str(max(one.opts, key=len))
    return str(one.metavar or one.name).strip("[]{}.").upper()


def _small(words: str) -> str:
    return words[:1].lower() + words[1:]

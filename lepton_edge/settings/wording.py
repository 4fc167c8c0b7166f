"""Plain sentences instead of what a validator says of a value.

Law: text in, text out; light, as every command loads it.
"""

from __future__ import annotations

import re

_PLAIN = (
    (r"^Value error, ", ""),
    (r", (unable to (parse|interpret)|got a number with) .*", ""),
    (r"^Input should be ", "it must be "),
    (r"\ba valid integer\b", "a whole number"),
    (r"\ba valid number\b", "a number"),
    (r"\ba valid boolean\b", "true or false"),
    (r"\ba valid (string|tuple|list)\b", r"a \1"),
    (r"\binput is not a valid path\b|\ba valid path\b", "a path"),
)


def plain(text: str) -> str:
    """Return what pydantic or typer says of a wrong value, as a person would say it."""
    for pattern, replacement in _PLAIN:
        text = re.sub(pattern, replacement, text)
    return text

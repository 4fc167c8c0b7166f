"""Lines that stay lines, whoever named what is in them; plain sentences instead of what a validator says.

Law: text in, text out; light, as every command loads it.
"""

from __future__ import annotations

import re

from lepton_edge.settings.wording import plain as plain

_TOKEN = re.compile(r"LE1\.[0-9A-Za-z_.-]{8,}")


def one_line(text: str) -> str:
    """Return `text` without line ends, and with what would steer a terminal (or cannot be shown) as its escape."""
    words = " ".join(text.strip().splitlines()).replace("\t", " ")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in words)


def without_tokens(text: str) -> str:
    """Return `text` without the secrets of tokens, which may have been typed in a wrong place."""
    return _TOKEN.sub("LE1...", text)

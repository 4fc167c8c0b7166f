"""Lines that stay lines, whoever named what is in them; plain sentences instead of what a validator says.

Law: text in, text out; light, as every command loads it.
"""

from __future__ import annotations

from lepton_edge.settings.wording import plain as plain


def one_line(text: str) -> str:
    """Return `text` without line ends, and with what would steer a terminal (or cannot be shown) as its escape."""
    words = " ".join(text.strip().splitlines()).replace("\t", " ")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in words)

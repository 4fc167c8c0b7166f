"""What documents say to type: the commands of a page, read out of it.

Law: pure; knows Markdown's indented lines and no product. A document that changes changes what the proofs type.
"""

from __future__ import annotations

import re

INDENT = "    "


def typed(page: str, section: str = "") -> list[str]:
    """Return the commands of a page, or of one of its sections ("## Install"): its indented lines.

    Raises:
        ValueError: there is no such section, or nothing to type in it.
    """
    _, found, rest = page.partition(f"{section}\n") if section else ("", "all", page)
    part = re.split(r"\n## ", rest, maxsplit=1)[0] if section else rest
    lines = [line[len(INDENT) :] for line in part.splitlines() if line.startswith(INDENT)]
    if not found or not lines:
        raise ValueError(f"there is nothing to type under {section!r}")
    return lines

"""Elements of HTML and SVG, escaped by construction.

Law: knows markup, nothing of plans. A plain `str` is text and is escaped wherever it stands; only `tag` and the
page's own constants make `Markup`.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

VOID = frozenset({"br", "link", "meta"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """Return `<name attributes>children</name>`.

    Children are `Markup`, anything else whose text is escaped, or iterables of either; None is left out. In an
    attribute's name a trailing underscore is dropped and others become hyphens (`class_`, `data_tip`); one
    whose value is None is left out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(children)}</{name}>")


def joined(children: Iterable[object]) -> Markup:
    """Return the markup of all of `children`, one after the other."""
    return Markup("".join(map(_inside, children)))


def escaped(value: object) -> str:
    """Return the text of `value` as safe inside an element and inside a quoted attribute.

    What no HTML text may hold (NUL, lone surrogates, other control characters) becomes the replacement sign.
    """
    text = str(value).encode("utf-8", "replace").decode("utf-8")
    allowed = (char if char in "\n\t" or char >= " " else "\ufffd" for char in text)
    return html.escape("".join(allowed), quote=True)


def _inside(child: object) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, (list, tuple)):
        return joined(child)
    return escaped(child)

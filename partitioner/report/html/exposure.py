"""What leaves the board shows of the input, where somebody asked for that: a row a cut, and that it proves nothing.

Law: as the room's. It never says that a cut is safe, and never shows a figure without saying what it is not.
"""

from __future__ import annotations

from typing import Any

from partitioner.report.exposure import PLAINLY
from partitioner.report.html.markup import Markup, joined, tag
from partitioner.report.html.tables import table

Document = dict[str, Any]


def exposure(document: Document) -> Markup | None:
    """Return how well inputs are reconstructed from each cut, or why that is not known; None where nobody asked."""
    told = document.get("privacy")
    if not told:
        return None
    return tag(
        "section",
        tag("h2", "What leaves the board shows of the input"),
        tag("p", tag("span", "no privacy proof", class_="tagged warn"), " ", PLAINLY),
        _found(told),
        id="privacy",
    )


def _found(told: Document) -> Markup:
    if told.get("unmeasured"):
        return tag("p", f"Not measured: {told['unmeasured']}.")
    if not told["cuts"]:
        return tag("p", "No page of this plan sends anything from the board.")
    cells = [
        (row["page"], tag("code", ", ".join(row["tensors"])), _reached(row), _blind(row))
        for row in told["cuts"]
    ]
    how = (
        "Similarity (SSIM, 1: the picture itself) of what a linear decoder reconstructs at "
        f"{told['side']} pixels, from {told['samples']} samples, a quarter of them unseen."
    )
    headings = ("page", "leaves the board", "reconstructed", "without any tensor")
    return joined([tag("p", how, class_="soft small"), table(headings, cells, {2, 3})])


def _reached(row: Document) -> str:
    if row.get("sends_input"):
        return "the input itself leaves"
    return "not measured, it holds no numbers" if row.get("ssim") is None else f"{row['ssim']:.2f}"


def _blind(row: Document) -> str:
    return "" if row.get("blind") is None else f"{row['blind']:.2f}"

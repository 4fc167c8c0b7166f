"""What a plan shows of its inputs, in words.

Law: reads the "privacy" of a plan's document and writes lines; measures nothing. It never says that a cut is safe.
"""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

PLAINLY = (
    "Keeping the input on the board is no proof of privacy: these figures are what the simplest attacker, with a few "
    "samples, does at least; a better one does better."
)


def exposure_lines(document: Document) -> list[str]:
    """Return how well inputs are reconstructed from what leaves the board; nothing where nobody asked."""
    told = document.get("privacy")
    if not told:
        return []
    if told.get("unmeasured"):
        return [f"What leaves the board shows of the input: not measured: {told['unmeasured']}.", PLAINLY]
    if not told["cuts"]:
        return ["No page of this plan sends anything from the board."]
    head = (
        f"What leaves the board shows of the input: similarity (SSIM, 1: the picture itself) of what a linear decoder "
        f"reconstructs at {told['side']} pixels, from {told['samples']} samples, a quarter of them unseen:"
    )
    return [head, *(f"  {_line(row)}" for row in told["cuts"]), PLAINLY]


def _line(row: Document) -> str:
    where = f"{row['page']} ({', '.join(row['tensors'])})"
    if row.get("sends_input"):
        return f"{where}: the input itself leaves"
    if row.get("ssim") is None:
        return f"{where}: not measured, it holds no numbers"
    return f"{where}: {row['ssim']:.2f}; without any tensor {row['blind']:.2f}"

"""Which pictures are taken at all.

Law: limits and one check, no pixels. They hold for a picture in a file and for one given as an array alike: a
resize to a shorter side multiplies a thin picture (1 x 4000 pixels become 256 x 1,024,000), and the device that
computes is not the caller's alone.
"""

from __future__ import annotations

from lepton_edge.core.errors import InvalidInput

MAX_PIXELS = 64_000_000
MAX_ASPECT = 40  # the longer side over the shorter one; a panorama has 10


def check_size(width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    """Raise InvalidInput for a picture of more than `max_pixels`, or more than 40 times as long as wide."""
    if width * height > max_pixels:
        raise InvalidInput(
            f"a picture of {width} x {height}; at most {max_pixels} pixels are taken", "make it smaller"
        )
    if max(width, height) > MAX_ASPECT * max(1, min(width, height)):
        raise InvalidInput(
            f"a picture of {width} x {height}; one side may be {MAX_ASPECT} times the other at most",
            "crop it",
        )

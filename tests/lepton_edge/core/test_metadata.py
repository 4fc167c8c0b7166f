"""How much metadata a request may carry."""

from __future__ import annotations

import pytest

from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.metadata import check_metadata


def test_what_fits_passes() -> None:
    check_metadata({})
    check_metadata({f"{number:02}": "v" * 254 for number in range(64)})


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({str(number): "" for number in range(65)}, "65 entries of metadata; 64 at most"),
        ({f"{number:02}": "v" * 255 for number in range(64)}, "16448 bytes of metadata; 16384 at most"),
        ({"k": "ä" * 9000}, "18001 bytes"),
    ],
    ids=["entries", "bytes", "utf-8"],
)
def test_what_is_too_much_is_the_callers_fault(metadata: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        check_metadata(metadata)

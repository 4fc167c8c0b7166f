"""How much metadata a request may carry.

Law: limits and one check. Metadata goes with a request to every stage and comes back in its reply, so that it must
fit beside a reply's hops and labels.
"""

from __future__ import annotations

from collections.abc import Mapping

from lepton_edge.core.errors import InvalidInput

MAX_METADATA = 64
MAX_METADATA_BYTES = 16 << 10


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Raise InvalidInput for more than 64 entries, or more than 16 KiB of UTF-8 in keys and values."""
    if len(metadata) > MAX_METADATA:
        raise InvalidInput(
            f"{len(metadata)} entries of metadata; {MAX_METADATA} at most may travel", "send fewer"
        )
    size = sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items())
    if size > MAX_METADATA_BYTES:
        raise InvalidInput(
            f"{size} bytes of metadata; {MAX_METADATA_BYTES} at most may travel",
            "send what is large as an input",
        )

"""How this process takes memory from the system: glibc's thresholds, set once at the start of a server.

Law: one call, no state, and nothing happens where the C library is another one. By default glibc gives every
buffer above 128 KiB its own mapping and unmaps it when it is freed, so that each tensor's pages are faulted
in anew: at 600 kB that is half of the time of an echo. With the thresholds raised, buffers stay in the heap;
10 to 120 MB more stay resident.
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # <malloc.h>
LARGEST = 32 << 20  # bytes: glibc's own maximum for the mmap threshold on 64 bits


def tune_malloc(keep: int = 64 << 20) -> bool:
    """Serve buffers up to 32 MiB from the heap, keep `keep` free bytes at its top; say whether it worked."""
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version") or not hasattr(library, "mallopt"):
        return False
    mapped = library.mallopt(_MMAP_THRESHOLD, LARGEST)
    trimmed = library.mallopt(_TRIM_THRESHOLD, keep)
    return bool(mapped and trimmed)

"""How this process takes memory from the system, and how it gives it back.

Law: single calls, no state; what concerns malloc does nothing where the C library is not glibc. By default glibc gives
every buffer above 128 KiB its own mapping and unmaps it when it is freed, so that each tensor's pages are
faulted in anew: at 600 kB that is half of the time of an echo. With the thresholds raised, buffers stay in
the heap; 10 to 120 MB more stay resident. One heap for all threads: what is free at the end of another one's goes back
only when something is freed there, and not below the raised threshold: a board kept 26 or 50 MB that its check of new
blocks had used, in one start of three.
"""

from __future__ import annotations

import ctypes
import gc
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # <malloc.h>
LARGEST = 32 << 20  # bytes: glibc's own maximum for the mmap threshold on 64 bits


def tune_malloc(keep: int = 64 << 20) -> bool:
    """Serve buffers up to 32 MiB from the one heap, keep `keep` free bytes at its top; say whether it worked.

    Before a process has other threads: one that has a heap already keeps it.
    """
    library = _glibc()
    if library is None:
        return False
    single = library.mallopt(_ARENA_MAX, 1)
    mapped = library.mallopt(_MMAP_THRESHOLD, LARGEST)
    trimmed = library.mallopt(_TRIM_THRESHOLD, keep)
    return bool(single and mapped and trimmed)


def trim_malloc() -> bool:
    """Give the heap's free pages back to the system; say whether there were any.

    Without it a board that has measured ResNet-50 keeps 330 MB that nothing uses. Takes milliseconds, in
    which other threads may wait for memory: for after a change, not for a request.
    """
    library = _glibc()
    return bool(library.malloc_trim(0)) if library is not None else False


def settle_garbage() -> None:
    """Exempt all objects that live now from garbage collection: call it when a process has loaded what it needs.

    An agent has 50,000 of them; looking at each takes 20 ms, 160 ms on a board that is 8 times slower, in the
    middle of a request. They are looked at here for the last time, and what starting has left behind is given back.
    """
    gc.collect()
    gc.freeze()
    trim_malloc()


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    known = all(hasattr(library, name) for name in ("gnu_get_libc_version", "mallopt", "malloc_trim"))
    return library if known else None

"""What glibc's allocator does with freed memory in this process; no effect with another C library."""

from __future__ import annotations

import ctypes
from contextlib import suppress

# mallopt's parameters, from glibc's malloc.h
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
M_ARENA_MAX = -8


def keep_freed_memory() -> None:
    """Keep freed blocks for the next step instead of giving them back to the kernel, which clears every page it hands out again.

    A training step frees and allocates some hundreds of megabytes in large blocks.
    """
    _set(M_MMAP_MAX, 0)  # no mapping of its own for a large block
    _set(M_TRIM_THRESHOLD, -1)  # nothing is given back from the end of the heap


def share_heaps(heaps: int) -> None:
    """Let glibc make at most ``heaps`` heaps instead of one for every thread: each keeps what its thread has freed, some 100 MB in all."""
    _set(M_ARENA_MAX, heaps)


def _set(parameter: int, value: int) -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(parameter, value)

"""The C library's allocator, made to keep what was freed.

A batch is a few hundred kilobytes of rows for a few milliseconds. By itself glibc gives that back to the
operating system after each batch and asks for it again with the next, page fault by page fault: half of what
the daemon's side of a commit of twenty life cycles costs.
"""

import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Names of glibc's parameters in malloc.h."""

SETTINGS = {
    _TRIM_THRESHOLD: 32 * 1024 * 1024,  # so much may lie idle at the end of the heap
    _TOP_PAD: 1024 * 1024,  # the heap grows in steps of this
    _MMAP_THRESHOLD: 4 * 1024 * 1024,  # what is larger goes back at once, and leaves no hole
}


def keep_freed_memory() -> None:
    """Set the allocator of this process; a C library without these parameters is left as it is."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in SETTINGS.items():
            mallopt(parameter, value)

"""The memory of processes: how much they take, and what they do with what they have freed."""

import ctypes
from contextlib import suppress

import psutil

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # <malloc.h>
_KEPT_BYTES = 24 << 20  # at most this much at the end of the heap stays: a few photos, with whatever is made of them
_MAPPED_BYTES = 32 << 20  # what is larger is a mapping of its own, given back at once; older glibc take no larger limit


def proportional(process: psutil.Process) -> int:
    """Memory of ``process`` in bytes, with pages that ``n`` processes share counted as an ``n``-th (PSS).

    Where the system does not tell, the resident memory; 0 for one that has ended.
    """
    with suppress(psutil.Error):
        info = process.memory_full_info()
        return int(getattr(info, "pss", info.rss))
    return 0


def keep_freed() -> bool:
    """Have this process use memory again that it has freed, instead of giving it back and asking for it anew.

    A photo of megabytes comes into memory that the kernel has to clear first, page by page, unless the process still
    has that of the photo before. True where the C library can be told so (glibc, ``mallopt(3)``).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _KEPT_BYTES) and mallopt(_MMAP_THRESHOLD, _MAPPED_BYTES))

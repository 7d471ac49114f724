"""How much memory processes take that share some of it."""

from contextlib import suppress

import psutil


def proportional(process: psutil.Process) -> int:
    """Memory of ``process`` in bytes, with pages that ``n`` processes share counted as an ``n``-th (PSS).

    Where the system does not tell, the resident memory; 0 for one that has ended.
    """
    with suppress(psutil.Error):
        info = process.memory_full_info()
        return int(getattr(info, "pss", info.rss))
    return 0

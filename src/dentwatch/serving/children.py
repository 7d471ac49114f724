"""Starting a process that the one that starts it ends."""

import signal
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess


def start(process: BaseProcess) -> None:
    """Start ``process`` deaf to SIGINT: a terminal sends Ctrl-C to all processes, and who drains is told by SIGTERM."""
    resource_tracker.ensure_running()  # the first start would begin it, and that lifts the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))  # a new process inherits what is blocked
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

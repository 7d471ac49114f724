"""Processes of a service: started by one that ends them, with what they have in common loaded once.

They are forks of a small process that has imported what all of them need (multiprocessing's fork server), so that they
share its memory, and one that dies is replaced at once.
"""

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from typing import Any

_FREEZING = "dentwatch.serving.frozen"

_context = multiprocessing.get_context("forkserver")


def share(*modules: str) -> None:
    """Have ``modules`` imported once for all processes that :func:`start` starts from now on; call it before the first.

    They must start no thread while they are imported: it would be missing in the processes.
    """
    _context.set_forkserver_preload([*modules, _FREEZING])


def start(target: Callable[..., None], arguments: tuple[Any, ...], *, name: str, daemon: bool) -> BaseProcess:
    """A process that runs ``target(*arguments)``, deaf to SIGINT.

    A terminal sends Ctrl-C to all processes; those that are to drain are told by SIGTERM instead.
    """
    process = _context.Process(target=target, args=arguments, name=name, daemon=daemon)
    resource_tracker.ensure_running()  # the first start would begin it, and that lifts the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))  # a new process inherits what is blocked
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process

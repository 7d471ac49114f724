"""Being told to end by SIGTERM or SIGINT."""

import queue
import signal
import threading


def ends_with_signals(ending: threading.Event) -> None:
    """Set ``ending`` on SIGTERM and SIGINT; to be called by the main thread.

    A handler must not set it itself: the main thread may be in the middle of ``ending.wait()``, and would wait for a
    lock that it holds. ``SimpleQueue.put`` is made for handlers.
    """
    told: queue.SimpleQueue[None] = queue.SimpleQueue()

    def pass_on() -> None:
        told.get()
        ending.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.put(None))
    threading.Thread(target=pass_on, name="ending", daemon=True).start()

"""A service of two workers of which one is late, run as a program: ``slow_workers.py SECONDS PATIENCE``.

Says its port on stdout. A worker sends its process id on each connection that it is given, and keeps it open.
"""

import os
import socket
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from dentwatch.serving import workers


def _worker(channel: socket.socket, late: float, folder: Path) -> None:
    try:
        (folder / "first").touch(exist_ok=False)
    except FileExistsError:
        time.sleep(late)
    channel.send(workers.READY)
    kept = []
    while True:
        _, [descriptor], _, _ = socket.recv_fds(channel, 16, 1)
        kept.append(socket.socket(fileno=descriptor))
        kept[-1].sendall(b"%d\n" % os.getpid())


def _main(late: float, patience: float, folder: Path) -> None:
    workers._PATIENCE = patience
    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    workers.Workers(
        listener, 2, _worker, (late, folder), announce=lambda: None, gone=lambda _pid: None, drain=0.0
    ).run()


if __name__ == "__main__":
    with TemporaryDirectory() as place:
        _main(float(sys.argv[1]), float(sys.argv[2]), Path(place))

"""A real PostgreSQL of the tests' own: a cluster in a folder, reached through a socket in it and by nothing else."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

_DEBIAN = Path("/usr/lib/postgresql")  # keeps each release in a folder of its own, and out of PATH
_ACCOUNT = "postgres"  # of Debian's package: PostgreSQL does not run as root
_OPTIONS = "-c listen_addresses='' -c unix_socket_directories={folder}"


def programs() -> Path | None:
    """The folder with ``initdb`` and its like; None where PostgreSQL is not installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return max((path.parent for path in _DEBIAN.glob("*/bin/initdb")), default=None, key=lambda path: path.parent.name)


class PostgresServer:
    """A running server whose files lie in ``folder``."""

    def __init__(self, folder: Path, bin_folder: Path) -> None:
        self._folder, self._bin = folder, bin_folder
        self._numbers = count(1)
        if os.geteuid() == 0:
            shutil.chown(folder, _ACCOUNT)
        # Only its making is not synced; the server itself syncs as it always does.
        self._run("initdb", "--auth=trust", "--username=dentwatch", "--encoding=UTF8", "--no-sync")
        self.start()

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test{next(self._numbers)}"
        self._run("createdb", f"--host={self._folder}", "--username=dentwatch", name, in_cluster=False)
        return f"postgresql+psycopg://dentwatch@/{name}?host={self._folder}"

    def start(self) -> None:
        """Run, and wait until it answers."""
        options = _OPTIONS.format(folder=self._folder)
        self._run("pg_ctl", "start", "--wait", f"--log={self._folder / 'log'}", f"--options={options}")

    def crash(self) -> None:
        """End as if the power had gone: nothing is written any more."""
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def _run(self, program: str, *arguments: str, in_cluster: bool = True) -> None:
        account = ["runuser", "-u", _ACCOUNT, "--"] if os.geteuid() == 0 else []
        place = [f"--pgdata={self._folder / 'data'}"] if in_cluster else []
        run = subprocess.run(
            [*account, self._bin / program, *place, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self._folder,
            text=True,
            timeout=120,
            check=False,
        )
        assert run.returncode == 0, run.stderr


@contextmanager
def running(bin_folder: Path) -> Iterator[PostgresServer]:
    """A server that ends, and whose files go, with the block."""
    # Not pytest's own folder: its name is too long for a socket, and other accounts do not reach it. In memory, because
    # a database is a thousand small files, and a crash of the server, not of the machine, is what is tried.
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="dentwatch-pg-", dir=memory if os.access(memory, os.W_OK) else None))
    try:
        server = PostgresServer(folder, bin_folder)
        try:
            yield server
        finally:
            server.crash()
    finally:
        shutil.rmtree(folder)

"""Several worker processes are one service: connections are dealt evenly, and limits hold over all of them."""

import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest
from kills import fork_servers_of, workers_of
from receiver import until
from running_service import Service, assert_problem, serving

from dentwatch.records import api_keys
from dentwatch.records.database import Database
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.roles import Role
from dentwatch.serving.workers import Tally
from dentwatch.settings import Settings

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="looks at connections in Linux' /proc")
_ESTABLISHED = "01"  # linux/include/net/tcp_states.h
_LISTED = "/v1/inspections"


def _connections(service: Service) -> list[int]:
    """How many connections of clients each worker process holds, fewest first."""
    port = httpx.URL(service.document["address"]).port
    sockets = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_, inode = line.split()[:10]
        if state == _ESTABLISHED and int(local.rpartition(":")[2], 16) == port:
            sockets.add(f"socket:[{inode}]")
    return sorted(len(sockets & _open_in(worker)) for worker in workers_of(service.process.pid))


def _open_in(process: int) -> set[str]:
    found = set()
    for file in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            found.add(str(file.readlink()))
    return found


def _keep_alive(service: Service, count: int, stack: ExitStack, key: str | None = None) -> list[httpx.Client]:
    """Clients that each hold a connection of their own once they have asked something."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    address = service.document["address"]
    return [stack.enter_context(httpx.Client(base_url=address, headers=headers, timeout=60)) for _ in range(count)]


def test_keep_alive_connections_are_dealt_evenly(bundle: ModelBundle, tmp_path: Path) -> None:
    with serving(bundle, tmp_path / "home", tmp_path / "log", workers=2) as service, ExitStack() as stack:
        clients = _keep_alive(service, 8, stack)
        assert [client.get("/healthz").status_code for client in clients] == [200] * 8
        assert _connections(service) == [4, 4]


def test_connections_that_all_end_and_come_again_are_dealt_evenly() -> None:
    def give(now: float, count: int) -> None:
        for _ in range(count):
            min(tallies, key=lambda tally: tally.count(now)).give()

    prompt, late = tallies = Tally(), Tally()
    give(0, 8)
    for _ in range(4):
        prompt.end(9.98)
    give(10, 8)  # the other worker has not told yet that its connections ended with them
    for _ in range(4):
        late.end(10.02)
    assert [tally.count(11) for tally in tallies] == [4, 4]
    for _ in range(3):
        late.end(11.5)
    give(12, 3)  # nothing else has ended for a while: it is the one with room
    assert [tally.count(13) for tally in tallies] == [4, 4]


@pytest.mark.parametrize(
    ("late", "patience", "held"),
    [(0.5, 60, [4, 4]), (60, 0.2, [8])],
    ids=["they are dealt evenly", "one that is not ready in time gets none"],
)
def test_connections_that_wait_while_workers_start(late: float, patience: float, held: list[int]) -> None:
    program = Path(__file__).parent / "slow_workers.py"
    arguments = [sys.executable, program, str(late), str(patience)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process, ExitStack() as stack:
        stack.callback(process.terminate)
        assert process.stdout is not None
        address = "127.0.0.1", int(process.stdout.readline())
        waiting = [stack.enter_context(socket.create_connection(address, 30)) for _ in range(8)]
        takers = Counter(connection.makefile("rb").readline() for connection in waiting)
        assert sorted(takers.values()) == held


def test_workers_outlive_the_process_that_they_are_forks_of_and_are_replaced_without_it(
    bundle: ModelBundle, tmp_path: Path
) -> None:
    with serving(bundle, tmp_path / "home", tmp_path / "log", workers=2) as service, ExitStack() as stack:
        before = workers_of(service.process.pid)
        [server] = fork_servers_of(service.process.pid)
        server.kill()
        clients = _keep_alive(service, 2, stack)
        assert [client.get("/healthz").status_code for client in clients] == [200] * 2
        for client in clients:
            client.close()  # its connection may be to the one that is to die
        os.kill(before[0], signal.SIGKILL)
        until(lambda: len(workers_of(service.process.pid)) == 1, 30)  # of a new one
        [client] = _keep_alive(service, 1, stack)
        until(lambda: client.get("/healthz").status_code == 200, 30)
        service.process.terminate()
        assert service.process.wait(30) == 0
    until(lambda: not psutil.pid_exists(before[1]) or psutil.Process(before[1]).status() == psutil.STATUS_ZOMBIE, 30)


def _key(home: Path, role: Role = Role.ADMIN) -> str:
    database = Database.of(Settings(home=home))
    try:
        with database.writing() as connection:
            return api_keys.create(connection, "shop", role, "ada").text
    finally:
        database.close()


def test_a_keys_rate_holds_over_all_workers(bundle: ModelBundle, tmp_path: Path) -> None:
    key = _key(tmp_path / "home")
    limits = {"burst": 6, "rate": 0.0001}
    with serving(bundle, tmp_path / "home", tmp_path / "log", workers=2, **limits) as service, ExitStack() as stack:
        clients = _keep_alive(service, 4, stack, key)
        answers = [client.get(_LISTED) for _ in range(3) for client in clients]
        assert _connections(service) == [2, 2]
    assert [answer.status_code for answer in answers] == [200] * 6 + [429] * 6
    assert_problem(answers[-1], 429, "too-often")


@contextmanager
def _upload_under_way(service: Service, key: str) -> Iterator[socket.socket]:
    """A request that has come in, and whose body is awaited."""
    address = httpx.URL(service.document["address"])
    head = (
        f"POST {_LISTED} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n"
        f"Authorization: Bearer {key}\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    with socket.create_connection((address.host, address.port or 0), timeout=60) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1024).startswith(b"HTTP/1.1 100 ")
        yield connection


def test_what_a_key_does_at_once_is_counted_over_all_workers_also_when_one_dies(
    bundle: ModelBundle, tmp_path: Path
) -> None:
    key = _key(tmp_path / "home")
    with (
        serving(bundle, tmp_path / "home", tmp_path / "log", workers=2, key_concurrency=4) as service,
        ExitStack() as stack,
    ):
        for _ in range(4):
            stack.enter_context(_upload_under_way(service, key))
        assert _connections(service) == [2, 2]
        [client] = _keep_alive(service, 1, stack, key)
        assert_problem(client.get(_LISTED), 429, "too-many-at-once")
        client.close()  # its connection may be to the one that is to die

        os.kill(workers_of(service.process.pid)[0], signal.SIGKILL)

        def is_let_in() -> bool:
            try:
                response = httpx.get(
                    f"{service.document['address']}{_LISTED}", headers={"Authorization": f"Bearer {key}"}, timeout=60
                )
            except httpx.TransportError:  # the connection went to the one that dies
                return False
            return response.status_code == 200

        until(is_let_in, 30)

"""A real HTTP server that webhooks are sent to, and a database with inspections to tell about."""

import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sqlalchemy import Row, insert, select, update

from dentwatch.records.database import Database
from dentwatch.records.tables import inspections, webhook_deliveries


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came."""

    path: str
    headers: Message
    body: bytes
    at: float


@dataclass(slots=True)
class Receiver:
    """What came, and what is answered: ``statuses`` one after the other, then 200; ``hold`` delays every response."""

    url: str
    statuses: list[int] = field(default_factory=list)
    requests: list[Received] = field(default_factory=list)
    hold: float = 0.0
    location: str | None = None

    @property
    def ids(self) -> list[str]:
        """The ``webhook-id`` of each request."""
        return [request.headers["webhook-id"] for request in self.requests]


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver on a free port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.requests.append(Received(self.path, self.headers, body, time.monotonic()))
            time.sleep(receiver.hold)
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.end_headers()

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a sender that was killed is no news
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver = Receiver(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}/hook")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def keep_inspection(database: Database, status: str = "done") -> str:
    """An inspection without photos; returns its id."""
    inspection_id = str(uuid.uuid4())
    with database.writing() as connection:
        row = {"id": inspection_id, "created_at": datetime.now(UTC), "status": status}
        connection.execute(insert(inspections).values(row))
    return inspection_id


def finish_inspection(database: Database, inspection_id: str) -> None:
    """A pending inspection is done."""
    with database.writing() as connection:
        connection.execute(update(inspections).where(inspections.c.id == inspection_id).values(status="done"))


def delivery(database: Database, delivery_id: str) -> Row[tuple[object, ...]]:
    """The row of a delivery."""
    with database.reading() as connection:
        return connection.execute(select(webhook_deliveries).where(webhook_deliveries.c.id == delivery_id)).one()


def until(holds: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until ``holds``; fails after ``seconds``."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)

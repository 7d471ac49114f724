"""The address that is served, and the server inside each worker process."""

import asyncio
import ipaddress
import signal
import socket
from contextlib import suppress
from typing import Any

import uvicorn
from fastapi import FastAPI

from dentwatch.errors import SettingsError
from dentwatch.serving.connection import Connection
from dentwatch.serving.workers import CLOSED, READY

DRAIN_SECONDS = 30
"""How long requests under way may take to finish once the process was told to end."""


def bind(host: str, port: int, *, keys: bool) -> socket.socket:
    """A socket that listens on ``host`` and ``port`` (0 takes a free one).

    ``keys`` says whether there are API keys; without them only this machine may reach the service. Raises
    :class:`SettingsError` for a host that others can reach while there are none, and for a place that cannot be had.
    """
    if not keys and not is_loopback(host):
        raise SettingsError(
            f"The service does not bind to {host} without API keys: everybody who reaches it could use it.",
            "Make a key with `dentwatch keys create NAME --role admin`, or bind to 127.0.0.1.",
        )
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise SettingsError(
            f"The service cannot bind to {host}:{port}: {error.strerror or error}.",
            "Name another port with --port; 0 takes a free one.",
        ) from error


def address_of(listener: socket.socket) -> str:
    """The URL under which ``listener`` is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serve_connections(app: FastAPI, channel: socket.socket) -> None:
    """Answer the connections that come over ``channel`` (see :mod:`dentwatch.serving.workers`) until SIGTERM.

    Then requests under way are finished. Also ends when nobody is at the other end of the channel any more. Logs go to
    the root logger.
    """
    config = uvicorn.Config(
        app,
        http=_counting(channel),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    server = _ChannelServer(config, app, channel)
    # uvicorn hands a signal on to whoever handled it before, once it has drained; the default would then end the
    # process as if it had been killed. Being told to end and doing so is a success.
    signal.signal(signal.SIGTERM, lambda *_: setattr(server, "should_exit", True))
    server.run(sockets=[])


class _ChannelServer(uvicorn.Server):
    """A uvicorn server whose connections come over a channel instead of from a listener of its own."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, channel: socket.socket) -> None:
        super().__init__(config)
        self._ending: asyncio.Event = app.state.ending
        self._channel = channel
        self._arriving: set[asyncio.Task[Any]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._channel.setblocking(False)
            asyncio.get_running_loop().add_reader(self._channel, self._take)
            self._channel.send(READY)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending.set()
        self._take()
        asyncio.get_running_loop().remove_reader(self._channel)
        await asyncio.gather(*self._arriving, return_exceptions=True)
        await super().shutdown(sockets)

    def _take(self) -> None:
        """Take the connections that have come."""
        while True:
            try:
                said, descriptors, _, _ = socket.recv_fds(self._channel, 1, 1)
            except BlockingIOError:
                return
            except OSError:
                said, descriptors = b"", []
            if not said:  # the process that accepts is gone, and with it whoever could end this one
                self.should_exit = True
                return
            for descriptor in descriptors:
                arriving = asyncio.create_task(self._connect(socket.socket(fileno=descriptor)))
                self._arriving.add(arriving)
                arriving.add_done_callback(self._arriving.discard)

    async def _connect(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        except OSError:  # the peer has gone again
            connection.close()
            _tell_closed(self._channel)

    def _protocol(self) -> asyncio.Protocol:
        protocol = self.config.http_protocol_class
        return protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)  # type: ignore[call-arg]


def _counting(channel: socket.socket) -> type[Connection]:
    """The protocol of connections that say on ``channel`` when they have ended."""

    class Counted(Connection):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            _tell_closed(channel)

    return Counted


def _tell_closed(channel: socket.socket) -> None:
    with suppress(OSError):  # nobody counts any more
        channel.send(CLOSED)

"""The process that serves: binds, says where, and ends without losing what is under way."""

import ipaddress
import logging
import signal
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from dentwatch.errors import SettingsError

DRAIN_SECONDS = 30
"""How long requests under way may take to finish once the process was told to end."""

_log = logging.getLogger(__name__)


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on ``host`` (loopback only, for now) and ``port`` (0 takes a free one).

    Raises :class:`SettingsError` for a host that others can reach, and for a place that cannot be had.
    """
    if not _is_loopback(host):
        raise SettingsError(
            f"The service does not bind to {host}: it knows no keys yet, so everybody who reaches it could use it.",
            "Keys arrive in the next release. Bind to 127.0.0.1 and put a proxy that authenticates in front.",
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


def run(app: FastAPI, listener: socket.socket, announce: Callable[[], None]) -> None:
    """Serve ``app`` on ``listener`` until SIGTERM or SIGINT, then finish what is under way and return.

    ``announce`` is called once requests are answered. Logs go to the root logger.
    """
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=DRAIN_SECONDS, server_header=False)
    server = _AnnouncingServer(config, announce)
    # uvicorn hands a signal on to whoever handled it before, once it has drained; the default would then end the
    # process as if it had been killed. Being told to end and doing so is a success.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    _log.info("Open to every process of this machine: no keys are asked for.")
    server.run(sockets=[listener])


class _AnnouncingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

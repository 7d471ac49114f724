"""Where webhooks may go: to addresses of the public internet, so that no client reaches into the operator's network.

A URL given by a client makes the service send a request from inside (server-side request forgery, CWE-918). So the
addresses behind a name are checked when the URL is accepted, for a clear refusal; and :func:`checked_connector` checks
every address again as its socket is made, so that what is connected to is what was checked, whatever the name resolves
to by then (DNS rebinding). TLS still verifies the name.
"""

import errno
import ipaddress
import socket
import ssl
from http import HTTPStatus

import aiohttp
from yarl import URL

from dentwatch.serving.problems import RefusedError
from dentwatch.settings import ServingSettings, Settings

MAX_URL_LENGTH = 2000

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NEVER_GLOBAL: tuple[_Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.88.99.0/24",  # relays of 6to4, deprecated (RFC 7526)
            "2001::/23",  # IETF protocol assignments, Teredo among them: it carries an IPv4 address (RFC 4380)
            "2002::/16",  # 6to4: carries an IPv4 address (RFC 3056)
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)
_UNICAST6 = ipaddress.ip_network("2000::/3")
"""What is handed out of IPv6 (RFC 4291, 2.4); outside lie IPv4-mapped, NAT64, unique local, link-local, multicast."""

_INTRANET: tuple[_Network, ...] = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1/128"),
    )
)
"""What ``serving.webhook_private_targets`` opens: RFC 1918, RFC 4193 and loopback; never the clouds' metadata."""

_METADATA6 = ipaddress.ip_address("fd00:ec2::254")  # of Amazon EC2, a unique local address


def check_target(url: str, settings: Settings) -> None:
    """Raise :class:`RefusedError` (422, ``webhook-refused``) unless answers may be sent to ``url``.

    Resolves the name, which may take seconds: call it in a thread.
    """
    serving = settings.serving
    if not serving.webhook_secret.get_secret_value():
        raise _refused("This service sends no webhooks: its operator has not set DENTWATCH_SERVING__WEBHOOK_SECRET.")
    target = parse_target(url, serving)
    try:
        found = socket.getaddrinfo(target.raw_host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _refused(f"The webhook's host {target.host} cannot be found. Check its name.") from error
    # What it resolves to is not said: names of the operator's network are not for clients to look up.
    if not all(is_allowed(str(address[0]), serving.webhook_private_targets) for *_, address in found):
        raise _refused(
            f"The webhook's host {target.host} is not on the public internet. Name one that everybody can reach."
        )


def parse_target(url: str, serving: ServingSettings) -> URL:
    """The URL, read the way it will be used; raises :class:`RefusedError` for one that no webhook may have."""
    if len(url) > MAX_URL_LENGTH:
        raise _refused(f"The webhook's URL has {len(url):,} characters, and may have {MAX_URL_LENGTH:,}.")
    try:
        target = URL(url)
        host, port = target.host, target.port
    except (ValueError, UnicodeError) as error:
        raise _refused("The webhook's URL cannot be read. Give one such as https://example.com/dentwatch.") from error
    schemes = ("https", "http") if serving.webhook_private_targets else ("https",)
    if target.scheme not in schemes or not host or not port:
        raise _refused(f"The webhook's URL must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}.")
    if "@" in target.raw_authority:
        raise _refused("The webhook's URL must not hold a user or password: the signature says who sends.")
    return target


def is_allowed(address: str, private: bool) -> bool:
    """Whether a webhook may be sent to the IP ``address``: a global one, or with ``private`` one of an intranet."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if private and parsed != _METADATA6 and any(parsed in network for network in _INTRANET):
        return True
    if parsed.version == 6 and parsed not in _UNICAST6:
        return False
    special = parsed.is_multicast or parsed.is_reserved or any(parsed in network for network in _NEVER_GLOBAL)
    return parsed.is_global and not special


def checked_connector(serving: ServingSettings, tls: ssl.SSLContext) -> aiohttp.TCPConnector:
    """A connector that makes sockets to allowed addresses alone; needs a running loop.

    The check sees the very address that the socket is then connected to, be it resolved or written in the URL.
    """

    def make_socket(info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        if not is_allowed(str(address[0]), serving.webhook_private_targets):
            raise PermissionError(errno.EACCES, "its address is not on the public internet")
        return socket.socket(family, kind, protocol)

    return aiohttp.TCPConnector(resolver=aiohttp.ThreadedResolver(), ssl=tls, socket_factory=make_socket)


def _refused(detail: str) -> RefusedError:
    return RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, "webhook-refused", detail)

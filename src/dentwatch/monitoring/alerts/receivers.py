"""Who is told: each URL of ``monitoring.alert_urls`` is one receiver, spoken to by Apprise.

A URL holds passwords and tokens, so it is neither logged nor kept: a receiver's name is the kind of its service and the
first digits of the URL's SHA-256 (``slack-3f9a1c07``), and what Apprise says of a failure is rid of every part of it.
"""

import hashlib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC
from importlib.metadata import version
from urllib.parse import quote, unquote

from dentwatch.errors import AlertError, SettingsError
from dentwatch.monitoring.alerts.alert import Alert
from dentwatch.settings import Settings

_KEY = "{key}"
"""Stands in a URL for the key of the alert, for services that tell incidents apart by one."""

_KINDS = {"noticed": "info", "drift": "warning", "critical": "failure"}
"""Apprise's word for a level, which services turn into colours and urgencies."""

_log = logging.getLogger("apprise")
_SAID: ContextVar[list[str] | None] = ContextVar("said", default=None)


@dataclass(frozen=True, slots=True)
class Receiver:
    """Somebody who is told, by the URL that Apprise understands."""

    url: str = field(repr=False)

    @property
    def name(self) -> str:
        """Names the URL without telling it."""
        return f"{self.url.partition('://')[0].lower()[:40]}-{hashlib.sha256(self.url.encode()).hexdigest()[:8]}"

    def check(self) -> None:
        """Raise :class:`AlertError` unless Apprise understands the URL."""
        import apprise

        with _listening():
            if apprise.Apprise.instantiate(self._about("incident/0"), suppress_exceptions=True) is None:
                raise AlertError(
                    f"Apprise does not understand the URL of {self.name}.",
                    "Its documentation lists the form of each service's URL; correct DENTWATCH_MONITORING__ALERT_URLS.",
                )

    def tell(self, alert: Alert) -> None:
        """Deliver ``alert``; raises :class:`AlertError` with what the service said where it does not arrive.

        Lasts as long as the service takes, up to Apprise's timeouts (4 s to connect and 4 s to answer, 15 s for mail).
        """
        import apprise

        about = f"Dentwatch {version('dentwatch')}"
        asset = apprise.AppriseAsset(app_id="Dentwatch", app_desc=about, app_url="")
        target = apprise.Apprise(asset=asset)
        with _listening() as said:
            target.add(self._about(alert.key))
            try:
                arrived = bool(target) and target.notify(
                    title=title_of(alert),
                    body=text_of(alert),
                    notify_type=apprise.NotifyType.SUCCESS
                    if alert.resolved
                    else apprise.NotifyType(_KINDS[alert.level]),
                    body_format=apprise.NotifyFormat.TEXT,
                )
            except Exception as error:  # of any service's library: it is one more way not to arrive
                raise AlertError(f"{type(error).__name__}: {self._masked(str(error))}") from error
        if not arrived:
            raise AlertError(self._masked(" ".join(said)) or "Apprise did not say why.")

    def _about(self, key: str) -> str:
        return self.url.replace(_KEY, quote(key, safe=""))

    def _masked(self, text: str) -> str:
        pieces = {part for part in re.split(r"[/:@?&=#,\s]+", self.url.partition("://")[2]) if len(part) > 2}
        for piece in sorted(pieces | {unquote(piece) for piece in pieces}, key=len, reverse=True):
            text = text.replace(piece, "***")
        return text[:1000]


def of(settings: Settings) -> list[Receiver]:
    """The receivers of the settings, each once."""
    return [Receiver(url) for url in dict.fromkeys(settings.monitoring.alert_receivers)]


def check(settings: Settings) -> None:
    """Raise :class:`SettingsError` that says which URLs of the settings nobody understands, by their place."""
    for number, url in enumerate(settings.monitoring.alert_receivers, 1):
        try:
            Receiver(url).check()
        except AlertError as error:
            raise SettingsError(
                f"Number {number} of the URLs in DENTWATCH_MONITORING__ALERT_URLS is none that Apprise understands.",
                error.hint,
            ) from error


def title_of(alert: Alert) -> str:
    """The line that people see first."""
    return f"[{'resolved' if alert.resolved else alert.level}] {alert.title}"


def text_of(alert: Alert) -> str:
    """What is written below it; the last line is for programs that read along."""
    state = "resolved" if alert.resolved else "open"
    at = alert.at.astimezone(UTC).isoformat(timespec="seconds")
    return f"{alert.text}\n\nkey={alert.key} level={alert.level} state={state} at={at}"


class _Ear(logging.Handler):
    """Hears what is logged while this thread, or one that works for it, tells a receiver."""

    def emit(self, record: logging.LogRecord) -> None:
        if (said := _SAID.get()) is not None:
            said.append(record.getMessage())


_log.addHandler(_Ear(logging.WARNING))
_log.setLevel(logging.WARNING)  # below that, its lines hold URLs
_log.propagate = False
logging.getLogger("urllib3.connectionpool").addFilter(lambda _: _SAID.get() is None)  # they hold paths: tokens, often


@contextmanager
def _listening() -> Iterator[list[str]]:
    """What Apprise logs goes into the list: it says there, and only there, why something failed."""
    said: list[str] = []
    token = _SAID.set(said)
    try:
        yield said
    finally:
        _SAID.reset(token)

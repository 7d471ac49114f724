"""Traces for OpenTelemetry: a span per request and per stage of an inspection, sent over OTLP/HTTP.

Configured by OpenTelemetry's own variables of the environment, and off unless one of them asks for it. The span of a
request continues the trace that its ``traceparent`` names (W3C, "Trace Context"). docs/telemetry.md lists variables
and spans.
"""

import contextvars
import functools
import os
import threading
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, TypeVar

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace

from dentwatch.errors import MissingExtraError, SettingsError

TRACER = trace.get_tracer("dentwatch", version("dentwatch"))
"""Makes spans that cost next to nothing while no traces are exported."""

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_EXPORTER = "OTEL_TRACES_EXPORTER"
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PATIENCE_SECONDS = 4.0  # for the last spans, when the process ends: whoever stops it does not wait much longer

Result = TypeVar("Result")


def is_wanted() -> bool:
    """Whether the environment asks for traces."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if exporter := os.environ.get(_EXPORTER, ""):
        return exporter != "none"
    return any(os.environ.get(name) for name in _ENDPOINTS)


def check() -> None:
    """Raise what keeps traces that are asked for from being sent.

    :class:`MissingExtraError` where the packages for it are not installed, and :class:`SettingsError` for an exporter
    or a protocol that Dentwatch does not have.
    """
    if not is_wanted():
        return
    for name, due in ((_EXPORTER, "otlp"), *((name, "http/protobuf") for name in _PROTOCOLS)):
        if (value := os.environ.get(name, "")) not in ("", due):
            raise SettingsError(f"{name} is {value!r}, and traces are sent with {due!r} only.", f"Set it to {due}.")
    if not _is_installed("opentelemetry.exporter.otlp.proto.http"):
        raise MissingExtraError(
            "The environment asks for traces (OTEL_…), and the packages that send them are not installed.",
            f"Run `pip install 'dentwatch[telemetry]'`, or set {_EXPORTER}=none.",
        )


def of_requests(untraced: Container[str]) -> TelemetryConfig:
    """What FastAPI does about telemetry: where traces are wanted, a span per request but for the paths ``untraced``."""
    return {
        "tracing": is_wanted(),
        "metrics": False,  # these are :mod:`.metrics`
        "logs": False,
        "operation_spans": False,  # of dependencies and the like: the stages say more
        "auto_configure": False,  # it would wait for a collector that is gone; see :func:`exporting`
        "exclude": lambda scope: scope["path"] in untraced,
    }


@contextmanager
def exporting() -> Iterator[None]:
    """Send the spans that end within, where traces are wanted, and at the end the last of them."""
    if not is_wanted():
        yield
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    about = Resource.create({"service.name": "dentwatch", "service.version": version("dentwatch")})
    about = about.merge(OTELResourceDetector().detect())  # what the environment says counts more
    provider = TracerProvider(resource=about, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        # A collector that does not answer would be waited for much longer than a process may take to end.
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(_PATIENCE_SECONDS)


def note(inspection_id: str) -> None:
    """Say in the span that is current which inspection it is about."""
    trace.get_current_span().set_attribute("dentwatch.inspection.id", inspection_id)


def in_context(work: Callable[..., Result], *arguments: Any) -> Callable[[], Result]:
    """``work`` with its arguments, to be called in another thread: its spans belong to the one that is current now."""
    return functools.partial(contextvars.copy_context().run, work, *arguments)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False

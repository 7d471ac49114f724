"""Traces for OpenTelemetry: a span per request and per stage of an inspection, sent over OTLP/HTTP.

Configured by OpenTelemetry's own variables of the environment (:mod:`.otlp`). The span of a request continues the trace
that its ``traceparent`` names (W3C, "Trace Context"). docs/telemetry.md lists variables and spans.
"""

import contextvars
import functools
import threading
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, TypeVar

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from dentwatch.serving import otlp

TRACER = trace.get_tracer("dentwatch", version("dentwatch"))
"""Makes spans that cost next to nothing while no traces are exported."""

_TRACEPARENT = "traceparent"
_PATIENCE_SECONDS = 4.0  # for the last spans, when the process ends: whoever stops it does not wait much longer

Result = TypeVar("Result")


def of_requests(untraced: Container[str]) -> TelemetryConfig:
    """What FastAPI does about telemetry: where traces are wanted, a span per request but for the paths ``untraced``."""
    return {
        "tracing": otlp.is_wanted("TRACES"),
        "metrics": False,  # these are :mod:`.metrics`
        "logs": False,
        "operation_spans": False,  # of dependencies and the like: the stages say more
        "auto_configure": False,  # it would wait for a collector that is gone; see :func:`exporting`
        "exclude": lambda scope: scope["path"] in untraced,
    }


@contextmanager
def exporting() -> Iterator[None]:
    """Send the spans that end within, where traces are wanted, and at the end the last of them."""
    if not otlp.is_wanted("TRACES"):
        yield
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=otlp.resource(), shutdown_on_exit=False)
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


def carried() -> str | None:
    """The current span as a ``traceparent``, for work that goes on later; None where no traces are exported."""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(_TRACEPARENT)


def continued(traceparent: str | None) -> Context | None:
    """The context in which work goes on that :func:`carried` was called for; None begins a trace of its own."""
    return None if traceparent is None else TraceContextTextMapPropagator().extract({_TRACEPARENT: traceparent})


def in_context(work: Callable[..., Result], *arguments: Any) -> Callable[[], Result]:
    """``work`` with its arguments, to be called in another thread: its spans belong to the one that is current now."""
    return functools.partial(contextvars.copy_context().run, work, *arguments)

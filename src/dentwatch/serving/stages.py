"""The stages of an inspection, each timed for :mod:`.metrics` and shown as a span by :mod:`.tracing`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from opentelemetry.trace import Span

from dentwatch.serving import metrics, tracing

Stage = Literal["decode", "gate", "infer", "assemble", "store", "commit"]


@contextmanager
def stage(name: Stage) -> Iterator[Span]:
    """Time what is done within; gives the span, for what there is to say about it."""
    start = time.perf_counter()
    try:
        with tracing.TRACER.start_as_current_span(name) as span:
            yield span
    finally:
        metrics.STAGE_SECONDS.labels(name).observe(time.perf_counter() - start)

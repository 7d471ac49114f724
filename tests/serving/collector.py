"""A real OTLP/HTTP receiver: what a service sends to it is decoded as a collector does."""

from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from receiver import Receiver


@dataclass(frozen=True)
class Span:
    """A span as it was received; ids in hexadecimal, times in nanoseconds."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    start: int
    end: int
    failed: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]


def spans_in(receiver: Receiver) -> list[Span]:
    """Every span that ``receiver`` has got so far."""
    found = []
    for request in list(receiver.requests):
        for group in ExportTraceServiceRequest.FromString(request.body).resource_spans:
            resource = _read(group.resource.attributes)
            found += [_span(span, resource) for scope in group.scope_spans for span in scope.spans]
    return found


def _span(span: Any, resource: dict[str, Any]) -> Span:
    return Span(
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        kind=span.kind,
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        failed=span.status.code == 2,
        attributes=_read(span.attributes),
        resource=resource,
    )


def _read(attributes: Any) -> dict[str, Any]:
    pairs: list[KeyValue] = list(attributes)
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return [_value(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind or "")

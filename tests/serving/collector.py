"""A real OTLP/HTTP receiver: what a service sends to it is decoded as a collector does."""

from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
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


@dataclass(frozen=True)
class Figures:
    """What one request said of metrics: every point by name of the metric, and who sent it."""

    points: dict[str, list[tuple[dict[str, Any], Any]]]
    kinds: dict[str, str]
    resource: dict[str, Any]

    def __call__(self, name: str, **labels: str) -> list[Any]:
        """The points of ``name`` with these ``labels``, whatever else they have."""
        return [point for attributes, point in self.points.get(name, []) if labels.items() <= attributes.items()]


def figures_in(receiver: Receiver) -> list[Figures]:
    """Metrics as ``receiver`` has got them so far, one per request."""
    found = []
    for request in list(receiver.requests):
        if request.path.endswith("/metrics"):
            [group] = ExportMetricsServiceRequest.FromString(request.body).resource_metrics
            every = [metric for scope in group.scope_metrics for metric in scope.metrics]
            kinds = {metric.name: str(metric.WhichOneof("data")) for metric in every}
            points = {
                metric.name: [
                    (_read(point.attributes), point) for point in getattr(metric, kinds[metric.name]).data_points
                ]
                for metric in every
            }
            found.append(Figures(points, kinds, _read(group.resource.attributes)))
    return found


def spans_in(receiver: Receiver) -> list[Span]:
    """Every span that ``receiver`` has got so far."""
    found = []
    for request in list(receiver.requests):
        if request.path.endswith("/metrics"):
            continue
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

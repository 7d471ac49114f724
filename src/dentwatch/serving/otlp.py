"""What OpenTelemetry's variables of the environment ask for, and who it is that sends: for traces and metrics alike.

Both are off unless a variable asks for them, and go over OTLP/HTTP. docs/telemetry.md lists the variables.
"""

import os
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from dentwatch.errors import MissingExtraError, SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

Kind = Literal["TRACES", "METRICS"]

_EXPORTER = "opentelemetry.exporter.otlp.proto.http"


def is_wanted(kind: Kind) -> bool:
    """Whether the environment asks for it."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if exporter := os.environ.get(f"OTEL_{kind}_EXPORTER", ""):
        return exporter != "none"
    return any(os.environ.get(f"OTEL_EXPORTER_OTLP_{name}") for name in ("ENDPOINT", f"{kind}_ENDPOINT"))


def check(kind: Kind) -> None:
    """Raise what keeps traces or metrics that are asked for from being sent.

    :class:`MissingExtraError` where the packages for it are not installed, and :class:`SettingsError` for an exporter
    or a protocol that Dentwatch does not have.
    """
    if not is_wanted(kind):
        return
    exporter = f"OTEL_{kind}_EXPORTER"
    protocols = (f"OTEL_EXPORTER_OTLP_{kind}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    sent = kind.lower()
    for name, due in ((exporter, "otlp"), *((name, "http/protobuf") for name in protocols)):
        if (value := os.environ.get(name, "")) not in ("", due):
            raise SettingsError(f"{name} is {value!r}, and {sent} are sent with {due!r} only.", f"Set it to {due}.")
    if not _is_installed(_EXPORTER):
        raise MissingExtraError(
            f"The environment asks for {sent} (OTEL_…), and the packages that send them are not installed.",
            f"Run `pip install 'dentwatch[telemetry]'`, or set {exporter}=none.",
        )


def resource(**more: str) -> "Resource":
    """Who sends: Dentwatch, unless the environment calls it something else."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    about = Resource.create({"service.name": "dentwatch", "service.version": version("dentwatch"), **more})
    return about.merge(OTELResourceDetector().detect())  # what the environment says counts more


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False

"""What runs together in ``dentwatch up``: the service, the loop or Dagster, and MLflow's pages."""

import os
import sys
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path

import yaml

from dentwatch.errors import MissingExtraError, SettingsError
from dentwatch.pipelines.supervisor import Part
from dentwatch.settings import Settings

OPTIONAL = ("dagster", "mlflow")
"""Parts that may be left out; without Dagster the plain worker of the loop takes its place."""

_HOST = "127.0.0.1"
_CODE = "dentwatch.pipelines.definitions"


def parts_of(settings: Settings, without: Collection[str]) -> list[Part]:
    """The parts to run. Raises :class:`SettingsError` for a name that is none, and :class:`MissingExtraError`."""
    unknown = sorted(set(without) - set(OPTIONAL))
    if unknown:
        raise SettingsError(f"There is no part {', '.join(unknown)} to leave out.", f"There is {', '.join(OPTIONAL)}.")
    home = settings.home.absolute()
    environment = {**os.environ, "DENTWATCH_HOME": str(home)}
    port, up = settings.serving.port, settings.up
    found = [
        Part("serve", _dentwatch("serve"), environment, f"http://{settings.serving.host}:{port}"),
        *([_worker(environment)] if "dagster" in without else _dagster(settings, environment)),
    ]
    if "mlflow" not in without:
        # Its job workers, of which nothing here makes use, take more than a gigabyte.
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        found.append(Part("mlflow", _mlflow(settings), {**environment, **quiet}, _at(up.mlflow_port)))
    return found


def _worker(environment: dict[str, str]) -> Part:
    return Part("loop", _dentwatch("loop", "run"), environment)


def _dagster(settings: Settings, environment: dict[str, str]) -> list[Part]:
    """One process that has the code, and the pages and the daemon that ask it."""
    if find_spec("dagster") is None or find_spec("dagster_webserver") is None:
        raise MissingExtraError(
            "Dagster is not installed.",
            "`pip install 'dentwatch[pipelines]'`, or `dentwatch up --without dagster` for the plain worker.",
        )
    home = prepare(settings)
    surroundings = {**environment, "DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "1"}
    place = ["-w", str(home / "workspace.yaml")]
    up = settings.up
    code = ["api", "grpc", "-m", _CODE, "-h", _HOST, "-p", str(up.code_port)]
    pages = ["-h", _HOST, "-p", str(up.dagster_port), *place]
    return [
        Part("dagster-code", _module("dagster", *code), surroundings),
        Part("dagster-daemon", _module("dagster._daemon", "run", *place), surroundings),
        Part("dagster-web", _module("dagster_webserver", *pages), surroundings, _at(up.dagster_port)),
    ]


def prepare(settings: Settings) -> Path:
    """Write Dagster's own settings into ``dagster`` in the home, and return that folder: SQLite, nothing reported."""
    home = settings.home.absolute() / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    instance = {
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},  # no invitation to a community over the pages
        "run_coordinator": {
            "module": "dagster.core.run_coordinator",
            "class": "QueuedRunCoordinator",
            "config": {"max_concurrent_runs": settings.up.runs},
        },
        "run_monitoring": {"enabled": True, "poll_interval_seconds": 30},
        "retention": {"sensor": {"purge_after_days": {"skipped": 1, "success": 30, "failure": 30}}},
    }
    workspace = {
        "load_from": [{"grpc_server": {"host": _HOST, "port": settings.up.code_port, "location_name": "dentwatch"}}]
    }
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance), encoding="utf-8")
    (home / "workspace.yaml").write_text(yaml.safe_dump(workspace), encoding="utf-8")
    return home


def _mlflow(settings: Settings) -> list[str]:
    where = ["--backend-store-uri", settings.tracking_uri, "--host", _HOST, "--port", str(settings.up.mlflow_port)]
    artifacts = settings.tracking_artifacts
    return _module(
        "mlflow", "server", "--workers", "1", *where, *(["--artifacts-destination", artifacts] if artifacts else [])
    )


def _dentwatch(*arguments: str) -> list[str]:
    return _module("dentwatch", *arguments)


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


def _at(port: int) -> str:
    return f"http://{_HOST}:{port}"

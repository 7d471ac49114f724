"""``/models``: model versions and their figures, rollouts, what each came of, and two of them on the same photos."""

import asyncio
import json
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy import Connection
from starlette.responses import FileResponse, Response

from dentwatch.errors import DatasetError
from dentwatch.loop import journal
from dentwatch.loop.evaluations import place_of
from dentwatch.records import registry_view, rollouts
from dentwatch.records.model_versions import ModelVersion
from dentwatch.records.registry_view import RegistryView
from dentwatch.serving.access import require
from dentwatch.serving.models import starter
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.runtime import Runtime
from dentwatch.web import curves
from dentwatch.web.pages import page, show

HEADLINES = ("ap50", "ap50_scratch", "ap50_dent", "precision", "recall", "f1")
"""The figures of the leaderboard, of the split that says most: test, or val where test was not looked at."""

_REPORT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"
_STEPS = ("retrain", "remedy", "search", "gate", "roll-out", "guard", "verify")

See = Annotated[Caller, Depends(require(Permission.SEE_MODELS))]
Number = Annotated[int, Path(ge=1, le=1_000_000_000)]


def router(runtime: Runtime) -> APIRouter:
    """The pages over ``runtime``."""
    routes = APIRouter(include_in_schema=False)

    @page(routes, "/models")
    async def models(request: Request, _caller: See) -> Response:
        registry, (under_way, steps) = await asyncio.gather(_registry(runtime), runtime.intake.read(_under_way))
        rows = [_row(version, registry) for version in reversed(registry.versions)]
        first = starter()
        view = {
            "serving": runtime.models.champion.model,
            "versions": rows,
            "starter": {"name": first.name, "figures": _figures(first.spec.metrics)},
            "headlines": HEADLINES,
            "best": {
                name: max((row["figures"][name] for row in rows if name in row["figures"]), default=None)
                for name in HEADLINES
            },
            "rollouts": under_way,
            "steps": steps,
            "history": list(reversed(registry.history))[:20],
            "can_roll_back": len(registry.history) > 1 or any(one.previous for one in registry.history),
            "links": _links(runtime),
        }
        return show(request, "models.html", view)

    @page(routes, "/models/{number}")
    async def model(request: Request, number: Number, _caller: See) -> Response:
        registry = await _registry(runtime)
        version = _existing(registry, number)
        steps, rollout = await runtime.intake.read(lambda connection: _of_model(connection, version))
        view = {
            "model": _row(version, registry),
            "spec": version.spec,
            "card": await runtime.intake.in_thread(_card, runtime, version),
            "splits": _splits(version.spec.metrics),
            "curves": await runtime.intake.in_thread(_curves, runtime, registry, version),
            "has_dataset": await runtime.intake.in_thread(_has_dataset, runtime, version),
            "steps": steps,
            "rollout": rollout,
            "comparisons": [place.name for place in _comparisons(runtime, version)],
            "changes": [one for one in registry.history if number in (one.version, one.previous)],
            "links": _links(runtime),
        }
        return show(request, "model.html", view)

    @routes.get("/models/{number}/against/{name}")
    async def comparison(number: Number, name: str, _caller: See) -> Response:
        version = _existing(await _registry(runtime), number)
        place = next((one for one in _comparisons(runtime, version) if one.name == name), None)
        if place is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "no-such-report", f"There is no report {name[:100]}.")
        headers = {"Content-Security-Policy": _REPORT_POLICY}  # a page of its own, with its styles inside
        return FileResponse(place / "comparison.html", media_type="text/html", headers=headers)

    return routes


async def _registry(runtime: Runtime) -> RegistryView:
    return await runtime.intake.in_thread(registry_view.view, runtime.settings)


def _existing(registry: RegistryView, number: int) -> ModelVersion:
    found = next((one for one in registry.versions if one.number == number), None)
    if found is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, "no-such-model", f"There is no model version {number}.")
    return found


def _under_way(connection: Connection) -> tuple[Sequence[Any], list[Any]]:
    running = [one for one in journal.steps(connection, limit=60) if one.kind in _STEPS]
    return rollouts.under_way(connection), running[:12]


def _of_model(connection: Connection, version: ModelVersion) -> tuple[Sequence[Any], Any]:
    return journal.steps(connection, subject=str(version.number)), rollouts.find(connection, version.reference)


def _row(version: ModelVersion, registry: RegistryView) -> dict[str, Any]:
    spec, dismissed = version.spec, (registry.dismissed or {}).get(version.number)
    return {
        "number": version.number,
        "name": version.reference,
        "id": version.digest,
        "aliases": version.aliases,
        "detector": spec.kind,
        "input_size": spec.preprocessing.input_size,
        "enhancement": spec.preprocessing.enhancement,
        "registered_at": version.registered_at,
        "dataset_version": spec.dataset_version,
        "run_id": version.run_id,
        "commit": spec.commit,
        "adapted_to": spec.adapted_to,
        "figures": _figures(spec.metrics),
        "dismissed": None if dismissed is None else json.loads(dismissed),
    }


def _figures(metrics: dict[str, float]) -> dict[str, float]:
    """The headline figures, of test where it was looked at, else of val."""
    splits = _splits(metrics)
    shown = splits.get("test") or splits.get("val") or {}
    return {name: shown[name] for name in HEADLINES if name in shown}


def _splits(metrics: dict[str, float]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        split, _, figure = name.partition("/")
        if figure and split in ("val", "test"):
            found.setdefault(split, {})[figure] = value
    return found


def _curves(runtime: Runtime, registry: RegistryView, version: ModelVersion) -> curves.Curves | None:
    """Precision against recall, beside the champion's, or the starter's where there is none."""
    champion = next((one for one in registry.versions if one.is_champion), None)
    beside = (champion.reference, champion.spec) if champion else (starter().name, starter().spec)
    return curves.measured(runtime.settings, version.reference, version.spec, beside)


def _has_dataset(runtime: Runtime, version: ModelVersion) -> bool:
    """Whether the dataset version is here; a model may have been trained elsewhere."""
    from dentwatch.records.datasets import DatasetStore  # pyarrow comes with it, which not every worker needs

    try:
        DatasetStore(runtime.settings.dataset_store_url).get(version.spec.dataset_version)
    except DatasetError:
        return False
    return True


def _card(runtime: Runtime, version: ModelVersion) -> str:
    """The model card as it was written, where the model's files are on this machine."""
    card = runtime.settings.home.absolute() / "models" / version.digest / "card.md"
    return card.read_text(encoding="utf-8") if card.is_file() else ""


def _comparisons(runtime: Runtime, version: ModelVersion) -> list[FilePath]:
    """The folders of reports that hold the version against another."""
    begins = f"{version.reference.replace('/', '-')}-against-"
    place = place_of(runtime.settings.home)
    found = place.iterdir() if place.is_dir() else ()
    return sorted(one for one in found if one.name.startswith(begins) and (one / "comparison.html").is_file())


def _links(runtime: Runtime) -> dict[str, str]:
    """Where MLflow and Dagster show their pages when `dentwatch up` runs them."""
    ports = runtime.settings.up
    return {
        "MLflow": f"http://127.0.0.1:{ports.mlflow_port}",
        "Dagster": f"http://127.0.0.1:{ports.dagster_port}",
    }

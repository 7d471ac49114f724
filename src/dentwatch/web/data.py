"""``/data``: dataset versions and what they hold, batches on their way in, contradictions, and what was set aside.

Modules that bring pyarrow are imported when they are needed: worker processes that nobody asks stay small.
"""

from collections import Counter
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from dentwatch.errors import DatasetError, SourceError
from dentwatch.loop import batch_states
from dentwatch.records import registry_view
from dentwatch.records.annotations import SPLITS, PhotoRecord, Split
from dentwatch.records.labels import LABELS
from dentwatch.serving.access import require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.runtime import Runtime
from dentwatch.web.pages import page, show

if TYPE_CHECKING:
    from dentwatch.records.datasets import DatasetStore, DatasetVersion

_VERSIONS, _BATCHES, _SAMPLES, _ENTRIES = 20, 12, 24, 50
_MOST_LOOKED_AT = 20_000  # rows of a version that are searched for samples

VersionName = Annotated[str, Path(pattern="^(latest|[0-9a-f]{6,64})$")]
Label = Literal[LABELS]  # type: ignore[valid-type]


Seer = Annotated[Caller, Depends(require(Permission.SEE_MODELS))]


def router(runtime: Runtime) -> APIRouter:
    """The pages over ``runtime``."""
    routes = APIRouter(include_in_schema=False)
    in_thread = runtime.intake.in_thread

    @page(routes, "/data")
    async def versions(
        request: Request,
        _caller: Seer,
        skip: Annotated[int, Query(ge=0, le=10**6)] = 0,
        batches: Literal["all"] | None = None,
    ) -> Response:
        """Every version, newest first, and the batches that become the next ones."""
        view = await in_thread(_versions, runtime, skip)
        view |= await in_thread(_batches, runtime, None if batches else _BATCHES)
        return show(request, "data.html", view)

    @page(routes, "/data/contradictions")
    async def contradictions(request: Request, _caller: Seer) -> Response:
        """Photos that came with annotations that disagree, for a person to decide."""
        return show(request, "data_contradictions.html", await in_thread(_contradictions, runtime))

    @page(routes, "/data/set-aside")
    async def set_aside(
        request: Request,
        _caller: Seer,
        reason: Annotated[str, Query(max_length=60)] = "",
        skip: Annotated[int, Query(ge=0, le=10**7)] = 0,
    ) -> Response:
        """What could not be used, and why."""
        return show(request, "data_set_aside.html", await in_thread(_set_aside, runtime, reason, skip))

    @page(routes, "/data/{version}")
    async def version(
        request: Request,
        version: VersionName,
        _caller: Seer,
        split: Annotated[Split | Literal[""], Query()] = "",
        label: Annotated[Label | Literal[""], Query()] = "",
    ) -> Response:
        """What one version holds, with samples, and what it changed."""
        return show(request, "data_version.html", await in_thread(_version, runtime, version, split, label))

    return routes


def _store(runtime: Runtime) -> "DatasetStore":
    from dentwatch.records.datasets import DatasetStore

    return DatasetStore(runtime.settings.dataset_store_url)


def _versions(runtime: Runtime, skip: int) -> dict[str, Any]:
    store = _store(runtime)
    reasons = Counter(entry.reason for entry in store.set_aside())
    count = store.count()
    return {
        "versions": store.newest(_VERSIONS, skip),
        "count": count,
        "skip": skip,
        "more": skip + _VERSIONS if skip + _VERSIONS < count else None,
        "set_aside": dict(reasons.most_common()),
        "contradictions": reasons["contradiction"],
    }


def _batches(runtime: Runtime, limit: int | None) -> dict[str, Any]:
    """The newest batches, at most ``limit``; where the inbox cannot be listed, what is wrong with it."""
    try:
        with runtime.database.reading() as connection:
            found = batch_states.batch_states(runtime.settings, connection)
    except SourceError as error:
        return {"batches": [], "batch_count": 0, "inbox_problem": str(error)}
    return {"batches": found[:limit], "batch_count": len(found), "inbox_problem": ""}


def _contradictions(runtime: Runtime) -> dict[str, Any]:
    from dentwatch.data.contradictions import contradictions

    found = contradictions(runtime.settings)
    shown = [
        {
            "id": one.id,
            "photo": one.present,
            "claimed": one.claimed,
            "claimed_by": one.entry.source,
            "claimed_frame": _frame(one.entry),
        }
        for one in found[:_ENTRIES]
    ]
    return {"contradictions": shown, "count": len(found)}


def _frame(entry: Any) -> tuple[int, int] | None:
    """The size that the claim's boxes are stated in, where the source says it."""
    return (entry.width, entry.height) if entry.width and entry.height else None


def _set_aside(runtime: Runtime, reason: str, skip: int) -> dict[str, Any]:
    store = _store(runtime)
    reasons = Counter(entry.reason for entry in store.set_aside())
    wanted = (entry for entry in store.set_aside() if reason in ("", entry.reason))
    found = list(islice(wanted, skip, skip + _ENTRIES + 1))
    return {
        "entries": found[:_ENTRIES],
        "reasons": dict(reasons.most_common()),
        "reason": reason,
        "skip": skip,
        "more": skip + _ENTRIES if len(found) > _ENTRIES else None,
    }


def _version(runtime: Runtime, name: str, split: Split | Literal[""], label: str) -> dict[str, Any]:
    from dentwatch.data.version_difference import difference_of
    from dentwatch.data.version_figures import LIGHT_EDGES, figures_of

    store = _store(runtime)
    try:
        found = store.get(name)
    except DatasetError as error:
        raise RefusedError(HTTPStatus.NOT_FOUND, "no-such-version", error.message) from error
    info, url = found.info, runtime.settings.dataset_store_url
    known = info.parent is not None and any(one.id == info.parent for one in store.versions())
    figures = figures_of(url, info.id)
    return {
        "info": info,
        "figures": figures,
        "lighting": list(zip(LIGHT_EDGES, LIGHT_EDGES[1:], figures.lighting, strict=False)),
        "difference": difference_of(url, str(info.parent), info.id) if known else None,
        "models": _trained_on(info.id, runtime),
        "model_name": runtime.settings.tracking.model_name,
        "samples": _samples(found, split, label),
        "split": split,
        "label": label,
        "splits": SPLITS,
    }


def _samples(version: "DatasetVersion", split: Split | Literal[""], label: str) -> list[PhotoRecord]:
    """Some photos with that split and label; ids are hashes, so that the first ones are as good as drawn."""
    rows = islice(version.photos(split or None), _MOST_LOOKED_AT)
    wanted = (row for row in rows if not label or any(one.label == label for one in row.annotations))
    return list(islice(wanted, _SAMPLES))


def _trained_on(dataset_version: str, runtime: Runtime) -> list[int]:
    """The numbers of the model versions that were trained on a dataset version, newest first."""
    versions = reversed(registry_view.view(runtime.settings).versions)
    return [one.number for one in versions if one.spec.dataset_version == dataset_version]

"""``/v1/vehicles/{id}/changes``: what happened to a vehicle between two inspections."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from dentwatch.data.decoding import decode
from dentwatch.errors import PhotoError
from dentwatch.records import inspections
from dentwatch.records.inspections import InspectionFilter, KeptInspection, KeptPhoto
from dentwatch.serving import problems
from dentwatch.serving.access import REFUSALS, require
from dentwatch.serving.changes import VehicleChanges, changes_between
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.routes.inspections import visible
from dentwatch.serving.runtime import Runtime
from dentwatch.serving.seen_photo import SeenPhoto
from dentwatch.serving.views import VIEW_SIDE, features_of


class ChangesAnswer(VehicleChanges):
    """What happened to a vehicle between two of its inspections."""

    vehicle_id: str
    earlier_inspection: str = Field(description="Its id.")
    later_inspection: str = Field(description="Its id.")
    same_model: bool = Field(description="Whether one model version answered both; else some changes may be its own.")


def router(runtime: Runtime) -> APIRouter:
    """The routes over ``runtime``."""
    faults = problems.documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
    routes = APIRouter(tags=["vehicles"], responses={**REFUSALS, **faults})

    @routes.get("/v1/vehicles/{vehicle_id}/changes", summary="Compare two inspections of a vehicle")
    async def changes(
        vehicle_id: Annotated[str, Path(max_length=200)],
        caller: Annotated[Caller, Depends(require(Permission.SEE_INSPECTIONS))],
        earlier: Annotated[str | None, Query(description="An inspection's id; default: the last but one.")] = None,
        later: Annotated[str | None, Query(description="An inspection's id; default: the last one.")] = None,
    ) -> ChangesAnswer:
        """Damage that is new, known or gone, where both inspections can be shown to have the place in view.

        New means that the earlier photos show the place and no damage was found there then: a reason to look, not a
        proof, because the model may have missed it.
        """
        before, after = await _two(runtime, caller, vehicle_id, earlier, later)
        seen = [[await runtime.service.run(_seen, runtime, photo) for photo in one.photos] for one in (before, after)]
        found = await runtime.service.run(changes_between, *seen)
        return ChangesAnswer(
            vehicle_id=vehicle_id,
            earlier_inspection=before.id,
            later_inspection=after.id,
            same_model=before.model == after.model,
            **found.model_dump(),
        )

    return routes


async def _two(
    runtime: Runtime, caller: Caller, vehicle_id: str, earlier: str | None, later: str | None
) -> tuple[KeptInspection, KeptInspection]:
    """The inspections to compare; raises :class:`RefusedError`."""
    wanted = InspectionFilter(owner=caller.sees_only, vehicle_id=vehicle_id, status="done")
    known = await runtime.intake.read(lambda connection: inspections.page(connection, wanted, limit=2))
    last = [one.id for one in known]
    after = later or (last[0] if last else None)
    before = earlier or next((one for one in last if one != after), None)
    if after is None or before is None:
        raise RefusedError(
            HTTPStatus.NOT_FOUND,
            "nothing-to-compare",
            f"The vehicle {vehicle_id} has fewer than two finished inspections that this key may see.",
        )
    found = [await visible(runtime, caller, one) for one in (before, after)]
    for one in found:
        if one.vehicle_id != vehicle_id or one.status != "done":
            raise RefusedError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "not-comparable",
                f"The inspection {one.id} is not a finished one of the vehicle {vehicle_id}.",
            )
    return found[0], found[1]


def _seen(runtime: Runtime, kept: KeptPhoto) -> SeenPhoto:
    """A photo as it was inspected, looked at again for what makes it findable in other photos."""
    detections = [one.detection for one in kept.detections]
    features = None
    if kept.reliable:
        try:
            data = runtime.store.get(kept.photo_id)
            decoded = decode(data, max_pixels=runtime.settings.serving.max_pixels, target_side=VIEW_SIDE)
            features = features_of(decoded.rgb)
        except PhotoError:  # it is gone from the store: nothing can be shown about it
            features = None
    return SeenPhoto(features, kept.width or 1, kept.height or 1, detections)

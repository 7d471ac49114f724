"""``/review``: the queue of photos worth a look, and the editor that shows one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from dentwatch.monitoring import review_claims, review_plan
from dentwatch.monitoring.review_plan import Reason, ReviewItem
from dentwatch.monitoring.review_routes import midnight
from dentwatch.records.labels import LABELS
from dentwatch.serving.access import require
from dentwatch.serving.permissions import Caller, Permission
from dentwatch.serving.runtime import Runtime
from dentwatch.web.pages import page, show

REASONS: dict[Reason, str] = {
    "disputed": "A user objected to what was found.",
    "wanted": "The next training would learn most from it.",
    "random": "Drawn at random: it tells how right the model is.",
    "drifted": "It came while photos looked different than usual.",
    "uncertain": "The model was hardly sure of something.",
}
"""What each reason to look at a photo means, for people."""

_LISTED = 40

SHORTCUTS = (
    ("A", "accept every box that has no verdict yet"),
    ("Enter or N", "save, and show the next photo"),
    ("Y", "the chosen box is right"),
    ("X or Delete", "the chosen box is wrong: there is no such damage"),
    ("1 – 7", "give the chosen box this label, or draw with it"),
    ("Tab, Shift + Tab", "choose the next box, the one before"),
    ("Arrows, Shift + arrows", "move the chosen box, change its size"),
    ("D", "put a new box in the middle"),
    ("Esc", "choose nothing"),
    ("Ctrl + Z or U", "take the last change back"),
    ("S", "skip this photo: somebody else may have it"),
    ("B", "back to the photo that was saved last"),
    ("+, −, 0", "zoom in, out, show the whole photo"),
    ("L", "brighten a dark photo, for the eye alone"),
    ("?", "show or hide this list"),
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A photo that waits; ``holder`` is who has it on the screen."""

    item: ReviewItem
    holder: str | None


Reviewer = Annotated[Caller, Depends(require(Permission.GIVE_VERDICTS))]


def router(runtime: Runtime) -> APIRouter:
    """The pages over ``runtime``."""
    routes = APIRouter(include_in_schema=False)

    @page(routes, "/review")
    async def queue(request: Request, caller: Reviewer) -> Response:
        """How many photos wait and why, and the next ones."""
        view = await runtime.intake.read(lambda connection: _look(connection, caller.actor))
        contradictions = await runtime.intake.in_thread(_contradictions, runtime)
        return show(request, "review.html", {**view, "contradictions": contradictions, "meanings": REASONS})

    @page(routes, "/review/editor")
    async def editor(
        request: Request,
        _caller: Reviewer,
        number: Annotated[int | None, Query(ge=1, le=2**62)] = None,
    ) -> Response:
        """One photo after the other, this one first; the page takes them with ``POST /v1/reviews/next``."""
        return show(
            request,
            "review_editor.html",
            {"labels": LABELS, "meanings": REASONS, "shortcuts": SHORTCUTS, "number": number},
        )

    return routes


def _look(connection: Connection, actor: str) -> dict[str, Any]:
    items: Sequence[ReviewItem] = review_plan.open_items(connection, _LISTED)
    holders = review_claims.holders(connection, [item.number for item in items], datetime.now(UTC))
    named = {number: review_claims.person(claimant) for number, claimant in holders.items()}
    counted = review_plan.count_open(connection)
    return {
        "open": counted,
        "total": sum(counted.values()),
        "reviewed_today": review_claims.reviewed_since(connection, actor, midnight()),
        "waiting": [Waiting(item, named.get(item.number)) for item in items],
        "caller_name": actor,
    }


def _contradictions(runtime: Runtime) -> int:
    """How many photos came with annotations that contradict those in the dataset."""
    from dentwatch.data.contradictions import REASON  # pyarrow comes with it, which not every worker needs
    from dentwatch.records.datasets import DatasetStore

    store = DatasetStore(runtime.settings.dataset_store_url)
    return sum(entry.reason == REASON for entry in store.set_aside())

"""The demo: annotated photos become a dataset version, a model serves, dusk falls, and the loop closes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from dentwatch.data.remade_photos import RemadePhotos
from dentwatch.loop.evaluations import evaluated, judging_photos
from dentwatch.loop.measured_drift import drift_of
from dentwatch.loop.steps import Bench
from dentwatch.loop.story.report import STORY_NAME, Looks, figures, write_story
from dentwatch.loop.story.sellers import Car
from dentwatch.loop.story.telling import Limits, Told, as_cars, tell
from dentwatch.records.database import Database
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.photos import PhotoStore, write_atomically
from dentwatch.serving.models import resolve
from dentwatch.settings import Settings
from dentwatch.training.packaging import Report
from dentwatch.training.walkthrough import apart, ingest, synthetic_photos, walk

_TRAFFIC_PHOTOS, _TRAFFIC_SEED = 300, 2
_DOCUMENT = "story.json"


@dataclass(frozen=True, slots=True)
class Played:
    """What the demo leaves: its home, the report, how the story ended, and its figures (see :func:`.figures`)."""

    home: Path
    report: Path
    happy: bool
    ended: str
    figures: dict[str, Any]

    def as_document(self) -> dict[str, Any]:
        """It as JSON values."""
        return {
            "home": str(self.home),
            "report": str(self.report),
            "happy": self.happy,
            "ended": self.ended,
            "figures": self.figures,
        }


def play(
    settings: Settings, photos: Path | None, minutes: float, count: int, report: Report, console: Console
) -> Played:
    """Play the demo on ``photos``, or on ``count`` synthetic ones, in a home of its own; one that was played is shown.

    ``minutes`` are those of the retraining, and of the first training on one's own photos. Raises what its parts raise.
    """
    home = apart(settings, "demo" if photos is None else "demo-own")
    known = home.home / "story" / _DOCUMENT
    if known.exists():
        found = json.loads(known.read_text(encoding="utf-8"))
        console.print(f"Already told; remove {home.home} to have it told again.", soft_wrap=True)
        return Played(**{**found, "home": Path(found["home"]), "report": Path(found["report"])})
    cars, traffic = _prepared(home, photos, minutes, count, report, console)
    console.print(f"[bold]{2 if photos is None else 4}  A model serves, dusk falls, and the loop closes[/]")
    told = tell(home, cars, traffic, Limits(retrain_minutes=minutes, patience_minutes=10 + minutes), console)
    page = write_story(told, _looks(home, told, report), home.home / "story" / STORY_NAME)
    played = Played(home.home.absolute(), page.absolute(), told.is_happy, told.ended, figures(told))
    if told.is_happy:  # what did not come to its end is tried anew the next time
        text = json.dumps(played.as_document(), indent=2)
        write_atomically(known.with_suffix(".part"), known, text.encode())
    return played


def _prepared(
    home: Settings, photos: Path | None, minutes: float, count: int, report: Report, console: Console
) -> tuple[list[Car], PhotoStore]:
    """Make the dataset version; the cars that sellers will submit, and where their photos are."""
    if photos is not None:
        walk(home, photos, minutes, count, report, console)
        dataset = DatasetStore(home.dataset_store_url).get("latest")
        unseen = [*dataset.photos("val", annotated=True), *dataset.photos("test", annotated=True)]
        return as_cars(unseen), PhotoStore(home.photo_store_url)
    console.print("[bold]1  Photos and annotations become a dataset version[/]")
    ingest(home, synthetic_photos(home, count, report), report, console)
    street = apart(home, "street")  # cars that no model learns from
    sold = ingest(street, synthetic_photos(street, _TRAFFIC_PHOTOS, report, _TRAFFIC_SEED), report, console)
    return as_cars(list(sold.photos(annotated=True))), PhotoStore(street.photo_store_url)


def _looks(home: Settings, told: Told, report: Report) -> Looks | None:
    """Test photos as both models saw them at the gate; None where no challenger came so far."""
    ruling = told.result_of("gate")
    if ruling is None or told.incident is None or "challenger" not in ruling:
        return None
    drift = drift_of(told.incident)
    bench = Bench(home, Database.of(home), report)
    dataset, split = judging_photos(DatasetStore(home.dataset_store_url))
    before, after = resolve(ruling["champion"], home), resolve(ruling["challenger"], home)
    labels = before.spec.labels
    return Looks(
        bright=evaluated(bench, before, dataset, split, None, labels),
        dark_before=evaluated(bench, before, dataset, split, drift, labels),
        dark_after=evaluated(bench, after, dataset, split, drift, labels),
        photos=PhotoStore(home.photo_store_url),
        darkened=RemadePhotos(home.photo_store_url, drift, home.data.max_pixels),
    )

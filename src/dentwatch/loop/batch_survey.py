"""What a batch of photos holds, and what the dataset held before: the figures that a batch is judged by."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dentwatch.data.examiners import examine_all
from dentwatch.data.incoming import IncomingPhoto
from dentwatch.data.label_map import LabelMap
from dentwatch.data.validation import Rules
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.canonical import record_from_plain
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.photo_figures import PhotoFigures
from dentwatch.settings import Settings

UNREADABLE = frozenset({"unreadable", "truncated", "not_an_image", "decompression_bomb", "too_large", "missing"})
"""Reasons for which a photo is set aside that say: there is no photo."""

_WHOLE = 0.9  # share of the photo that a box covers which marks nothing in particular
_TINY = 1e-5  # share of the photo under which a box is a slip of the mouse: 6 × 6 pixels of 3 megapixels


@dataclass(slots=True)
class Labelling:
    """How people annotated some photos; vehicles are counted, because photos of one show the same damage.

    ``vehicles`` were looked at, ``damaged`` of them show damage, ``showing`` counts those with a label.
    ``whole`` and ``tiny`` of the ``boxes`` cover (nearly) all or nothing of their photo; ``places`` counts boxes by
    where they are, in percent of the photo's sides.
    """

    vehicles: int = 0
    damaged: int = 0
    showing: Counter[str] = field(default_factory=Counter)
    boxes: int = 0
    whole: int = 0
    tiny: int = 0
    places: Counter[tuple[int, ...]] = field(default_factory=Counter)

    @classmethod
    def of(cls, records: Iterable[PhotoRecord]) -> "Labelling":
        """That of the annotated ones among ``records``."""
        found, labels = cls(), dict[str, set[str]]()
        for record in records:
            if not record.annotated:
                continue
            labels.setdefault(record.vehicle, set()).update(mark.label for mark in record.annotations)
            for mark in record.annotations:
                box = mark.box
                share = box.width * box.height / (record.width * record.height)
                found.boxes += 1
                found.whole += share > _WHOLE
                found.tiny += share < _TINY
                sides = zip(box.xyxy, (record.width, record.height) * 2, strict=True)
                found.places[tuple(round(100 * side / full) for side, full in sides)] += 1
        found.vehicles = len(labels)
        found.damaged = sum(bool(shown) for shown in labels.values())
        found.showing.update(label for shown in labels.values() for label in shown)
        return found


@dataclass(slots=True)
class Survey:
    """A batch: how many photos were ``seen`` and were ``unreadable``, and the others with their measurements."""

    seen: int = 0
    unreadable: int = 0
    records: list[PhotoRecord] = field(default_factory=list)
    figures: list[PhotoFigures] = field(default_factory=list)

    @property
    def labelling(self) -> Labelling:
        """How it is annotated."""
        return Labelling.of(self.records)


@dataclass(slots=True)
class Background:
    """The dataset so far: how it is annotated, its photos for test and for val, which of the batch's it knows."""

    labelling: Labelling = field(default_factory=Labelling)
    test: dict[str, PhotoRecord] = field(default_factory=dict)
    val: list[PhotoRecord] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    test_figures: list[PhotoFigures] = field(default_factory=list)


def survey(photos: Iterable[IncomingPhoto], settings: Settings) -> Survey:
    """Look at every photo of a batch as an ingest does, and put it into the photo store."""
    found = Survey()
    rules = Rules(settings.data, LabelMap())
    for _, examined in examine_all(photos, rules, settings.photo_store_url, workers=1):
        found.seen += 1
        found.unreadable += any(entry.reason in UNREADABLE for entry in examined.set_aside if entry.kind == "photo")
        if examined.candidate is not None and examined.figures is not None:
            plain = {name: value for name, value in examined.candidate.items() if name != "stated"}
            found.records.append(record_from_plain({**plain, "split": plain["split"] or "train"}))
            found.figures.append(examined.figures)
    return found


def background(batch: Survey, settings: Settings) -> Background:
    """What the latest dataset version says that concerns the batch; empty while there is no version."""
    store = DatasetStore(settings.dataset_store_url)
    version = store.latest()
    found = Background()
    if version is None:
        return found
    ours = {record.photo_id for record in batch.records}

    def noted() -> Iterator[PhotoRecord]:
        for record in version.photos():
            if record.photo_id in ours:
                found.known.add(record.photo_id)
            if record.split == "test":
                found.test[record.photo_id] = record
            elif record.split == "val" and record.annotated:
                found.val.append(record)
            yield record

    found.labelling = Labelling.of(noted())
    found.test_figures = [figures for figures in store.figures() if figures.photo_id in found.test]
    return found

"""Which photos and boxes a report shows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dentwatch.records.annotations import Box
from dentwatch.training.evaluation.matching import PhotoOutcome
from dentwatch.training.evaluation.mistakes import MISSED_KINDS, WRONG_KINDS, PhotoVerdict, verdict
from dentwatch.training.evaluation.pictures import Album, DrawnBox, Picture, describe, drawn
from dentwatch.training.evaluation.result import EvaluationResult

WORST, BEST, CROPS, DIFFERING = 9, 6, 18, 8
MOST_PER_PHOTO = 2
"""Crops of one photo in a gallery, so that one bad photo does not fill it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A photo, what was said about it, and how that went."""

    outcome: PhotoOutcome
    verdict: PhotoVerdict

    @property
    def words(self) -> str:
        """How it went, in words."""
        missed = sum(kind is not None for kind in self.verdict.missed)
        wrong = sum(kind is not None for kind in self.verdict.wrong)
        return f"{self.verdict.right} of {len(self.verdict.marks)} found, {missed} missed, {wrong} wrong"


def judged_photos(result: EvaluationResult) -> list[Judged]:
    """The photos of an evaluation with their verdicts."""
    return [Judged(one, verdict(one, result.labels, result.scores)) for one in result.outcomes()]


def worst(photos: Sequence[Judged], album: Album) -> list[Picture]:
    """The photos with the lowest F1, most mistakes first among equals."""
    ranked = sorted(photos, key=lambda one: (one.verdict.quality, -one.verdict.mistakes))
    return [_whole(one, album) for one in ranked[:WORST] if one.verdict.mistakes]


def best(photos: Sequence[Judged], album: Album) -> list[Picture]:
    """The photos with the highest F1 in which something was found, most found first among equals."""
    ranked = sorted(photos, key=lambda one: (-one.verdict.quality, -one.verdict.right))
    return [_whole(one, album) for one in ranked if one.verdict.right][:BEST]


def _whole(one: Judged, album: Album) -> Picture:
    return album.photo(one.outcome, drawn(one.outcome, one.verdict), one.outcome.photo.name, one.words)


def wrong_boxes(photos: Sequence[Judged], album: Album) -> list[Picture]:
    """Crops of the wrong detections that the model is surest of."""
    found = [
        (detection.score, one, detection.box, describe(detection), WRONG_KINDS[kind])
        for one in photos
        for detection, kind in zip(one.verdict.kept, one.verdict.wrong, strict=True)
        if kind
    ]
    return _crops(found, album)


def missed_boxes(photos: Sequence[Judged], album: Album) -> list[Picture]:
    """Crops of the missed damages, those that take most of their photo first."""
    found = [
        (mark.box.width * mark.box.height / _area(one.outcome), one, mark.box, mark.label, MISSED_KINDS[kind])
        for one in photos
        for mark, kind in zip(one.verdict.marks, one.verdict.missed, strict=True)
        if kind
    ]
    return _crops(found, album)


def _area(outcome: PhotoOutcome) -> int:
    return outcome.photo.width * outcome.photo.height


def _crops(found: list[tuple[float, Judged, Box, str, str]], album: Album) -> list[Picture]:
    shown: Counter[str] = Counter()
    chosen = []
    for _, one, box, text, why in sorted(found, key=lambda entry: -entry[0]):
        photo = one.outcome.photo
        shown[photo.photo_id] += 1
        if shown[photo.photo_id] <= MOST_PER_PHOTO:
            chosen.append((one, box, text, why))
        if len(chosen) == CROPS:
            break
    return [
        album.crop(one.outcome, box, _subject(one, box, text), text, f"{why} · {one.outcome.photo.name}")
        for one, box, text, why in chosen
    ]


def _subject(one: Judged, box: Box, text: str) -> list[DrawnBox]:
    """The boxes of a photo with all but one of them quiet; that one last, on top."""
    boxes = drawn(one.outcome, one.verdict)
    return sorted(
        (replace(other, quiet=(other.box, other.text) != (box, text)) for other in boxes),
        key=lambda other: not other.quiet,
    )


@dataclass(frozen=True, slots=True)
class Pair:
    """One photo as several models see it."""

    name: str
    pictures: tuple[Picture, ...]


def differing(results: Sequence[list[Judged]], names: Sequence[str], album: Album) -> list[Pair]:
    """The photos whose F1 differs most between models, as each of them sees it."""

    def gap(row: tuple[Judged, ...]) -> tuple[float, int]:
        qualities = [one.verdict.quality for one in row]
        mistakes = [one.verdict.mistakes for one in row]
        return max(qualities) - min(qualities), max(mistakes) - min(mistakes)

    rows = sorted(zip(*results, strict=True), key=gap, reverse=True)
    return [
        Pair(
            row[0].outcome.photo.name,
            tuple(
                album.photo(one.outcome, drawn(one.outcome, one.verdict), name, one.words)
                for one, name in zip(row, names, strict=True)
            ),
        )
        for row in rows[:DIFFERING]
        if gap(row) > (0.0, 0)
    ]

"""Photos, annotations and detections whose figures are known, for the tests of the evaluation."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dentwatch.records.annotations import Annotation, Box, PhotoRecord
from dentwatch.records.detections import Detection
from dentwatch.records.photos import PhotoStore
from dentwatch.training.evaluation.evaluator import judge
from dentwatch.training.evaluation.matching import PhotoOutcome
from dentwatch.training.evaluation.result import Bootstrap, EvaluationResult, ModelFacts, Threshold

LABELS = ("scratch", "dent")


def mark(label: str, x: float, y: float, width: float = 50, height: float = 50) -> Annotation:
    """An annotation."""
    return Annotation(label, Box(x, y, width, height))


def found(label: str, score: float, x: float, y: float, width: float = 50, height: float = 50) -> Detection:
    """A detection."""
    return Detection(label, score, Box(x, y, width, height))


def outcome(
    marks: Sequence[Annotation],
    detections: Sequence[Detection],
    *,
    vehicle: str = "car",
    name: str = "photo.jpg",
    photo_id: str = "0" * 64,
    size: tuple[int, int] = (640, 480),
) -> PhotoOutcome:
    """A photo with what people and the model say about it."""
    photo = PhotoRecord(photo_id, name, vehicle, "val", *size, annotated=True, annotations=tuple(marks))
    return PhotoOutcome(photo, tuple(detections))


def random_outcomes(
    seed: int, photos: int = 24, per_vehicle: int = 3, noise: int = 12, digits: int = 2
) -> list[PhotoOutcome]:
    """Photos with random damage, of which about two thirds are found, among ``noise`` false boxes each.

    Scores have ``digits`` after the point: with two of them, many are equal.
    """
    random = np.random.default_rng(seed)

    def box() -> tuple[float, float, float, float]:
        x, y, width, height = random.uniform((0, 0, 8, 8), (400, 300, 200, 150))
        return float(x), float(y), float(width), float(height)

    def near(place: Box) -> tuple[float, float, float, float]:
        dx, dy = random.normal(0, 0.12, 2)
        grow = float(random.uniform(0.8, 1.25))
        return place.x + dx * place.width, place.y + dy * place.height, place.width * grow, place.height / grow

    outcomes = []
    for number in range(photos):
        marks = [
            Annotation(str(random.choice([*LABELS, "other"])), Box(*box())) for _ in range(int(random.integers(0, 5)))
        ]
        detections = [
            found(one.label, round(float(random.uniform(0.2, 1)), digits), *near(one.box))
            for one in marks
            if one.label in LABELS and random.random() < 0.67
        ]
        detections += [
            found(str(random.choice(LABELS)), round(float(random.uniform(0.01, 0.8)), digits), *box())
            for _ in range(noise)
        ]
        outcomes.append(
            outcome(
                marks,
                detections,
                vehicle=f"car {number // per_vehicle}",
                name=f"{number}.jpg",
                photo_id=f"{number:064x}",
            )
        )
    return outcomes


def judged(outcomes: Sequence[PhotoOutcome], name: str = "dentwatch/1", **changes: float) -> EvaluationResult:
    """An evaluation of ``outcomes`` at the thresholds ``changes`` (0.5 where not given)."""
    facts = ModelFacts(
        name=name,
        fingerprint="0123456789ab",
        detector="yolo",
        size="nano",
        labels=LABELS,
        input_size=416,
        created_at="2026-11-23T12:00:00+00:00",
        dataset_version="ab" * 16,
        run_id="",
        commit="",
        rights=(),
    )
    thresholds = {label: Threshold(score=changes.get(label, 0.5), origin="the test") for label in LABELS}
    bootstrap = Bootstrap(resamples=60, seed=1, level=0.95)
    return judge(outcomes, facts, "cd" * 16, "val", labels=LABELS, thresholds=thresholds, bootstrap=bootstrap)


def drawn_photo(seed: int, size: tuple[int, int] = (640, 480)) -> bytes:
    """The JPEG of a picture that nobody took: a coloured panel with lines."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(int(value) for value in random.integers(60, 200, 3)))
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        pen.line([tuple(random.uniform(0, size)) for _ in range(2)], fill="white", width=3)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def stored(outcomes: Sequence[PhotoOutcome], folder: Path) -> tuple[list[PhotoOutcome], PhotoStore]:
    """``outcomes`` with drawn photos behind them, in a store."""
    store = PhotoStore(str(folder))
    result = []
    for number, one in enumerate(outcomes):
        photo_id = store.put(drawn_photo(number))
        photo = one.photo
        record = PhotoRecord(
            photo_id, photo.name, photo.vehicle, photo.split, photo.width, photo.height, True, photo.annotations
        )
        result.append(PhotoOutcome(record, one.detections, one.lighting))
    return result, store

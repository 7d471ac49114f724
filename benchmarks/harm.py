"""Harm without labels held against the truth: recall lost as estimated, and as labels say it was lost.

    DENTWATCH_HOME=… python benchmarks/harm.py --model FOLDER

The photos of one split, made worse and saved as JPEG again, play production: only their features reach the estimate,
which knows the labelled photos of another split. Their labels then say what was really lost. Noise, blur and fog are
made otherwise here than in the estimate, because in production nobody makes them at all.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.linear_light import LINEAR, encode
from dentwatch.data.statistics import photo_statistics
from dentwatch.monitoring.features import photo_features
from dentwatch.monitoring.harm import Harm, HarmEstimator
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.serving.answers import PhotoFailure
from dentwatch.serving.inspection import Inspector, Photo
from dentwatch.settings import load
from dentwatch.training.evaluation.matching import MATCH_IOUS, PhotoOutcome, match

Pixels = NDArray[np.uint8]
Drift = Callable[[Pixels, np.random.Generator], Pixels]
_SAVED_AT = 92  # JPEG quality of a phone


def exposed(stops: float, noise: float = 0.0) -> Drift:
    """Another exposure, with Gaussian photon noise of ``noise`` times the square root of the light."""

    def apply(rgb: Pixels, rng: np.random.Generator) -> Pixels:
        linear = LINEAR[rgb] * np.float32(2.0**stops)
        return encode(linear + noise * np.sqrt(linear) * rng.standard_normal(rgb.shape, np.float32))

    return apply


def blurred(sigma: float) -> Drift:
    """A Gaussian blur of ``sigma`` pixels of a photo 640 pixels wide, in linear light."""

    def apply(rgb: Pixels, _rng: np.random.Generator) -> Pixels:
        return encode(cv2.GaussianBlur(LINEAR[rgb], (0, 0), sigma * max(rgb.shape[:2]) / 640))

    return apply


def foggy(share: float) -> Drift:
    """Light grey fog, half as thick at the bottom of the photo and one and a half times as thick at the top."""

    def apply(rgb: Pixels, _rng: np.random.Generator) -> Pixels:
        thick = np.clip(np.linspace(1.5, 0.5, len(rgb), dtype=np.float32) * share, 0, 0.95)[:, None, None]
        return encode(LINEAR[rgb] * (1 - thick) + np.float32(0.7) * thick)

    return apply


def noisy(deviation: float) -> Drift:
    """Gaussian noise of ``deviation`` sRGB levels, alike everywhere."""

    def apply(rgb: Pixels, rng: np.random.Generator) -> Pixels:
        return np.clip(rgb + deviation * rng.standard_normal(rgb.shape, np.float32), 0, 255).astype(np.uint8)

    return apply


def tinted(red: float, blue: float) -> Drift:
    """White balance off: gains of red and blue in linear light."""
    gains = np.array([red, 1, blue], np.float32)
    return lambda rgb, _rng: encode(LINEAR[rgb] * gains)


def squeezed(quality: int) -> Drift:
    """Saved once before as a JPEG of this quality."""
    return lambda rgb, _rng: cv2.cvtColor(cv2.imdecode(_jpeg(rgb, quality), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def some(drift: Drift, share: float) -> Drift:
    """Only this share of the photos drifts."""
    return lambda rgb, rng: drift(rgb, rng) if rng.random() < share else rgb


DRIFTS: dict[str, tuple[str, Drift]] = {
    **{f"{stops:+g} stops": ("dark", exposed(stops)) for stops in (-0.5, -1, -2, -3, -4)},
    **{f"{stops:+g} stops, noisy": ("dark", exposed(stops, 0.04)) for stops in (-2, -4)},
    "30 % at -4 stops": ("dark", some(exposed(-4), 0.3)),
    **{f"{stops:+g} stops": ("overexposed", exposed(stops)) for stops in (0.5, 1, 2)},
    **{f"blur σ {sigma:g}": ("blur", blurred(sigma)) for sigma in (1, 2, 4)},
    **{f"fog {share:.0%}": ("haze", foggy(share)) for share in (0.3, 0.5, 0.7)},
    **{f"noise {deviation}": ("noisy", noisy(deviation)) for deviation in (8, 20, 40)},
    **{f"JPEG {quality}": ("compressed", squeezed(quality)) for quality in (20, 8)},
    "warm": ("warm", tinted(1.5, 0.6)),
    "cool": ("cool", tinted(0.7, 1.5)),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One drift: the estimate, and the truth at IoU 0.5 and 0.3, in percentage points of recall."""

    name: str
    harm: Harm
    strict: float
    loose: float

    def __str__(self) -> str:
        harm = self.harm
        return (
            f"| {self.name} | {harm.way}, {harm.amount:.3g} {harm.unit}, "
            f"{harm.share:.0%} | {harm.strict.lost:.1f} "
            f"({harm.strict.low or 0:.1f} – {harm.strict.high or 0:.1f}) | {self.strict:.1f} | {harm.loose.lost:.1f} | "
            f"{self.loose:.1f} |"
        )


def _jpeg(rgb: Pixels, quality: int) -> NDArray[np.uint8]:
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return np.asarray(cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)[1])


def produced(
    inspector: Inspector, records: Sequence[PhotoRecord], store: PhotoStore, drift: Drift | None
) -> tuple[NDArray[np.float64], dict[float, float]]:
    """The features of production photos, and their true recall by IoU."""
    features, outcomes = [], []
    for number, record in enumerate(records):
        data = store.get(record.photo_id)
        if drift is not None:
            rgb = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
            data = _jpeg(drift(rgb, np.random.default_rng([7, number])), _SAVED_AT).tobytes()
        seen = inspector.decode(Photo(record.name, lambda data=data: data))
        if isinstance(seen, PhotoFailure):
            raise SystemExit(f"{record.name}: {seen.error}")
        found, _ = inspector.predict(seen)
        size = seen.pixels.width, seen.pixels.height
        features.append(photo_features(asdict(photo_statistics(seen.pixels.rgb, size)), found, None, size))
        outcomes.append(PhotoOutcome(record, tuple(found)))
    table = match(outcomes, HEADLINE_LABELS)
    return np.stack(features), {iou: float((table.hit[iou] >= 0).sum() / table.truth_label.size) for iou in MATCH_IOUS}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="folder of a model bundle")
    parser.add_argument("--dataset", default="latest")
    parser.add_argument("--known", default="val", help="split whose labels the estimate may use")
    parser.add_argument("--production", default="test", help="split that plays production")
    parser.add_argument("--most", type=int, default=300, help="most photos of each split")
    parser.add_argument("--only", nargs="*", choices=DRIFTS, default=list(DRIFTS), metavar="DRIFT")
    arguments = parser.parse_args()
    settings = load()
    dataset = DatasetStore(settings.dataset_store_url).get(arguments.dataset)
    store = PhotoStore(settings.photo_store_url)
    known, production = (
        list(dataset.photos(split=split, annotated=True))[: arguments.most]
        for split in (arguments.known, arguments.production)
    )
    inspector = Inspector(ModelBundle.load(arguments.model), threads=1, max_pixels=settings.data.max_pixels)
    _, before = produced(inspector, production, store, None)
    print(f"Recall before, in {len(production)} photos of production: {before[0.5]:.3f} (IoU 0.3: {before[0.3]:.3f})\n")
    print("| drift | re-made as | lost, estimated (95 %) | lost, true | at IoU 0.3: estimated | true |")
    print("|---|---|---|---|---|---|", flush=True)
    estimator = HarmEstimator(inspector, known, store)
    rows = []
    for name in arguments.only:
        cause, drift = DRIFTS[name]
        features, after = produced(inspector, production, store, drift)
        truth = {iou: 100 * (before[iou] - after[iou]) for iou in MATCH_IOUS}
        rows.append(Row(name, estimator.estimate(cause, features), truth[0.5], truth[0.3]))
        print(rows[-1], flush=True)
    agreement(rows)


def agreement(rows: Sequence[Row]) -> None:
    """Print how well estimates and truth agree."""
    for iou, pairs in (
        (0.5, [(row.harm.strict.lost, row.strict) for row in rows]),
        (0.3, [(row.harm.loose.lost, row.loose) for row in rows]),
    ):
        estimated, true = np.array(pairs).T
        print(
            f"\nIoU {iou}: mean absolute error {np.abs(estimated - true).mean():.2f} points, largest "
            f"{np.abs(estimated - true).max():.1f}, correlation {np.corrcoef(estimated, true)[0, 1]:.3f}."
        )


if __name__ == "__main__":
    main()

"""Fit the cause bets on synthetic photos with simulated drifts and write them where the package ships them.

``python benchmarks/drift/fit_causes.py`` writes ``src/dentwatch/monitoring/drift/causes.json``. For each cause and
level a logistic direction is fitted on half of the vehicles, against clean photos and photos with drifts of other
channels; the density of its score's rank under drift is counted on the other half, falling towards lower ranks.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measuring import CACHE, MeasuredPhotos, synthetic
from numpy.typing import NDArray
from simulation import FITTED, Drift
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from dentwatch.data.statistics import STATISTIC_NAMES
from dentwatch.monitoring.drift.causes import density_edges, pairs
from dentwatch.monitoring.drift.channels import CHANNELS
from dentwatch.monitoring.drift.ranks import ReferenceRanks

SEED, VEHICLES = 101, 600
SHIPPED = Path(__file__).resolve().parents[2] / "src/dentwatch/monitoring/drift/causes.json"

_OPTICS = (*CHANNELS["optics"], "luma_mean", "contrast")  # the light says how much noise and detail to expect
STATISTICS: dict[str, tuple[str, ...]] = {
    "dark": CHANNELS["light"],
    "overexposed": CHANNELS["light"],
    "haze": CHANNELS["light"],
    "blur": _OPTICS,
    "noisy": _OPTICS,
    "compressed": _OPTICS,
    "warm": CHANNELS["colour"],
    "cool": CHANNELS["colour"],
}
"""What each cause's score looks at; the first one says which channel the cause belongs to."""

_CHANNEL_OF = {"dark": "light", "overexposed": "light", "haze": "light", "warm": "colour", "cool": "colour"}
# Every direction takes from what the others may stake; the strengths left out are noticed as soon by these.
_LEVELS = {"haze": ("mild",), "overexposed": ("mild", "strong")}
_LEAST_DENSITY = 0.02


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=CACHE, help="where measured photos are kept")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    given = parser.parse_args()
    drifts = [drift for levels in FITTED.values() for drift in levels]
    measured = synthetic(given.cache, SEED, VEHICLES, drifts)
    document = {
        "made_by": "python benchmarks/drift/fit_causes.py",
        "photos": f"synthetic, seed {SEED}, {VEHICLES} vehicles of 2 photos",
        "edges": density_edges().tolist(),
        "directions": [_direction(measured, *entry) for entry in _levels()],
    }
    given.out.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    for entry in document["directions"]:
        print(entry["cause"], entry["level"], "density", entry["density"])


def _levels() -> Iterator[tuple[str, str, tuple[Drift, ...], tuple[str, ...]]]:
    for cause, drifts in FITTED.items():
        levels = {"mild": drifts[:1], "medium": drifts[1:2], "strong": drifts[2:]}
        for level in _LEVELS.get(cause, tuple(levels)):
            yield cause, level, levels[level], STATISTICS[cause]
    # Relit photos have lost their highlights; where the sky is far brighter than white, real ones keep them.
    yield "dark", "highlights kept", FITTED["dark"][1:], tuple(n for n in CHANNELS["light"] if n != "bright_clip")


def _direction(
    measured: MeasuredPhotos, cause: str, level: str, drifts: tuple[Drift, ...], names: tuple[str, ...]
) -> dict[str, object]:
    columns = [STATISTIC_NAMES.index(name) for name in names]
    ranks = ReferenceRanks(measured.clean[:, columns])

    def terms(figures: NDArray[np.float64]) -> NDArray[np.float64]:
        z = ranks.normal.take(ranks.places(figures[:, columns]))
        return np.concatenate([z, np.stack([z[:, a] * z[:, b] for a, b in pairs(len(names))], 1)], axis=1)

    fitted = measured.vehicles % 2 == 0
    others = [
        terms(measured.drifted[drift.name][fitted])
        for other, levels in FITTED.items()
        if _CHANNEL_OF.get(other, "optics") != _CHANNEL_OF.get(cause, "optics")
        for drift in levels
    ]
    clean, bad = terms(measured.clean[fitted]), [terms(measured.drifted[drift.name][fitted]) for drift in drifts]
    parts = [*bad, clean, *others]
    # Half the weight on drifted photos, a quarter on clean ones, the rest on drifts that have other causes.
    shares = [*[0.5 / len(bad)] * len(bad), 0.25, *[0.25 / len(others)] * len(others)]
    weights = np.repeat([share / len(part) for share, part in zip(shares, parts, strict=True)], [len(p) for p in parts])
    truth = np.repeat([1, 0], [sum(map(len, bad)), len(clean) + sum(map(len, others))])
    model = LogisticRegression(C=3.0, max_iter=2000).fit(np.concatenate(parts), truth, weights * len(truth))
    direction = model.coef_[0]
    clean_scores = terms(measured.clean[~fitted]) @ direction
    drifted = np.concatenate([terms(measured.drifted[drift.name][~fitted]) @ direction for drift in drifts])
    rounded = [float(f"{weight:.4g}") for weight in direction]
    return {
        "cause": cause,
        "level": level,
        "statistics": names,
        "linear": rounded[: len(names)],
        "products": rounded[len(names) :],
        "density": _density(clean_scores, drifted),
    }


def _density(clean: NDArray[np.float64], drifted: NDArray[np.float64]) -> list[float]:
    """The density of drifted scores' ranks among clean ones between the edges: rising, and of mean 1."""
    edges = density_edges()
    at = np.searchsorted(np.sort(clean), drifted) / len(clean)
    widths = np.diff(edges)
    raw = np.histogram(at, edges)[0] / len(at) / widths
    rising = IsotonicRegression().fit(np.arange(len(raw)), raw, widths).predict(np.arange(len(raw)))
    floored = np.maximum(rising, _LEAST_DENSITY)
    return [float(f"{value:.4g}") for value in floored / (floored @ widths)]


if __name__ == "__main__":
    main()

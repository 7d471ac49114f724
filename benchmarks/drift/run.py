"""False alarms and delays of Dentwatch's drift detector beside others: ``python benchmarks/drift/run.py``.

Streams are drawn from measured statistics of real photos (one by one) and of synthetic ones (vehicle by vehicle); the
first run measures them into ``--cache``. The table is printed, and written as JSON. ``--quick`` shows that it
works, with few streams; ``--only`` picks parts.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from environments import alarms_of, peers
from measuring import CACHE, MeasuredPhotos, real, synthetic
from numpy.typing import NDArray
from outcome import Outcome, show
from own import Effort, dentwatch
from streams import CLEAN_FIRST, Scenario, Split, drifted_figures, scenarios, splits
from windows import METHODS as WINDOW_METHODS

SEED, VEHICLES = 202, 1400
PARTS = ("photos", "cars", "vehicles", "windows", "peers")
FULL = {
    "photos": Effort(10, 10, 100_000),
    "cars": Effort(10, 10, 100_000),
    "vehicles": Effort(10, 10, 1_000_000),
    "others": Effort(10, 1, 10_000),
}
QUICK = {part: Effort(1, 2, 2_000) for part in ("photos", "cars", "vehicles")} | {"others": Effort(1, 1, 2_000)}


def main() -> None:
    """Measure and write."""
    given = _arguments()
    efforts = QUICK if given.quick else FULL
    outcomes: list[Outcome] = []
    if given.photos.is_dir():
        photos = real(given.cache, given.photos)
        if "photos" in given.only:
            outcomes.append(dentwatch("Dentwatch, photo by photo", photos, "photo", efforts["photos"]))
        if "cars" in given.only:
            outcomes.append(dentwatch("Dentwatch, car by car", photos, "vehicle", efforts["cars"]))
        outcomes += _others(photos, efforts["others"], given)
    else:
        print(f"{given.photos} is not there: nothing is measured on real photos.", file=sys.stderr)
    if "vehicles" in given.only:
        made = synthetic(given.cache, SEED, VEHICLES)
        outcomes.append(dentwatch("Dentwatch, vehicle by vehicle", made, "vehicle", efforts["vehicles"]))
    show(outcomes)
    given.out.write_text(json.dumps([outcome.document() for outcome in outcomes], indent=1) + "\n", "utf-8")
    print(f"written to {given.out}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    shared = Path(os.environ.get("DENTWATCH_SHARED", Path(__file__).resolve().parents[3] / "shared"))
    parser.add_argument("--cache", type=Path, default=CACHE, help="where measured photos and environments are kept")
    parser.add_argument(
        "--photos", type=Path, default=shared / "photos" / "bilgi", help="COCO folder with vehicle_group"
    )
    parser.add_argument("--out", type=Path, default=CACHE / "drift.json")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    return given


def _others(photos: MeasuredPhotos, effort: Effort, given: argparse.Namespace) -> list[Outcome]:
    """What windows of Kolmogorov–Smirnov tests and other libraries say, photo by photo, on the same kind of streams."""
    outcomes: dict[str, Outcome] = {}
    for number, split in enumerate(splits(photos, effort.splits)):
        streams = _whole_streams(photos, split, effort, np.random.default_rng(number))
        reference = photos.clean[split.reference]
        if "windows" in given.only:
            for name, method in WINDOW_METHODS.items():
                found = {stream: method(reference, rows) for stream, rows in streams.items()}
                outcomes.setdefault(name, Outcome(name)).add(found, effort.clean)
        if "peers" in given.only:
            file = given.cache / f"streams-{number}.npz"
            np.savez(file, reference=reference, **streams)
            for peer in peers():
                for name, found in _asked(peer, file, given.cache).items():
                    outcomes.setdefault(name, Outcome(name)).add(found, effort.clean)
    return list(outcomes.values())


def _asked(peer: Path, streams: Path, cache: Path) -> dict[str, dict[str, list[int]]]:
    try:
        return alarms_of(peer, streams, cache)
    except subprocess.CalledProcessError as error:
        told = (error.stderr or b"").splitlines()[-1:] if error.stderr else [error]
        print(f"{peer.stem} takes no part: {told}", file=sys.stderr)
        return {}


def _whole_streams(
    photos: MeasuredPhotos, split: Split, effort: Effort, rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """``clean`` and, for each scenario and repetition, 2,000 clean photos and then drifted ones, ``(T, 12)`` each."""
    streams = {"clean": photos.clean[rng.choice(split.held_out, effort.clean)]}
    for scenario in scenarios():
        for repetition in range(effort.repetitions):
            streams[f"{scenario.name}|{repetition}"] = _stream(photos, split, scenario, rng)
    return streams


def _stream(photos: MeasuredPhotos, split: Split, scenario: Scenario, rng: np.random.Generator) -> NDArray[np.float64]:
    drawn = rng.choice(split.held_out, CLEAN_FIRST + scenario.longest)
    bad = [
        drifted_figures(photos, scenario, drawn[CLEAN_FIRST + step : CLEAN_FIRST + step + 1], step, rng)
        for step in range(scenario.longest)
    ]
    return np.concatenate([photos.clean[drawn[:CLEAN_FIRST]], *bad])


if __name__ == "__main__":
    main()

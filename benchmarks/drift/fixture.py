"""Write the statistics of synthetic photos that the tests draw from: ``python benchmarks/drift/fixture.py``."""

import argparse
from pathlib import Path

import numpy as np
from measuring import CACHE, PHOTOS_PER_VEHICLE, synthetic
from run import SEED, VEHICLES

REFERENCE_VEHICLES, OTHER_VEHICLES = 250, 60
SHIPPED = Path(__file__).resolve().parents[2] / "tests/monitoring/synthetic_statistics.npz"


def main() -> None:
    """``reference`` and other vehicles ``clean`` and under each drift, float32 ``(photos, 12)``, vehicle by vehicle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=CACHE)
    measured = synthetic(parser.parse_args().cache, SEED, VEHICLES)
    first = REFERENCE_VEHICLES * PHOTOS_PER_VEHICLE
    last = first + OTHER_VEHICLES * PHOTOS_PER_VEHICLE
    others = {name or "clean": figures[first:last].astype(np.float32) for name, figures in measured.drifted.items()}
    np.savez_compressed(SHIPPED, reference=measured.clean[:first].astype(np.float32), **others)


if __name__ == "__main__":
    main()

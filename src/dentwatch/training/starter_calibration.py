"""Calibrate the starter model that ships in the package, as it is, on synthetic photos that it was not trained on.

::

    python -m dentwatch.training.starter_calibration --photos 480 --seed 7411

A starter model that is made anew (:mod:`dentwatch.training.starter`) carries the calibration of its own val photos. The
state lies in ``DENTWATCH_HOME/starter-calibration``; what is finished of it is not done again.
"""

import argparse
import sys

from dentwatch import settings as all_settings
from dentwatch.data.ingest import Ingest
from dentwatch.data.provenance import with_source
from dentwatch.data.sources import open_source
from dentwatch.data.synthetic import generate
from dentwatch.records.calibration import CalibrationCurve
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.serving.models import starter
from dentwatch.settings import DataSettings, Settings
from dentwatch.training.evaluation.calibration import calibrate
from dentwatch.training.evaluation.evaluator import evaluate_bundle
from dentwatch.training.evaluation.matching import match
from dentwatch.training.starter import SOURCE

_CARD_LINE = "- Calibration: "


def measure(settings: Settings, bundle: ModelBundle, photos: int, seed: int) -> dict[str, CalibrationCurve]:
    """The calibration of ``bundle`` on ``photos`` synthetic photos, made with ``seed`` in the home of ``settings``."""
    settings = settings.model_copy(update={"data": DataSettings(val_share=0.98, test_share=0)})
    made = settings.home / f"photos-{photos}-{seed}"
    if not (made / "annotations.json").exists():
        generate(made, photos, seed)
    store = DatasetStore(settings.dataset_store_url)
    dataset = store.latest() or Ingest(settings).run(with_source(open_source(str(made)).photos(), SOURCE)).version
    if dataset is None:
        raise RuntimeError("no photo that was just made can be used")
    stored = PhotoStore(settings.photo_store_url)
    result = evaluate_bundle(
        bundle, store.get(dataset.id), stored, "val", labels=bundle.spec.labels, resamples=0, latency=False
    )
    return calibrate(match(result.outcomes(), result.labels))


def install(bundle: ModelBundle, curves: dict[str, CalibrationCurve], command: str) -> None:
    """Write ``curves`` into the model's ``model.json``, and ``command``, which measured them, into its card."""
    ModelBundle.write_spec(bundle.folder, bundle.spec.model_copy(update={"calibration": curves}))
    lines = bundle.card_path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(_CARD_LINE)]
    bundle.card_path.write_text("\n".join([*kept, f"{_CARD_LINE}`{command}`"]) + "\n", encoding="utf-8")


def main() -> None:
    """The command line; see the module."""
    parser = argparse.ArgumentParser(prog="python -m dentwatch.training.starter_calibration", description=__doc__)
    parser.add_argument("--photos", type=int, default=480)
    parser.add_argument("--seed", type=int, default=7411)
    given = parser.parse_args()
    settings = all_settings.load()
    settings = settings.model_copy(update={"home": settings.home / "starter-calibration"})
    bundle = starter()
    curves = measure(settings, bundle, given.photos, given.seed)
    install(bundle, curves, f"{parser.prog} --photos {given.photos} --seed {given.seed}")
    print(f"Calibrated for {', '.join(curves)}: {bundle.folder}.", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()

"""Make the starter model that ships in the package: YOLOX-nano trained on synthetic photos alone.

::

    python -m dentwatch.training.starter --weights yolox_nano_coco.onnx

About 50 minutes on two cores. Its state lies in ``DENTWATCH_HOME/starter``; a call that was cut off goes on.
"""

import argparse
import shutil
import sys
from importlib import resources
from pathlib import Path

from rich.console import Console

from dentwatch import settings as all_settings
from dentwatch.data.ingest import Ingest
from dentwatch.data.provenance import with_source
from dentwatch.data.sources import open_source
from dentwatch.data.synthetic import generate
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.model_bundle import CARD_NAME, ONNX_NAME, SPEC_NAME
from dentwatch.training.run import resume, train
from dentwatch.training.run_folder import RunFolder
from dentwatch.training.run_settings import RunSettings

RUN = "starter"
SOURCE = "synthetic photos made by Dentwatch"


def make(photos: int, seed: int, minutes: float, input_size: int, weights: str) -> Path:
    """Generate, ingest and train; returns the folder of the model."""
    console = Console(stderr=True)
    settings = all_settings.load()
    settings = settings.model_copy(update={"home": settings.home / "starter"})

    def report(work: str, done: int, total: int) -> None:
        if done == total:
            console.print(f"{work}: {total:,}", highlight=False)

    made = settings.home / f"photos-{photos}-{seed}"
    if not (made / "annotations.json").exists():
        generate(made, photos, seed, on_progress=lambda done, total: report("Making photos", done, total))
    if DatasetStore(settings.dataset_store_url).latest() is None:
        Ingest(settings).run(with_source(open_source(str(made)).photos(), SOURCE))
    folder = RunFolder(settings.home / "runs" / RUN)
    if folder.record() is None:
        run = RunSettings(
            weights=weights, input_size=input_size, epochs=1000, minutes=minutes, validate_every=2, seed=seed
        )
        train(settings, run, name=RUN, progress=report, console=console)
    else:
        resume(settings, RUN, progress=report, console=console)
    return folder.path / "model"


def install(model: Path) -> Path:
    """Put the model into the package; its parameters stay behind, training starts from the ONNX file."""
    package = Path(str(resources.files("dentwatch.starter")))
    for name in (ONNX_NAME, SPEC_NAME, CARD_NAME):
        shutil.copyfile(model / name, package / name)
    return package


def main() -> None:
    """The command line; see the module."""
    parser = argparse.ArgumentParser(prog="python -m dentwatch.training.starter", description=__doc__)
    parser.add_argument("--photos", type=int, default=2400)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--input-size", type=int, default=416)
    parser.add_argument("--weights", default="none", help="none, pretrained, or the file of YOLOX-nano's COCO weights")
    given = parser.parse_args()
    package = install(make(given.photos, given.seed, given.minutes, given.input_size, given.weights))
    print(f"The starter model is in {package}.", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()

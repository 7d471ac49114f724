"""Make the starter model that ships in the package: YOLOX-nano trained on synthetic photos alone.

::

    python -m dentwatch.training.starter --weights yolox_nano_coco.onnx

About 50 minutes on two cores. Its state lies in ``DENTWATCH_HOME/starter``; a call that was cut off goes on, and one
that is finished only writes the card anew, for instance with what was measured elsewhere (``--remark``).
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
from dentwatch.records.annotations import Split
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.model_bundle import CARD_NAME, ONNX_NAME, SPEC_NAME, ModelBundle
from dentwatch.records.model_card import Figure, write_card
from dentwatch.records.photos import PhotoStore
from dentwatch.settings import Settings
from dentwatch.training.evaluation.evaluator import evaluate_bundle
from dentwatch.training.packaging import card_figures
from dentwatch.training.run import resume, train
from dentwatch.training.run_folder import RunFolder
from dentwatch.training.run_settings import RunSettings

RUN = "starter"
SOURCE = "synthetic photos made by Dentwatch"
_REPORTED: tuple[Split, ...] = ("val", "test")


def make(settings: Settings, photos: int, run: RunSettings) -> RunFolder:
    """Generate ``photos`` photos, ingest them and train; returns the finished run."""
    console = Console(stderr=True)

    def report(work: str, done: int, total: int) -> None:
        if done == total:
            console.print(f"{work}: {total:,}", highlight=False)

    made = settings.home / f"photos-{photos}-{run.seed}"
    if not (made / "annotations.json").exists():
        generate(made, photos, run.seed, on_progress=lambda done, total: report("Making photos", done, total))
    if DatasetStore(settings.dataset_store_url).latest() is None:
        Ingest(settings).run(with_source(open_source(str(made)).photos(), SOURCE))
    folder = RunFolder(settings.home / "runs" / RUN)
    record = folder.record()
    if record is None:
        train(settings, run, name=RUN, progress=report, console=console)
    elif not record.model_version:
        resume(settings, RUN, progress=report, console=console)
    return folder


def install(settings: Settings, folder: RunFolder, command: str, remarks: list[str]) -> Path:
    """Put the model and its card into the package; its parameters stay behind, training starts from the ONNX file."""
    package = Path(str(resources.files("dentwatch.starter")))
    bundle = ModelBundle.load(folder.path / "model", RUN)
    dataset = DatasetStore(settings.dataset_store_url).get(bundle.spec.dataset_version)
    photos = PhotoStore(settings.photo_store_url)
    figures: dict[str, dict[str, Figure]] = {
        split: card_figures(evaluate_bundle(bundle, dataset, photos, split, labels=bundle.spec.labels, latency=False))
        for split in _REPORTED
    }
    card = write_card(bundle.spec, evaluation=figures, data=dataset.info, command=command, remarks=remarks)
    for name in (ONNX_NAME, SPEC_NAME):
        shutil.copyfile(bundle.folder / name, package / name)
    (package / CARD_NAME).write_text(card, encoding="utf-8")
    return package


def main() -> None:
    """The command line; see the module."""
    parser = argparse.ArgumentParser(prog="python -m dentwatch.training.starter", description=__doc__)
    parser.add_argument("--photos", type=int, default=2400)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--minutes", type=float, default=42.0)
    parser.add_argument("--input-size", type=int, default=416)
    parser.add_argument("--weights", default="none", help="none, pretrained, or the file of YOLOX-nano's COCO weights")
    parser.add_argument("--remark", action="append", default=[], help="a sentence for the card; repeatable")
    given = parser.parse_args()
    settings = all_settings.load()
    settings = settings.model_copy(update={"home": settings.home / "starter"})
    run = RunSettings(
        weights=given.weights,
        input_size=given.input_size,
        epochs=1000,
        minutes=given.minutes,
        validate_every=2,
        seed=given.seed,
    )
    command = (
        f"{parser.prog} --photos {given.photos} --seed {given.seed} --minutes {given.minutes:g} "
        f"--input-size {given.input_size} --weights {Path(given.weights).name}"
    )
    package = install(settings, make(settings, given.photos, run), command, given.remark)
    print(f"The starter model is in {package}.", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()

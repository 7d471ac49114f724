"""What the data loader leaves of training speed: photos per second with it, and with batches already in memory.

Run it on a quiet machine::

    python benchmarks/training_throughput.py                     # 192 synthetic photos, which it makes itself
    python benchmarks/training_throughput.py --dataset latest    # the train photos of a dataset version
    python benchmarks/training_throughput.py --rounds 2 --steps 4 --photos 64     # a short look

Both sides take the same steps (loss, gradient, clipping, AdamW) with the same network on the same augmented samples.
They take turns, block by block, so that both meet the same state of the machine. The loader's block starts with empty
queues and nothing is prepared outside it, so the wait for the first batch of every block counts against the loader. A
real run also averages weights and logs, which costs both sides the same and would only bring them closer.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import torch

from dentwatch.data.ingest import Ingest
from dentwatch.data.sources import open_source
from dentwatch.data.synthetic import generate
from dentwatch.records.datasets import DatasetStore
from dentwatch.settings import DataSettings, Settings, load
from dentwatch.training.augmentation import Augmenter
from dentwatch.training.detection_module import as_input
from dentwatch.training.detectors import create
from dentwatch.training.photo_batches import Batch, LabelledPhotos, ShuffledPlaces, TrainingPhotos, loader
from dentwatch.training.run import labelled
from dentwatch.training.run_settings import RunSettings


class Stepper:
    """Takes training steps with a fresh network on the device that training would use."""

    def __init__(self, run: RunSettings) -> None:
        torch.manual_seed(0)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = create(run.detector, run.size, run.labels, run.input_size).to(self.device).train()
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-4)
        self.clip = run.clip

    def seconds(self, batches: Iterable[Batch]) -> float:
        """Seconds for a step on each of ``batches``, fetching included."""
        started = time.perf_counter()
        for batch in batches:
            moved = batch.to(self.device, non_blocking=True)
            loss = torch.stack(list(self.network.loss(as_input(moved.images), moved.targets).values())).sum()
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
            self.optimizer.step()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Training throughput with the loader against batches in memory.")
    parser.add_argument("--dataset", help="dataset version in DENTWATCH_HOME; default: synthetic photos made now")
    parser.add_argument("--photos", type=int, default=192, help="synthetic photos to make")
    parser.add_argument("--rounds", type=int, default=5, help="blocks of each side")
    parser.add_argument("--steps", type=int, default=12, help="steps of a block")
    parser.add_argument("--detector", default="yolo")
    parser.add_argument("--size", default=None)
    parser.add_argument("--input-size", type=int, default=416)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1, help="processes of the loader")
    options = parser.parse_args()
    run = RunSettings(
        detector=options.detector,
        size=options.size,
        input_size=options.input_size,
        batch_size=options.batch_size,
        loader_workers=options.workers,
    )
    with tempfile.TemporaryDirectory() as folder:
        photos = from_dataset(options.dataset, run) if options.dataset else synthetic(Path(folder), options.photos, run)
        measure(photos, run, options.rounds, min(options.steps, len(photos) // run.batch_size))


def synthetic(folder: Path, count: int, run: RunSettings) -> LabelledPhotos:
    """``count`` synthetic photos, ingested and cached as any others."""
    settings = Settings(home=folder / "home", data=DataSettings(val_share=0, test_share=0))
    # In this process: another one would import torch first, only to make photos.
    generate(folder / "photos", count, workers=1)
    Ingest(settings, workers=1).run(open_source(str(folder / "photos")).photos())
    return labelled(settings, DatasetStore(settings.dataset_store_url).get(), "train", run)


def from_dataset(ref: str, run: RunSettings) -> LabelledPhotos:
    """The train photos of a dataset version."""
    settings = load()
    return labelled(settings, DatasetStore(settings.dataset_store_url).get(ref), "train", run)


def measure(photos: LabelledPhotos, run: RunSettings, rounds: int, steps: int) -> None:
    """Print photos per second of both sides for every round, and the ratio."""
    if steps < 1:
        raise SystemExit(f"{len(photos)} photos do not fill a batch of {run.batch_size}; take more.")
    stepper = Stepper(run)
    training = TrainingPhotos(photos, Augmenter(run.augmentation, run.input_size), run.seed)
    order = ShuffledPlaces(steps * run.batch_size, run.batch_size, run.seed, lambda: True)
    fetched = loader(training, run.batch_size, order, run.loader_workers, stepper.device.type == "cuda")
    in_memory = list(fetched)  # starts the worker processes, too
    stepper.seconds(in_memory[:2])  # the first steps allocate
    count = steps * run.batch_size
    print(
        f"{run.detector} {stepper.network.size}, {run.input_size} px, batch {run.batch_size}, {steps} steps a block; "
        f"{run.loader_workers} loader process(es), {stepper.device.type} with {torch.get_num_threads()} threads"
    )
    ratios = []
    for number in range(rounds):
        memory = stepper.seconds(in_memory)
        loaded = stepper.seconds(fetched)
        ratios.append(memory / loaded)
        speeds = f"in memory {count / memory:6.1f} photos/s   loader {count / loaded:6.1f} photos/s"
        print(f"round {number + 1}: {speeds}   ratio {ratios[-1]:.3f}", flush=True)
    print(f"ratio of the loader to memory (median): {statistics.median(ratios):.3f}  (promised: at least 0.9)")


if __name__ == "__main__":
    main()

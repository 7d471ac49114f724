"""Is a small learned enhancer worth it? It is held against the remedies that compete for dark photos.

    DENTWATCH_HOME=… python benchmarks/loop/learned_enhancer.py --model FOLDER

Four convolutions learn to make train photos of the newest dataset version, as a drift re-makes them, look as they were
taken. What the model then finds in val photos of the same drift flatters such an enhancer: it was taught with the very
drift that it is asked to undo.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional

from dentwatch.data.decoding import decode
from dentwatch.data.enhancement import enhance
from dentwatch.data.remade_photos import RemadePhotos
from dentwatch.loop.remedy_candidates import Scene, brightened
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.model_bundle import Adaptation, Enhancement, ModelBundle
from dentwatch.records.photos import PhotoStore
from dentwatch.serving.inspection import Inspector
from dentwatch.settings import load
from dentwatch.training.evaluation.evaluator import annotated_photos, predict
from dentwatch.training.evaluation.matching import match
from dentwatch.training.evaluation.operating import OPERATING_IOU, rates

Pixels = NDArray[np.uint8]
DRIFTS = (("under-exposure", 3.0), ("under-exposure", 4.0), ("low light with its noise", 3.0))
CHANNELS, DILATIONS = 16, (1, 2, 4)
PATCH, BATCH, PHOTOS = 96, 16, 200
"""Side, pixels, and number of the patches of a step; how many photos it learns from."""
LIFTED = Enhancement(kind="exposure", amount=0.18, below=255)
MOST_PIXELS = 10**8


class Enhancer(nn.Module):
    """What to add to a photo that was lifted to an ordinary exposure, from it and from the dark one."""

    def __init__(self) -> None:
        super().__init__()
        widths = (6, *[CHANNELS] * len(DILATIONS))
        layers: list[nn.Module] = []
        for width, wider, dilation in zip(widths, widths[1:], DILATIONS, strict=False):
            layers += [nn.Conv2d(width, wider, 3, padding=dilation, dilation=dilation), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Conv2d(CHANNELS, 3, 3, padding=1))

    def forward(self, photos: Tensor) -> Tensor:
        """``photos`` ``(N, 6, H, W)`` in 0 … 1: dark, lifted; returns ``(N, 3, H, W)``."""
        return photos[:, 3:] + self.body(photos)

    def enhance(self, rgb: Pixels) -> Pixels:
        """A dark photo ``(H, W, 3)`` as the network thinks that it was."""
        with torch.no_grad():
            made = self(_seen(rgb)[None])[0].clamp(0, 1)
        return np.asarray((255 * made).round().byte().permute(1, 2, 0).numpy())


class Treated(RemadePhotos):
    """Re-made photos after a treatment."""

    def __init__(self, url: str, drift: Adaptation, treat: Callable[[Pixels], Pixels]) -> None:
        super().__init__(url, drift, MOST_PIXELS)
        self._treat = treat

    def get(self, photo_id: str) -> bytes:
        """The photo, treated."""
        buffer = io.BytesIO()
        Image.fromarray(self._treat(decode(super().get(photo_id), max_pixels=MOST_PIXELS).rgb)).save(buffer, "BMP")
        return buffer.getvalue()


def _seen(rgb: Pixels) -> Tensor:
    both = np.concatenate([rgb, enhance(rgb, LIFTED)], axis=2)
    return torch.from_numpy(both).permute(2, 0, 1).float() / 255


def learn(records: Sequence[PhotoRecord], taken: PhotoStore, drifted: PhotoStore, steps: int) -> Enhancer:
    """An enhancer that undoes the drift."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    pairs = []
    for record in records[:PHOTOS]:
        dark, light = (decode(store.get(record.photo_id), max_pixels=MOST_PIXELS).rgb for store in (drifted, taken))
        pairs.append((_seen(dark), torch.from_numpy(light.copy()).permute(2, 0, 1).float() / 255))
    network = Enhancer()
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, steps)
    for _ in range(steps):
        seen, due = zip(*(_patch(pairs[place], rng) for place in rng.integers(len(pairs), size=BATCH)), strict=True)
        optimiser.zero_grad()
        functional.l1_loss(network(torch.stack(seen)), torch.stack(due)).backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def _patch(pair: tuple[Tensor, Tensor], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    top, left = (int(rng.integers(side - PATCH + 1)) for side in pair[0].shape[1:])
    seen, due = (part[:, top : top + PATCH, left : left + PATCH] for part in pair)
    return seen, due


def found(bundle: ModelBundle, records: Sequence[PhotoRecord], photos: PhotoStore) -> tuple[float, float]:
    """Recall and precision in per cent at the operating thresholds, IoU 0.5."""
    labels = bundle.spec.labels
    outcomes = predict(Inspector(bundle, threads=2, max_pixels=MOST_PIXELS), records, photos, labels)
    figures = rates(match(outcomes, labels), bundle.spec.thresholds, OPERATING_IOU).figures
    return 100 * figures["recall"], 100 * figures["precision"]


def milliseconds(enhancer: Enhancer, side: int) -> float:
    """The time of the enhancer for a photo at the network's input size, one thread, median of ten."""
    torch.set_num_threads(1)
    rgb = np.full((side, side, 3), 20, np.uint8)
    spent = []
    for _ in range(10):
        start = time.perf_counter()
        enhancer.enhance(rgb)
        spent.append(1000 * (time.perf_counter() - start))
    torch.set_num_threads(2)
    return float(np.median(spent))


def main() -> None:
    """Measure doing nothing, the best of the remedies that are built in, and the learned enhancer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3000)
    options = parser.parse_args()
    settings, bundle = load(), ModelBundle.load(options.model)
    dataset = DatasetStore(settings.dataset_store_url).get("latest")
    train, val = (annotated_photos(dataset, split) for split in ("train", "val"))
    url = settings.photo_store_url
    taken = PhotoStore(url)
    table = Table(title=f"Recall, precision on {len(val)} val photos; %")
    for name in ("drift", "as taken", "nothing", "best of the remedies", "learned", "ms"):
        table.add_column(name)
    for way, amount in DRIFTS:
        drift = Adaptation(incident="", cause="dark", way=way, amount=amount, slice="all")
        drifted = RemadePhotos(url, drift, MOST_PIXELS)
        enhancer = learn(train, taken, drifted, options.steps)
        with tempfile.TemporaryDirectory() as scratch:
            best = max(_brightened(Scene(bundle, drift, val, taken, drifted, MOST_PIXELS), Path(scratch)))
        learnt = found(bundle, val, Treated(url, drift, enhancer.enhance))
        spent = milliseconds(enhancer, bundle.spec.preprocessing.input_size)
        cells = (found(bundle, val, taken), found(bundle, val, drifted), best[:2], learnt)
        said = [f"{recall:.1f}, {precision:.1f}" for recall, precision in cells]
        table.add_row(f"{way}, {amount:g}", *said[:2], f"{said[2]} ({best[2]})", said[3], f"{spent:.0f}")
        Console().print(table)


def _brightened(scene: Scene, scratch: Path) -> list[tuple[float, float, str]]:
    tried = []
    for number, candidate in enumerate(brightened(scene)):
        folder = scratch / str(number)
        folder.mkdir()
        tried.append((*found(candidate.make(folder), scene.records, scene.drifted), candidate.name))
    return tried


if __name__ == "__main__":
    main()

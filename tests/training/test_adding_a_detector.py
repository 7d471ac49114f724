"""The detector of docs/adding-a-detector.md trains, exports with parity, and serves, from one file."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_cars import damaged, labelled_photos

from dentwatch.data.decoding import DecodedPhoto
from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.records.model_bundle import ONNX_NAME, ModelBundle, ModelSpec, Preprocessing
from dentwatch.serving.detector import Detector as ServingDetector
from dentwatch.serving.engines.parity import BOX_TOLERANCE, SCORE_TOLERANCE
from dentwatch.training import detectors
from dentwatch.training.detection_module import as_input
from dentwatch.training.detectors.contract import Detector, Target
from dentwatch.training.export import export_onnx
from dentwatch.training.photo_batches import PlainPhotos, collate

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-detector.md"
SIDE = 96


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The example as a file of its own, which an entry point names."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    path = tmp_path_factory.mktemp("package") / "fcos_of_the_page.py"
    path.write_text(example)

    def load() -> None:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        sys.modules[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[path.stem])

    def entry_points(group: str) -> list[SimpleNamespace]:
        assert group == "dentwatch.detectors"
        return [SimpleNamespace(load=load)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detectors, "entry_points", entry_points)
        yield path
    Detector.registered.pop("fcos")
    sys.modules.pop(path.stem)


def test_the_page_s_detector_is_found_learns_exports_and_serves(module: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    detector = detectors.create("fcos", None, HEADLINE_LABELS, SIDE)
    assert type(detector).__module__ == module.stem and detector.size == "mobilenet"
    plain = PlainPhotos(labelled_photos(tmp_path / "photos", 8), SIDE)
    batch = collate([plain[place] for place in range(8)])
    optimizer = torch.optim.AdamW(detector.parameters(), lr=3 * detector.learning_rate)
    losses = []
    for _ in range(10):
        parts = detector.loss(as_input(batch.images), batch.targets)
        assert parts.keys() == {"class", "box", "centre"}
        loss = torch.stack(list(parts.values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.isfinite(losses).all() and losses[-1] < 0.8 * losses[0]

    parity = export_onnx(detector, tmp_path / ONNX_NAME, batch.images.numpy())
    assert parity["boxes"] <= BOX_TOLERANCE and parity["scores"] <= SCORE_TOLERANCE
    spec = ModelSpec(
        detector="fcos",
        size="mobilenet",
        labels=HEADLINE_LABELS,
        preprocessing=Preprocessing(input_size=SIDE),
        thresholds=dict.fromkeys(HEADLINE_LABELS, 0.5),
        created_at="2026-11-23T12:00:00+00:00",
        dentwatch_version="0.1.0",
        dataset_version="none",
    )
    serving = ServingDetector(ModelBundle.write_spec(tmp_path, spec))
    rgb, _ = damaged(0)
    (found,) = serving.detect([DecodedPhoto(rgb, rgb.shape[1], rgb.shape[0], 1.0)], min_score=1e-6)
    assert found and all(one.label in HEADLINE_LABELS for one in found)


def test_the_page_s_detector_does_not_punish_background_in_an_ignore_region(module: Path) -> None:
    torch.manual_seed(0)
    detector = detectors.create("fcos", None, HEADLINE_LABELS, SIDE)
    images = torch.rand(2, 3, SIDE, SIDE) * 255
    none, everywhere = torch.zeros(0, 4), torch.tensor([[-SIDE, -SIDE, 2.0 * SIDE, 2.0 * SIDE]])
    losses = [
        float(detector.loss(images, [Target(none, torch.zeros(0, dtype=torch.int64), ignore)] * 2)["class"].detach())
        for ignore in (none, everywhere)
    ]
    assert losses[0] > 1e-5 and losses[1] < 1e-6 * losses[0]

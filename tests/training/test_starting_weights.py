"""What a network may start from, that it then is what it started from, and that its rights are known."""

import re
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from libreyolo.models.base.model import BaseModel
from libreyolo.utils import download as libreyolo_download
from safetensors.torch import save_file
from tiny_cars import labelled_photos
from torch import nn
from torchvision.models import MobileNet_V3_Large_Weights, mobilenet_v3_large

from dentwatch.errors import DentwatchError, TrainingError
from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.records.model_bundle import (
    CARD_NAME,
    ONNX_NAME,
    WEIGHTS_NAME,
    ModelBundle,
    ModelSpec,
    Preprocessing,
    Rights,
)
from dentwatch.records.registry import Registry
from dentwatch.settings import Settings
from dentwatch.training import starting_weights
from dentwatch.training.detection_module import as_input
from dentwatch.training.detectors import create
from dentwatch.training.detectors.contract import Detector
from dentwatch.training.export import export_onnx
from dentwatch.training.photo_batches import PlainPhotos, collate
from dentwatch.training.starting_weights import calibration_photos, default_weights, start_from

SIDE = 96


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> PlainPhotos:
    return PlainPhotos(labelled_photos(tmp_path_factory.mktemp("photos"), 10), SIDE)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def _yolo(seed: int, size: str = "nano") -> Detector:
    torch.manual_seed(seed)
    return create("yolo", size, HEADLINE_LABELS, SIDE)


def _lively(plain: PlainPhotos) -> Detector:
    """A network whose batch norm has seen photos and whose scores differ from place to place."""
    network = _yolo(1).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.5
    batch = collate([plain[place] for place in range(len(plain))])
    with torch.no_grad():
        for _ in range(6):
            network.loss(as_input(batch.images), batch.targets)
        for layer in (*network.network.head.obj_preds, *network.network.head.cls_preds):  # type: ignore[union-attr]
            layer.weight.mul_(10)
            layer.bias.zero_()
    return network.eval()


@pytest.fixture(scope="module")
def bundle(plain: PlainPhotos, tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    """A model as training leaves it."""
    network, folder = _lively(plain), tmp_path_factory.mktemp("models") / "model"
    folder.mkdir()
    parity = export_onnx(network, folder / ONNX_NAME, calibration_photos(plain).numpy())
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, folder / WEIGHTS_NAME)
    (folder / CARD_NAME).write_text("# A model for the tests\n")
    spec = ModelSpec(
        detector="yolo",
        size="nano",
        labels=HEADLINE_LABELS,
        preprocessing=Preprocessing(input_size=SIDE),
        thresholds=dict.fromkeys(HEADLINE_LABELS, 0.5),
        created_at="2026-11-23T12:00:00+00:00",
        dentwatch_version="0.1.0",
        dataset_version="0123456789abcdef",
        rights=(Rights(name="photos", licence="CC0-1.0", source="drawn"), Rights(name="w", licence="Apache-2.0")),
        parity=parity,
    )
    return ModelBundle.write_spec(folder, spec)


def _without_weights(bundle: ModelBundle, folder: Path) -> Path:
    folder.mkdir()
    for path in bundle.folder.iterdir():
        if path.name != WEIGHTS_NAME:
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


def _equal(one: Detector, other: Detector) -> bool:
    return all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_none_leaves_the_network_fresh(plain: PlainPhotos, settings: Settings) -> None:
    network = _yolo(3)
    assert start_from(network, "none", settings, plain) is None
    assert _equal(network, _yolo(3))


def test_a_file_of_weights_is_copied_and_its_licence_is_not_made_up(
    bundle: ModelBundle, plain: PlainPhotos, settings: Settings
) -> None:
    network = _yolo(3)
    rights = start_from(network, str(bundle.weights_path), settings, plain)
    assert rights == Rights(name=WEIGHTS_NAME, licence="unknown", source="file given with --weights")
    assert _equal(network, _lively(plain))


def test_a_model_s_folder_gives_its_weights_and_carries_its_licences_on(
    bundle: ModelBundle, plain: PlainPhotos, settings: Settings
) -> None:
    network = _yolo(3)
    rights = start_from(network, str(bundle.folder), settings, plain)
    assert rights is not None and rights.licence == "Apache-2.0; CC0-1.0"
    assert "0123456789ab" in rights.source and str(bundle.folder) in rights.name
    assert _equal(network, _lively(plain))


def test_a_registered_version_gives_its_weights(
    bundle: ModelBundle, plain: PlainPhotos, home: Path, empty_tracking_database: Path
) -> None:
    home.mkdir()
    (home / empty_tracking_database.name).write_bytes(empty_tracking_database.read_bytes())
    settings = Settings(home=home)
    version = Registry(settings).register(bundle)
    network = _yolo(3)
    rights = start_from(network, str(version.number), settings, plain)
    assert rights is not None and rights.licence == "Apache-2.0; CC0-1.0"
    assert _equal(network, _lively(plain))


def test_a_model_without_its_parameters_starts_yolo_from_its_onnx_file(
    bundle: ModelBundle, plain: PlainPhotos, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _without_weights(bundle, tmp_path / "starter")
    monkeypatch.setattr(starting_weights, "resolve", lambda name, _settings: ModelBundle.load(folder))
    network = _yolo(3)
    rights = start_from(network, "starter", settings, plain)
    assert rights is not None and rights.name == "Dentwatch yolo nano, model starter"
    images = as_input(calibration_photos(plain))
    with torch.no_grad():
        boxes, scores = network.eval()(images)
        due_boxes, due_scores = _lively(plain)(images)
    assert float(due_scores.max() - due_scores.min()) > 0.01
    assert (scores - due_scores).abs().max() < 1e-3
    assert (boxes - due_boxes).abs().max() < 1e-2


def test_other_detectors_cannot_start_from_a_model_without_its_parameters(
    bundle: ModelBundle, plain: PlainPhotos, settings: Settings, tmp_path: Path
) -> None:
    folder = _without_weights(bundle, tmp_path / "model")
    spec = bundle.spec.model_copy(update={"detector": "retinanet", "size": "mobilenet"})
    ModelBundle.write_spec(folder, spec)
    network = create("retinanet", "mobilenet", HEADLINE_LABELS, SIDE)
    with pytest.raises(TrainingError, match="without its network's parameters"):
        start_from(network, str(folder), settings, plain)


def test_a_file_of_several_networks_is_not_taken_for_one_yolox(
    bundle: ModelBundle, plain: PlainPhotos, settings: Settings, tmp_path: Path
) -> None:
    folder = _without_weights(bundle, tmp_path / "several")
    ModelBundle.write_spec(folder, bundle.spec.model_copy(update={"members": 2}))
    lite = create("yolo-lite", None, HEADLINE_LABELS, SIDE)
    with pytest.raises(TrainingError, match="is a yolo nano, not a yolo-lite lite0"):
        start_from(lite, str(folder), settings, plain)


def test_what_does_not_fit_is_refused_and_named(
    bundle: ModelBundle, plain: PlainPhotos, settings: Settings, tmp_path: Path
) -> None:
    tiny = _yolo(3, "tiny")
    for weights in (bundle.folder, bundle.weights_path):
        with pytest.raises(TrainingError, match=re.escape(str(weights))) as caught:
            start_from(tiny, str(weights), settings, plain)
        assert caught.value.hint
    retinanet = create("retinanet", "mobilenet", HEADLINE_LABELS, SIDE)
    with pytest.raises(TrainingError, match="retinanet cannot start from them"):
        start_from(retinanet, str(bundle.onnx_path), settings, plain)
    text, damaged = tmp_path / "weights.txt", tmp_path / "weights.safetensors"
    text.write_text("no weights")
    damaged.write_text("no weights")
    for path in (text, damaged):
        with pytest.raises(TrainingError, match=re.escape(str(path))):
            start_from(_yolo(3), str(path), settings, plain)
    with pytest.raises(DentwatchError, match="nowhere"):
        start_from(_yolo(3), "nowhere", settings, plain)


def test_the_coco_file_is_known_by_name(shared: Path, plain: PlainPhotos, settings: Settings) -> None:
    rights = start_from(_yolo(3), str(shared / "weights" / "yolox_nano_coco.onnx"), settings, plain)
    assert rights is not None and rights.licence == "Apache-2.0" and "COCO" in rights.name


def test_torchvision_s_weights_are_taken_from_the_local_cache(plain: PlainPhotos, settings: Settings) -> None:
    torch.manual_seed(7)
    library = mobilenet_v3_large(weights=None).state_dict()
    url: str = MobileNet_V3_Large_Weights.DEFAULT.value.url
    checkpoints = settings.home / "cache" / "weights"
    checkpoints.mkdir(parents=True)
    torch.save(library, checkpoints / url.rpartition("/")[2])
    network = create("retinanet", "mobilenet", HEADLINE_LABELS, SIDE)
    rights = start_from(network, "pretrained", settings, plain)
    assert rights is not None and (rights.licence, rights.source) == ("BSD-3-Clause", "torchvision")
    body = "network.backbone.body."
    own = {name.removeprefix(body): value for name, value in network.state_dict().items() if name.startswith(body)}
    taken = {name: value for name, value in own.items() if torch.equal(value, library[f"features.{name}"])}
    assert len(own) > 200 and len(taken) == len(own)


def test_libreyolo_s_weights_are_taken_from_the_local_cache(plain: PlainPhotos, settings: Settings) -> None:
    cache = settings.home / "cache" / "weights"
    cache.mkdir(parents=True)
    torch.manual_seed(7)
    library = create("yolo", "nano", tuple(f"class-{number}" for number in range(80)), SIDE)
    state: dict[str, Any] = library.network.state_dict()  # type: ignore[union-attr]
    torch.save({"model": state}, cache / "LibreYOLOXn.pt")
    network = _yolo(3)
    rights = start_from(network, "pretrained", settings, plain)
    assert rights == Rights(name="YOLOX-nano trained on COCO", licence="Apache-2.0", source="LibreYOLO")
    other = [name for name, value in state.items() if not torch.equal(network.state_dict()[f"network.{name}"], value)
             if "cls_preds" not in name]  # fmt: skip
    assert other == []


@pytest.mark.parametrize("name", ["yolo", "retinanet"])
def test_weights_that_cannot_be_downloaded_are_an_error_with_a_way_out(
    name: str, plain: PlainPhotos, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = "http://127.0.0.1:9/weights"
    monkeypatch.setattr(libreyolo_download.time, "sleep", lambda _seconds: None)
    for family in BaseModel._registry:
        monkeypatch.setattr(family, "get_download_url", classmethod(lambda _family, _name: closed))
    open_url = urllib.request.urlopen
    monkeypatch.setattr("torch.hub.urlopen", lambda _request, **options: open_url(closed, **options))
    network = create(name, None, HEADLINE_LABELS, SIDE)
    with pytest.raises(TrainingError, match="could not be downloaded") as caught:
        start_from(network, "pretrained", settings, plain)
    assert "--weights" in (caught.value.hint or "")


def test_calibration_photos_are_spread_over_all(plain: PlainPhotos) -> None:
    photos = calibration_photos(plain).numpy()
    assert photos.shape == (10, SIDE, SIDE, 3)
    assert np.array_equal(photos[0], plain[0][0].rgb) and np.array_equal(photos[-1], plain[9][0].rgb)


def test_without_a_word_a_run_starts_from_the_starter_model_where_it_fits(
    bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting_weights, "starter", lambda: bundle)
    assert default_weights("yolo", None) == default_weights("yolo", "nano") == "starter"
    assert default_weights("yolo", "s") == default_weights("retinanet", None) == "none"

"""The epoch that ends a run is validated, so that the weights of the lowest learning rate have their chance."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from plain_detector import PlainDetector
from tiny_cars import labelled_photos

from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.training.fitting import fit
from dentwatch.training.run_settings import RunSettings

SIDE = 64


class Validated(Callback):
    """Notes the epochs that are validated."""

    def __init__(self) -> None:
        self.epochs: list[int] = []

    def on_validation_epoch_start(self, trainer: pl.Trainer, _module: pl.LightningModule) -> None:
        self.epochs.append(trainer.current_epoch)


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({"epochs": 3, "validate_every": 2}, [1, 2]),
        ({"epochs": 4, "validate_every": 2}, [1, 3]),
        ({"epochs": 50, "validate_every": 40, "minutes": 1e-4}, [0]),
    ],
    ids=["by epochs", "as every second", "by minutes"],
)
def test_the_epoch_that_ends_a_run_is_validated(tmp_path: Path, changes: dict[str, Any], due: list[int]) -> None:
    settings = RunSettings(
        detector="plain", input_size=SIDE, batch_size=4, precision="32", loader_workers=0, patience=0, **changes
    )
    torch.manual_seed(0)
    network, validated = PlainDetector("only", HEADLINE_LABELS, SIDE), Validated()
    photos, val = labelled_photos(tmp_path / "train", 8), labelled_photos(tmp_path / "val", 3, first=50)
    fitted = fit(network, settings, photos, val, tmp_path, callbacks=[validated])
    assert validated.epochs == due
    assert fitted.epochs == due[-1] + 1
    assert fitted.best_epoch in due

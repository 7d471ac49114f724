"""Two processes that share a batch train the network that one process trains with the whole batch."""

import csv
from pathlib import Path

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from plain_detector import PlainDetector
from tiny_cars import labelled_photos

from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.training.fitting import Fitted, fit
from dentwatch.training.run_settings import RunSettings

SIDE = 64


def _fit(folder: Path, devices: int, batch_size: int) -> tuple[Fitted, list[dict[str, float]]]:
    """Three epochs over 18 photos, two of which do not fill a batch."""
    settings = RunSettings(
        detector="plain",
        input_size=SIDE,
        epochs=3,
        batch_size=batch_size,
        devices=devices,
        precision="32",
        learning_rate=3e-3,
        ema_decay=0.9,
        loader_workers=0,
        seed=4,
    )
    torch.manual_seed(0)
    network = PlainDetector("only", HEADLINE_LABELS, SIDE)
    photos, val = labelled_photos(folder / "train", 18), labelled_photos(folder / "val", 5, first=50)
    fitted = fit(network, settings, photos, val, folder, loggers=[CSVLogger(folder, name="log", version="")])
    with (folder / "log" / "metrics.csv").open() as file:
        rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
    return fitted, rows


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Fitted, list[dict[str, float]]]]:
    folder = tmp_path_factory.mktemp("ddp")
    return [_fit(folder / "one", 1, 8), _fit(folder / "two", 2, 4)]


def _curve(rows: list[dict[str, float]], name: str) -> list[float]:
    return [row[name] for row in rows if name in row]


def test_two_processes_report_the_single_process_s_losses(both: list[tuple[Fitted, list[dict[str, float]]]]) -> None:
    (_, alone), (_, together) = both
    for name in ("train/loss", "train/class", "train/box"):
        assert len(_curve(alone, name)) == 3
        assert _curve(together, name) == pytest.approx(_curve(alone, name), rel=1e-4)
    losses = _curve(alone, "train/loss")
    assert len(set(losses)) == 3, "the network learns, so equal losses mean something"
    assert _curve(together, "schedule/rate") == _curve(alone, "schedule/rate")


def test_two_processes_end_with_the_single_process_s_weights(both: list[tuple[Fitted, list[dict[str, float]]]]) -> None:
    (alone, _), (together, _) = both
    torch.manual_seed(0)
    fresh = PlainDetector("only", HEADLINE_LABELS, SIDE).state_dict()
    for name, value in alone.network.state_dict().items():
        other = together.network.state_dict()[name]
        learnt = float((value - fresh[name]).abs().max())
        assert learnt > 1e-3
        assert float((value - other).abs().max()) < 1e-2 * learnt


def test_two_processes_judge_all_of_val(both: list[tuple[Fitted, list[dict[str, float]]]]) -> None:
    (alone, one), (together, two) = both
    assert together.figures.keys() == alone.figures.keys()
    for name in ("val/ap50", "val/ap30"):
        assert _curve(two, name) == pytest.approx(_curve(one, name), abs=1e-3)
    assert (together.epochs, together.best_epoch) == (alone.epochs, alone.best_epoch)

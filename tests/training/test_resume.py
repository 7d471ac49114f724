"""A run that is killed and started again ends with the very weights and figures of one that never was."""

import json
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from safetensors.torch import load_file
from tiny_cars import labelled_photos
from training_command import SMALL, Finished, command, dentwatch, environment

from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.records.registry import Registry
from dentwatch.settings import Settings
from dentwatch.training.detection_module import ema
from dentwatch.training.detectors import create
from dentwatch.training.detectors.contract import Detector
from dentwatch.training.fitting import BEST, LAST, Fitted, fit
from dentwatch.training.run_folder import RunFolder
from dentwatch.training.run_settings import RunSettings

pytestmark = pytest.mark.timeout(900)  # whole runs of the command line, on a machine that may be busy


def _kill_after_an_epoch(home: Path, arguments: tuple[str, ...], delay: float) -> None:
    """Start a run and kill it some time after it finished another epoch; it may no longer end before."""
    last = home / "runs" / "first" / LAST
    before = last.stat().st_mtime_ns if last.exists() else 0
    process = subprocess.Popen(
        command(*arguments), env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and (not last.exists() or last.stat().st_mtime_ns == before):
        time.sleep(0.01)
    time.sleep(delay)
    process.kill()
    _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said


def test_a_run_killed_twice_ends_as_one_that_was_not(stocked: Path, finished: Finished) -> None:
    moments = random.Random(1)
    start = ("train", "--name", "first", *SMALL, "--set", "loader_workers=1")  # with a helper, and it is all the same
    _kill_after_an_epoch(stocked, start, moments.uniform(0, 0.5))
    _kill_after_an_epoch(stocked, start, moments.uniform(0, 0.5))
    ended = dentwatch("train", "--resume", "first", "--json", home=stocked)
    assert ended.returncode == 0, ended.stderr
    whole, resumed = (home / "runs" / "first" for home in (finished.home, stocked))
    due, found = (load_file(folder / "model" / "weights.safetensors") for folder in (whole, resumed))
    assert due.keys() == found.keys() and all(torch.equal(due[name], found[name]) for name in due)
    figures = [json.loads((folder / "model" / "model.json").read_text()) for folder in (whole, resumed)]
    for model in figures:
        model["metrics"].pop("train/minutes")
    assert figures[0]["metrics"] == figures[1]["metrics"]
    assert figures[0]["thresholds"] == figures[1]["thresholds"]
    assert (whole / "model" / "model.onnx").read_bytes() == (resumed / "model" / "model.onnx").read_bytes()
    document = json.loads(ended.stdout)
    assert document["epochs"] == 4 and document["champion"] is True


def test_a_run_killed_after_it_registered_its_model_registers_no_second_one(stocked: Path) -> None:
    assert dentwatch("train", "--name", "first", *SMALL, home=stocked).returncode == 0
    folder = RunFolder(stocked / "runs" / "first")
    record = folder.record()
    assert record is not None
    for packaged in (True, False):
        folder.save(
            record.model_copy(update={"model_version": ""})
        )  # as it was when its model had just been registered
        if not packaged:  # it is packaged again then, and another moment of its making makes other files of it
            shutil.rmtree(folder.path / "report")
        again = dentwatch("train", "--resume", "first", "--json", home=stocked)
        assert again.returncode == 0, again.stderr
        assert [version.number for version in Registry(Settings(home=stocked)).versions()] == [1]
        assert folder.record() == record


class Cut(Callback):
    """Cuts a fit off in the middle of an epoch, as a kill does for what is on disk."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.current_epoch == self.epoch:
            raise EOFError


def _network(detector: str, size: str) -> Detector:
    torch.manual_seed(0)
    return create(detector, size, HEADLINE_LABELS, 64)


def _fit(folder: Path, detector: str, size: str, *callbacks: Callback, **changes: Any) -> Fitted:
    fields = {"input_size": 64, "epochs": 3, "batch_size": 2, "precision": "32", "loader_workers": 0, **changes}
    settings = RunSettings(detector=detector, size=size, **fields)
    photos, val = labelled_photos(folder / "train", 4), labelled_photos(folder / "val", 3, first=40)
    return fit(_network(detector, size), settings, photos, val, folder, callbacks=callbacks)


def _same(one: Detector, other: Detector) -> bool:
    return all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_what_a_network_draws_at_random_is_drawn_again_after_a_kill(tmp_path: Path) -> None:
    whole = _fit(tmp_path / "whole", "faster-rcnn", "mobilenet", epochs=2)
    with pytest.raises(EOFError):
        _fit(tmp_path / "cut", "faster-rcnn", "mobilenet", Cut(1), epochs=2)
    torch.rand(17)  # whatever happened in between
    resumed = _fit(tmp_path / "cut", "faster-rcnn", "mobilenet", epochs=2)
    assert _same(whole.network, resumed.network)
    assert whole.figures == resumed.figures


class Watch(Callback):
    """Follows the weights: keeps them after every step."""

    def __init__(self) -> None:
        self.steps: list[dict[str, torch.Tensor]] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.steps.append({name: value.detach().clone() for name, value in pl_module.named_parameters()})


def test_the_best_checkpoint_holds_the_moving_average_of_the_weights(tmp_path: Path) -> None:
    watch = Watch()
    fitted = _fit(tmp_path, "yolo", "nano", watch, epochs=1, ema_decay=0.8, learning_rate=0.02, warmup_epochs=0.0)
    assert fitted.best_epoch == 0
    follow = ema(0.8)
    name = "network.head.obj_preds.0.bias"
    start = _network("yolo", "nano").state_dict()[name]
    average = start
    for number, step in enumerate(watch.steps):
        average = step[f"network.{name}"] if number == 0 else follow(average, step[f"network.{name}"], number)
    checkpoint = torch.load(tmp_path / BEST, weights_only=True)
    kept = checkpoint["state_dict"][f"network.{name}"]
    assert len(watch.steps) == 2
    assert not torch.equal(kept, watch.steps[-1][f"network.{name}"]) and not torch.equal(kept, start)
    assert torch.allclose(kept, average, rtol=0, atol=2e-6)
    assert torch.equal(fitted.network.state_dict()[name], kept)


def test_a_run_without_progress_stops_early_and_is_then_done(tmp_path: Path) -> None:
    # With a rate of nearly nothing AP50 stays what it was: the first validation is the best, the next two are not.
    options = {"epochs": 9, "patience": 2, "learning_rate": 1e-12}
    fitted = _fit(tmp_path, "yolo", "nano", **options)
    assert fitted.epochs == 3 and fitted.best_epoch == 0
    before = (tmp_path / LAST).stat().st_mtime_ns
    again = _fit(tmp_path, "yolo", "nano", **options)
    assert again.epochs == 3 and (tmp_path / LAST).stat().st_mtime_ns == before
    assert _same(fitted.network, again.network)


def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = torch.save

    def dying(checkpoint: dict[str, Any], file: Any) -> None:
        if checkpoint["epoch"] == 0:
            return save(checkpoint, file)
        file.write(b"half of a checkp")
        raise EOFError

    monkeypatch.setattr(torch, "save", dying)
    with pytest.raises(EOFError):
        _fit(tmp_path, "yolo", "nano")
    assert torch.load(tmp_path / LAST, weights_only=True)["epoch"] == 0
    monkeypatch.undo()
    assert _fit(tmp_path, "yolo", "nano").epochs == 3

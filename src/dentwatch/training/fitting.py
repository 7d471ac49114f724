"""The fit itself: Lightning's trainer with what a run of Dentwatch needs around it."""

import logging
import multiprocessing
import os
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, WeightAveraging
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import DDPStrategy

from dentwatch.training.augmentation import Augmenter
from dentwatch.training.checkpoints import WholeCheckpoints
from dentwatch.training.class_balance import drawn, photo_weights
from dentwatch.training.detection_module import DetectionModule, ema
from dentwatch.training.detectors.averaged import Averaged
from dentwatch.training.detectors.contract import Detector
from dentwatch.training.photo_batches import LabelledPhotos, PlainPhotos, ShuffledPlaces, TrainingPhotos, loader
from dentwatch.training.run_settings import RunSettings
from dentwatch.training.schedule import Schedule
from dentwatch.training.teacher import Teacher

MONITOR = "val/ap50"
BEST, LAST = "best.ckpt", "last.ckpt"
_DONE = "done"  # a file beside them: the fit came to its end, by epochs, minutes or patience

# No "GPU available…", "Initializing distributed…" or tips; warnings stay. Said when this module is imported, because
# the other processes of a run begin with that.
for _chatter in ("lightning.pytorch", "lightning.fabric"):
    logging.getLogger(_chatter).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fit leaves: the averaged network of the best validation, what that found, and the time it took.

    ``best_epoch`` counts from 0; ``figures`` are those of
    :meth:`~dentwatch.training.evaluation.metrics.APResult.figures` on val, empty when there was no validation.
    """

    network: Detector
    best_epoch: int
    figures: dict[str, float]
    epochs: int
    minutes: float


class PhotoBatches(pl.LightningDataModule):
    """The loaders of a run; each process builds its own, so that each sees its share."""

    def __init__(self, train: LabelledPhotos, val: LabelledPhotos, settings: RunSettings, schedule: Schedule) -> None:
        super().__init__()
        self._train, self._val, self._settings, self._schedule = train, val, settings, schedule

    def setup(self, stage: str) -> None:  # noqa: ARG002
        """Make a process that was started for this run as quiet as the first one, and end it with that one."""
        _quieten()
        if self._settings.devices > 1:
            _end_with_the_first_process()

    def train_dataloader(self) -> Any:
        """Augmented samples in this process's share of the seeded order."""
        settings, trainer = self._settings, self.trainer
        augmenter = Augmenter(settings.augmentation, settings.input_size, settings.adapt_to, settings.enhancement)
        weights = photo_weights(self._train, settings.balance)
        places = ShuffledPlaces(
            len(self._train),
            settings.batch_size,
            settings.seed,
            self._schedule.may_mosaic,
            rank=trainer.global_rank if trainer else 0,
            world=trainer.world_size if trainer else 1,
            ordered=None if weights is None else partial(drawn, weights),
        )
        photos = TrainingPhotos(self._train, augmenter, settings.seed)
        return loader(photos, settings.batch_size, places, settings.loader_workers, torch.cuda.is_available())

    def val_dataloader(self) -> Any:
        """Photos as serving sees them; each process takes every world-th."""
        photos = PlainPhotos(self._val, self._settings.input_size)
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        share = range(rank, len(photos), world)
        return loader(photos, self._settings.batch_size, share, self._settings.loader_workers, False)


def fit(
    network: Detector,
    settings: RunSettings,
    train: LabelledPhotos,
    val: LabelledPhotos,
    folder: Path,
    *,
    teacher: Teacher | None = None,
    loggers: Sequence[Logger] = (),
    callbacks: Sequence[Callback] = (),
) -> Fitted:
    """Train ``network`` in ``folder``; a fit that was cut off there goes on from its last epoch, one that ended stays.

    The result is the moving average of the weights at the validation with the best AP50.
    """
    if (folder / _DONE).exists():
        return fitted(network, folder)
    steps = max(1, len(train) // (settings.batch_size * settings.devices))
    schedule = Schedule(settings, steps)
    module = DetectionModule(network.train(), settings, schedule, list(val.records), teacher)
    with warnings.catch_warnings():
        _quieten()
        trainer = _trainer(settings, folder, loggers, callbacks)
        photos = PhotoBatches(train, val, settings, schedule)
        try:
            trainer.fit(module, datamodule=photos, ckpt_path=_existing(folder / LAST))
        except SystemExit as end:  # Lightning's answer to Ctrl-C, which would pass for an error
            raise KeyboardInterrupt from end
    (folder / _DONE).touch()
    return fitted(network, folder)


def fitted(network: Detector, folder: Path) -> Fitted:
    """What the fit in ``folder`` left, loaded into ``network``.

    Read from the checkpoints, because the fit may have run in other processes. Without a validation the weights are
    those of the last epoch.
    """
    last = _read(folder / LAST)
    best = _read(folder / BEST) if (folder / BEST).exists() else last
    prefix = "network."
    network.load_state_dict(
        {name.removeprefix(prefix): value for name, value in best["state_dict"].items() if name.startswith(prefix)}
    )
    seconds = last["schedule"]["seconds"]
    return Fitted(network.eval(), best["epoch"], best["figures"], last["epoch"] + 1, seconds / 60)


def together(fits: Sequence[Fitted]) -> Fitted:
    """What several fits left, as one: best epoch and figures are those of the first, epochs and minutes the sums."""
    return Fitted(
        network=Averaged([one.network for one in fits]).eval(),
        best_epoch=fits[0].best_epoch,
        figures=fits[0].figures,
        epochs=sum(one.epochs for one in fits),
        minutes=sum(one.minutes for one in fits),
    )


def _trainer(
    settings: RunSettings, folder: Path, loggers: Sequence[Logger], callbacks: Sequence[Callback]
) -> pl.Trainer:
    best = ModelCheckpoint(
        folder, "best", monitor=MONITOR, mode="max", save_top_k=1, enable_version_counter=False,
        save_on_train_epoch_end=False,
    )  # fmt: skip
    last = ModelCheckpoint(
        folder, "last", save_top_k=1, enable_version_counter=False, save_on_train_epoch_end=True, every_n_epochs=1
    )
    own: list[Callback] = [WeightAveraging(avg_fn=ema(settings.ema_decay), use_buffers=True), best, last]
    if settings.patience:
        own.append(EarlyStopping(MONITOR, mode="max", patience=settings.patience))
    return pl.Trainer(
        accelerator="auto",
        devices=settings.devices,
        strategy=_strategy(settings.devices),
        precision=_precision(settings.precision),
        max_epochs=settings.epochs,
        gradient_clip_val=settings.clip,
        check_val_every_n_epoch=settings.validate_every,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        logger=list(loggers) or False,
        callbacks=[*own, *callbacks],
        plugins=[WholeCheckpoints()],
        # On a CPU there is none: each process then normalises by its own share of the batch.
        sync_batchnorm=settings.devices > 1 and torch.cuda.is_available(),
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,  # nothing is logged by the step; a larger number only makes short epochs warn
        default_root_dir=folder,
    )


def _quieten() -> None:
    """Drop warnings that a user can do nothing about."""
    # Two cores: one process prepares photos, the others compute; Lightning would like more of them.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    # Lightning walks batches with a helper of torch that torch has renamed.
    warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated.*")
    # What is logged by the epoch is gathered before, or the same in every process.
    warnings.filterwarnings("ignore", message="It is recommended to use .*sync_dist=True")
    # A run's folder holds run.json from the start, and a resumed run's its checkpoints.
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")


def _end_with_the_first_process() -> None:
    """A run that is killed must not go on in its other processes, and write beside the one that resumes it."""
    if (first := multiprocessing.parent_process()) is None:
        return

    def watch() -> None:
        first.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _read(path: Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return checkpoint


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None


def _precision(wanted: str) -> str:
    if wanted == "auto":
        if torch.cuda.is_available():
            return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
        return "bf16-mixed" if _cpu_computes_bf16() else "32-true"
    return {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}[wanted]


def _cpu_computes_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 natively; elsewhere it is emulated and slower than float32."""
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe()) if probe is not None else False


def _strategy(devices: int) -> Any:
    if devices == 1:
        return "auto"
    return DDPStrategy(
        find_unused_parameters=True,  # not every prediction layer gets a gradient on photos without damage
        process_group_backend="nccl" if torch.cuda.is_available() else "gloo",
        start_method="spawn",  # the default would run the whole command again in every process
    )

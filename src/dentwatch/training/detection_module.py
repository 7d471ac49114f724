"""The network under training, as Lightning drives it."""

import functools
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor, nn

from dentwatch.data.letterbox import letterbox_of
from dentwatch.records.annotations import Annotation, Box, PhotoRecord
from dentwatch.records.detections import Detection
from dentwatch.serving.suppression import suppress
from dentwatch.training.detectors.contract import Detector
from dentwatch.training.evaluation.metrics import average_precision
from dentwatch.training.photo_batches import Batch
from dentwatch.training.run_settings import RunSettings
from dentwatch.training.schedule import Schedule
from dentwatch.training.teacher import Teacher

_CANDIDATE_SCORE = 0.005  # below this, a candidate no longer changes the average precision that a run is steered by
_NMS_IOU = 0.5
_MAX_DETECTIONS = 100


class DetectionModule(pl.LightningModule):
    """One network, its optimiser and the figures that are logged."""

    def __init__(
        self,
        network: Detector,
        settings: RunSettings,
        schedule: Schedule,
        val_records: list[PhotoRecord],
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.teacher = teacher
        self.run_settings = settings
        self.schedule = schedule
        self._val_records = val_records
        self._answers: dict[int, list[Detection]] = {}
        self.figures: dict[str, float] = {}  # of the latest validation
        self._ends = False  # whether this epoch is the last one

    def training_step(self, batch: Batch, _batch_index: int) -> Tensor:
        """The loss of a batch."""
        images = as_input(batch.images)
        if self.teacher is None:
            parts = self.network.loss(images, batch.targets)
        else:
            said, share = self.teacher.says(images), self.run_settings.teacher_share
            parts = self.network.taught_loss(images, batch.targets, said, share)
        total = torch.stack(list(parts.values())).sum()
        figures = {f"train/{name}": value.detach() for name, value in parts.items()} | {"train/loss": total.detach()}
        self.log_dict(figures, on_step=False, on_epoch=True, batch_size=len(batch.indices), sync_dist=True)
        return total

    def on_validation_start(self) -> None:
        """A validation counts among the minutes."""
        self.schedule.begin_validation()

    def on_validation_end(self) -> None:
        """Note how long it took."""
        self.schedule.end_validation()

    def validation_step(self, batch: Batch, _batch_index: int) -> None:
        """Keep the detections of a batch."""
        boxes, scores = self.network(as_input(batch.images))
        floor = np.full(len(self.network.labels), _CANDIDATE_SCORE, np.float32)
        for index, photo_boxes, photo_scores in zip(
            batch.indices, boxes.float().cpu().numpy(), scores.float().cpu().numpy(), strict=True
        ):
            kept = suppress(photo_boxes, photo_scores, floor, _NMS_IOU, _MAX_DETECTIONS)
            record = self._val_records[index]
            placed = letterbox_of(record.width, record.height, self.network.input_size)
            self._answers[index] = [
                Detection(self.network.labels[label], float(score), Box.from_xyxy(*corners))
                for corners, score, label in zip(
                    placed.to_original(kept.boxes).tolist(), kept.scores, kept.labels, strict=True
                )
            ]

    def on_validation_epoch_end(self) -> None:
        """Log average precision on val."""
        answers = self._gathered()
        if self.trainer.sanity_checking or not answers:
            return
        records = [self._val_records[index] for index in answers]
        truth: list[tuple[Annotation, ...]] = [record.annotations for record in records]
        sizes = [(record.width, record.height) for record in records]
        self.figures = average_precision(truth, list(answers.values()), self.network.labels, sizes).figures()
        self.log_dict({f"val/{name}": value for name, value in self.figures.items()})

    def _gathered(self) -> dict[int, list[Detection]]:
        """Every process's detections, in the order of the records."""
        answers, self._answers = self._answers, {}
        if self.trainer.world_size > 1:
            shares: list[dict[int, list[Detection]]] = [{}] * self.trainer.world_size
            torch.distributed.all_gather_object(shares, answers)
            answers = functools.reduce(lambda one, other: one | other, shares)
        return dict(sorted(answers.items()))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW or SGD; norms and biases are not decayed."""
        settings = self.run_settings
        rate = settings.learning_rate or self.network.learning_rate * (settings.batch_size * settings.devices / 16)
        norms = {id(p) for m in self.modules() if isinstance(m, nn.modules.batchnorm._NormBase) for p in m.parameters()}
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.network.named_parameters():
            if parameter.requires_grad:
                plain = id(parameter) in norms or name.endswith("bias")
                decay = 0.0 if plain else settings.weight_decay
                groups.setdefault((decay, rate * self.network.rate_share(name)), []).append(parameter)
        rows = [
            {"params": parameters, "weight_decay": decay, "lr": peak, "peak": peak}
            for (decay, peak), parameters in groups.items()
        ]
        if settings.optimizer == "adamw":
            return torch.optim.AdamW(rows, lr=rate)
        return torch.optim.SGD(rows, lr=rate, momentum=0.9, nesterov=True)

    def on_train_start(self) -> None:
        """The clock of the schedule runs."""
        self.schedule.start()

    def on_train_epoch_start(self) -> None:
        """Note when the epoch began, and make what is random in the network a function of the epoch.

        Faster R-CNN draws the proposals that it learns from; a resumed run must draw the same ones.
        """
        self.schedule.begin_epoch()
        place = (self.run_settings.seed, self.current_epoch, self.global_rank)
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> 1))

    def on_train_batch_start(self, _batch: Any, _batch_index: int) -> None:
        """Set the learning rate of the step."""
        for optimizer in self.trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * self.schedule.rate()

    def on_train_batch_end(self, _outputs: Any, _batch: Any, batch_index: int) -> None:
        """One step further; the epoch that ends the run is validated, whatever ``validate_every`` says.

        It is the one with the lowest learning rate and without mosaics, and may well be the best.
        """
        self.schedule.step += 1
        if batch_index + 1 < self.trainer.num_training_batches:
            return
        used_up = self.trainer.strategy.reduce_boolean_decision(self.schedule.used_up(), all=False)
        self._ends = used_up or self.current_epoch + 1 == self.trainer.max_epochs
        if self._ends:
            self.trainer.check_val_every_n_epoch = 1

    def on_train_epoch_end(self) -> None:
        """Log where the run is; end it when its minutes are used up."""
        self.log_dict({"schedule/rate": self.schedule.rate(), "schedule/minutes": self.schedule.seconds / 60})
        self.trainer.should_stop = self.trainer.should_stop or self._ends

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep where the schedule is and what the latest validation found."""
        checkpoint["schedule"] = self.schedule.state()
        checkpoint["figures"] = self.figures

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on where the schedule was."""
        self.schedule.restore(checkpoint["schedule"])
        self.figures = checkpoint["figures"]


def as_input(images: Tensor) -> Tensor:
    """Batches ``(N, S, S, 3)`` uint8 as networks take them: ``(N, 3, S, S)`` float32, channels last in memory."""
    return images.permute(0, 3, 1, 2).float()


def ema(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """How a parameter's moving average follows it: closely at the start, then over the last tenth of the steps so far.

    After n steps the decay is the smaller of ``decay`` and (1 + n) / (10 + n), as in TensorFlow's
    ``ExponentialMovingAverage``: short runs are averaged as well as long ones.
    """
    return functools.partial(_follow, decay)  # unlike a function in a function, it travels to other processes


def _follow(decay: float, average: Tensor, current: Tensor, averaged: Tensor | int) -> Tensor:
    weight = min(decay, (1 + int(averaged)) / (10 + int(averaged)))
    return weight * average + (1 - weight) * current

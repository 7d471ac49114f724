"""A run as a person follows it: one line of progress with what is left, and one line per validation."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from dentwatch.training.detection_module import DetectionModule

_SHOWN = {"val/ap50": "AP50", "val/ap50_scratch": "scratch", "val/ap50_dent": "dent"}


class RunProgress(Callback):
    """Shows the share that is done, the loss, the best AP50 and the time left, on ``console``."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._best = float("-inf")

    def __getstate__(self) -> dict[str, Any]:
        """Leave the display behind: another process has its own."""
        return {**self.__dict__, "_bar": None, "_console": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Speak to this process's stderr."""
        self.__dict__.update(state, _console=Console(stderr=True))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the display in the first process."""
        if trainer.is_global_zero and self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
            self._bar = Progress(*columns, TextColumn("{task.fields[note]}"), console=self._console)
            self._task = self._bar.add_task("Training", total=1.0, note="")
            self._bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar."""
        if self._bar is None or not isinstance(pl_module, DetectionModule):
            return
        schedule = pl_module.schedule
        best = f" · best AP50 {self._best:.3f}" if self._best >= 0 else ""
        note = f"epoch {trainer.current_epoch + 1} · loss {float(outputs['loss']):.2f}{best} · {_left(schedule)}"
        self._bar.update(self._task, completed=schedule.progress, note=note)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say what the validation found."""
        figures = {
            title: float(trainer.callback_metrics[name])
            for name, title in _SHOWN.items()
            if name in trainer.callback_metrics
        }
        if not figures or not trainer.is_global_zero or not isinstance(pl_module, DetectionModule):
            return
        self._best = max(self._best, figures.get("AP50", self._best))
        shown = "  ".join(f"{title} {value:.3f}" for title, value in figures.items())
        self._console.print(
            f"epoch {trainer.current_epoch + 1:>3}  val {shown}  {_left(pl_module.schedule)}", highlight=False
        )

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the display."""
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Close the display, so that the error can be read."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _left(schedule: Any) -> str:
    done = schedule.progress
    if done <= 0:
        return "about to start"
    minutes = schedule.seconds / 60 * (1 - done) / done
    return f"{minutes:.0f} min left" if minutes >= 1 else f"{minutes * 60:.0f} s left"

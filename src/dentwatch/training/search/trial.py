"""One trial of a search: hyper-parameters are drawn, and judged by cross-validation fold by fold."""

import time
from collections.abc import Mapping
from statistics import fmean

import optuna
from rich.console import Console

from dentwatch.errors import TrainingError
from dentwatch.settings import Settings
from dentwatch.training.cross_validation import cross_validate
from dentwatch.training.detectors import available
from dentwatch.training.run_settings import RunSettings
from dentwatch.training.search.search_settings import SearchSettings
from dentwatch.training.search.speed import parts
from dentwatch.training.starting_weights import default_weights

RUN = "run"
"""The attribute of a trial that names its run folder."""


def draw(trial: optuna.Trial, search: SearchSettings, candidates: list[str]) -> RunSettings:
    """The settings that the trial tries."""
    trial.suggest_categorical("network", candidates)
    trial.suggest_float("learning_rate", *search.learning_rate, log=True)
    trial.suggest_float("weight_decay", *search.weight_decay, log=True)
    trial.suggest_float("mosaic", *search.mosaic)
    return settings_of(trial.params, search)


def settings_of(params: Mapping[str, object], search: SearchSettings) -> RunSettings:
    """The settings that a trial's parameters stand for."""
    detector, size, side = parts(str(params["network"]))
    multiple = float(str(params["learning_rate"]))
    changes = {
        "detector": detector,
        "size": size,
        "input_size": side,
        "weights": search.weights or default_weights(detector, size),
        "learning_rate": multiple * available()[detector].learning_rate,
        "weight_decay": float(str(params["weight_decay"])),
        "augmentation": search.base.augmentation.model_copy(update={"mosaic": float(str(params["mosaic"]))}),
    }
    return search.base.model_copy(update=changes)


class Objective:
    """Judges a trial by the mean AP50 of its labels over the folds, photos held out; to be maximised.

    After each fold the mean so far decides whether the rest is worth it. After ``deadline`` (``time.time()``) a trial
    ends with the fold it is in, and does not count.
    """

    def __init__(
        self,
        settings: Settings,
        search: SearchSettings,
        dataset: str,
        candidates: list[str],
        parent: str,
        deadline: float,
    ) -> None:
        self._settings, self._search, self._dataset = settings, search, dataset
        self._candidates, self._parent, self._deadline = candidates, parent, deadline

    def __call__(self, trial: optuna.Trial) -> float:
        """Run the trial; raises :class:`optuna.TrialPruned` where it is given up."""
        run = draw(trial, self._search, self._candidates)
        name = trial.user_attrs.get(RUN) or f"{self._search.name(self._dataset)}-{trial.number}"
        trial.set_user_attr(RUN, name)

        def judge(fold: int, folds: list[dict[str, float]]) -> None:
            trial.report(fmean(figures["ap50"] for figures in folds), fold)
            if len(folds) < self._search.folds and (trial.should_prune() or time.time() > self._deadline):
                raise optuna.TrialPruned

        result = cross_validate(
            self._settings,
            run,
            self._search.folds,
            self._dataset,
            name=name,
            console=Console(quiet=True),
            on_fold=judge,
            parent=self._parent,
        )
        trial.set_user_attr("tracking_run", result.tracking_run)
        trial.set_user_attr("figures", result.mean)
        if "ap50" not in result.mean:
            raise TrainingError("The photos show none of the labels.", "See `dentwatch data show`.")
        return result.mean["ap50"]

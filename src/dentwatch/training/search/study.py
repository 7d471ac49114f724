"""All trials of a search: kept in a file of SQLite, so that it can be cut off at any time and goes on.

::

    dentwatch search --minutes 120 --workers 2
"""

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import TrialState

from dentwatch.data.processes import deaf_to_ctrl_c, end_with_parent
from dentwatch.errors import TrainingError
from dentwatch.records import tracking
from dentwatch.records.datasets import DatasetStore
from dentwatch.settings import Settings
from dentwatch.training.hold import held
from dentwatch.training.search.search_settings import SearchSettings
from dentwatch.training.search.speed import candidates, measured, within_budget
from dentwatch.training.search.trial import RUN, Objective

_LATENCIES, _TRACKING_RUN, _CUT_OFF = "latencies_ms", "tracking_run", "cut_off"
_SEEDS_APART = 100_000  # between processes: more than there are trials
_GIVEN_UP = (TrainingError, RuntimeError, MemoryError)  # what one network may fail of, while others do not

Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial as it ended; ``ap50`` is that over all folds, None where it was given up or failed."""

    number: int
    state: str
    params: dict[str, Any]
    ap50: float | None
    figures: dict[str, float]
    tracking_run: str


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found: its trials, the best first, and how long each network takes for a photo.

    ``latencies`` are milliseconds by network and input size, ``tracking_run`` is the MLflow run that holds the trials'.
    """

    name: str
    dataset: str
    settings: SearchSettings
    trials: list[Trial]
    latencies: dict[str, float]
    tracking_run: str

    @property
    def best(self) -> Trial:
        """The best of the trials that were finished; raises :class:`TrainingError` when none was."""
        if not self.trials or self.trials[0].ap50 is None:
            raise TrainingError(
                f"No trial of {self.name} was finished.", "Give it more --minutes; it goes on where it was."
            )
        return self.trials[0]


def search(
    settings: Settings,
    wanted: SearchSettings,
    dataset: str = "latest",
    *,
    minutes: float,
    workers: int = 1,
    report: Report = lambda _what, _done, _total: None,
) -> Search:
    """Run trials for at most ``minutes`` (a fold that has begun is finished), in ``workers`` processes.

    A search that was cut off goes on: trials that were under way begin again with the fold they were in. Raises
    :class:`TrainingError` where no network can be tried (as :class:`~dentwatch.errors.RunHeldError` while another
    process is at work on it), and :class:`~dentwatch.errors.DatasetError`.
    """
    version = DatasetStore(settings.dataset_store_url).get(dataset).id
    name = wanted.name(version)
    with held(settings.home / "searches" / f"{name}.lock", f"the search {name}"):
        return _searched(settings, wanted, version, time.time() + 60 * minutes, workers, report)


def _searched(
    settings: Settings, wanted: SearchSettings, version: str, deadline: float, workers: int, report: Report
) -> Search:
    study = _study(settings, wanted, version)
    _prepare(study, settings, wanted, version)
    _take_up_again(study)
    if workers == 1:
        run_trials(settings, wanted, version, deadline, report)
    else:
        _in_processes(settings, wanted, version, deadline, workers)
    found = _found(study, wanted, version)
    tracking.open_client(settings).set_terminated(found.tracking_run, "FINISHED")
    return found


def run_trials(
    settings: Settings,
    wanted: SearchSettings,
    version: str,
    deadline: float,
    report: Report = lambda _what, _done, _total: None,
    worker: int = 0,
) -> None:
    """Run trials until there are enough or the time is up; several processes, each another ``worker``, may do so."""
    study = _study(settings, wanted, version, worker)
    allowed = within_budget(study.user_attrs[_LATENCIES], wanted.latency_ms)
    objective = Objective(settings, wanted, version, allowed, study.user_attrs[_TRACKING_RUN], deadline)
    while time.time() < deadline and _begun(study) < wanted.trials:
        study.optimize(objective, n_trials=1, catch=_GIVEN_UP)
        report("Trials", min(_begun(study), wanted.trials), wanted.trials)


def _begun(study: optuna.Study) -> int:
    """How many trials were begun; those that were cut off are begun again and count once."""
    cut_off = _cut_off(study)
    trials = study.get_trials(deepcopy=False)
    return sum(one.state is not TrialState.WAITING and one.number not in cut_off for one in trials)


def _study(settings: Settings, wanted: SearchSettings, version: str, worker: int = 0) -> optuna.Study:
    name = wanted.name(version)
    folder = settings.home / "searches"
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=f"sqlite:///{folder.absolute() / name}.db",
        study_name=name,
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )
    # One that goes on must not draw again what it drew at its beginning, nor one process what another draws.
    begun = len(study.get_trials(deepcopy=False))
    study.sampler = optuna.samplers.TPESampler(seed=wanted.seed + begun + _SEEDS_APART * worker)
    return study


def _prepare(study: optuna.Study, settings: Settings, wanted: SearchSettings, version: str) -> None:
    """Measure the networks and make the MLflow run, where that was not done before."""
    latencies = measured(
        candidates(wanted), study.user_attrs.get(_LATENCIES, {}), wanted.base.labels, settings.serving.threads
    )
    within_budget(latencies, wanted.latency_ms)
    study.set_user_attr(_LATENCIES, latencies)
    client = tracking.open_client(settings)
    if _TRACKING_RUN not in study.user_attrs:
        tags = {"dentwatch.dataset_version": version, "mlflow.note.content": "Search for a better model"}
        run = client.create_run(tracking.ensure_experiment(settings, client), run_name=study.study_name, tags=tags)
        client.log_dict(run.info.run_id, wanted.model_dump(mode="json"), "search.json")
        study.set_user_attr(_TRACKING_RUN, str(run.info.run_id))
    client.update_run(study.user_attrs[_TRACKING_RUN], status="RUNNING")


def _take_up_again(study: optuna.Study) -> None:
    """Queue the trials that a killed search was at, with their run folders: they go on with the fold they were in."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.set_user_attr(_CUT_OFF, [*_cut_off(study), trial.number])
        if RUN in trial.user_attrs:
            study.enqueue_trial(trial.params, user_attrs={RUN: trial.user_attrs[RUN]})


def _cut_off(study: optuna.Study) -> list[int]:
    """The numbers of trials that a killed search was at."""
    numbers: list[int] = study.user_attrs.get(_CUT_OFF, [])
    return numbers


def _in_processes(settings: Settings, wanted: SearchSettings, version: str, deadline: float, workers: int) -> None:
    spawning = multiprocessing.get_context("spawn")  # torch and MLflow run threads, which do not survive a fork
    processes = [
        spawning.Process(target=_work, args=(settings, wanted, version, deadline, worker, workers))
        for worker in range(workers)
    ]
    with deaf_to_ctrl_c():
        for process in processes:
            process.start()
    try:
        for process in processes:
            process.join()
    finally:  # after Ctrl-C, which they do not notice
        for process in processes:
            process.terminate()
    if all(process.exitcode for process in processes):
        raise TrainingError(
            f"All {workers} processes of the search ended with an error, which is above.",
            "Run it again with --workers 1 to see more; it goes on where it was.",
        )


def _work(settings: Settings, wanted: SearchSettings, version: str, deadline: float, worker: int, workers: int) -> None:
    """What one of several processes does: its share of the cores, its share of the trials."""
    import torch

    end_with_parent()
    torch.set_num_threads(max((os.cpu_count() or 1) // workers, 1))
    run_trials(settings, wanted, version, deadline, worker=worker)


def _found(study: optuna.Study, wanted: SearchSettings, version: str) -> Search:
    cut_off = _cut_off(study)
    trials = [
        Trial(
            number=one.number,
            state=one.state.name.lower(),
            params=one.params,
            ap50=one.value if one.state is TrialState.COMPLETE else None,
            figures=one.user_attrs.get("figures", {}),
            tracking_run=one.user_attrs.get("tracking_run", ""),
        )
        for one in study.get_trials()
        if one.state.is_finished() and one.number not in cut_off
    ]
    trials.sort(key=lambda one: (one.ap50 is None, -(one.ap50 or 0.0), one.number))
    facts = study.user_attrs
    return Search(study.study_name, version, wanted, trials, facts[_LATENCIES], facts[_TRACKING_RUN])

"""The search for a better model as a step: trials, then the winner, which has to pass the gate."""

from datetime import timedelta
from typing import Any

from dentwatch.errors import RunHeldError
from dentwatch.loop.steps import Again, Ask, Bench, Done, Step

_SOON = timedelta(minutes=1)


def search(bench: Bench, step: Step) -> Done | Again:
    """Search over the dataset version ``dataset/<id>`` (anything else: the latest) and train the winner.

    Trials run for at most ``loop.search_minutes``; one that was killed goes on where it was. While another process is
    at work on the search, the step waits. The detectors of the search are those of
    :class:`~dentwatch.training.search.search_settings.SearchSettings`. Raises
    :class:`~dentwatch.errors.TrainingError` and :class:`~dentwatch.errors.DatasetError`.
    """
    from dentwatch.training.search.search_settings import SearchSettings
    from dentwatch.training.search.study import search as run
    from dentwatch.training.search.winner import train_winner

    limits = bench.settings.loop
    kind, _, dataset = step.subject.partition("/")
    dataset = dataset if kind == "dataset" else "latest"
    try:
        found = run(bench.settings, SearchSettings(), dataset, minutes=limits.search_minutes, report=bench.report)
        number = train_winner(
            bench.settings,
            found,
            epochs=limits.retrain_epochs,
            minutes=limits.retrain_minutes,
            progress=bench.report,
            crown_first=False,
        )
    except RunHeldError as held:
        return Again(_SOON, {"why": held.message})
    result: dict[str, Any] = {
        "search": found.name,
        "dataset": found.dataset,
        "trials": len(found.trials),
        "best": {"params": found.best.params, "ap50": found.best.ap50},
        "latency_ms": found.latencies[str(found.best.params["network"])],
        "tracking_run": found.tracking_run,
        "model": number,
    }
    return Done(result, (Ask("gate", number, {"search": found.name, "dataset": found.dataset}),))

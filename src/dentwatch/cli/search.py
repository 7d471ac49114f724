"""``dentwatch search``: which network, which input size, which hyper-parameters."""

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dentwatch.cli.output import JsonOption, err, out, print_json, print_table, reporting, table
from dentwatch.cli.train import need_training

if TYPE_CHECKING:
    from dentwatch.training.search.search_settings import SearchSettings
    from dentwatch.training.search.study import Search

_SHOWN = 10


def search(
    minutes: Annotated[float, typer.Option(help="Most minutes for trials; a fold that has begun is finished.")] = 60,
    dataset: Annotated[
        str, typer.Option(help="Dataset version: latest, an id, or its first 6 letters or more.")
    ] = "latest",
    network: Annotated[
        list[str] | None, typer.Option(help="A detector with its size, as in yolo:nano; repeatable. Default: five.")
    ] = None,
    input_size: Annotated[list[int] | None, typer.Option(help="Side of the input, pixels; repeatable.")] = None,
    latency: Annotated[float | None, typer.Option(help="Most milliseconds per photo (200).")] = None,
    folds: Annotated[int | None, typer.Option(help="Parts that each trial is cross-validated on (3).")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Most trials (30).")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the photos in each fold (12).")] = None,
    weights: Annotated[str | None, typer.Option(help="What networks start from. Default: what suits each.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Trials at a time, a process each.")] = 1,
    winner: Annotated[
        bool, typer.Option("--winner/--no-winner", help="Train the best on everything but test, and register it.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Search for a better model: networks × input sizes × hyper-parameters, judged by cross-validation.

    Trials that do worse than others after a fold are given up; networks that are too slow are not tried. Everything
    is kept: the same command goes on where it was cut off. Each trial is a run in MLflow.

    Example: `dentwatch search --minutes 120 --network yolo:nano --network yolo:tiny --workers 2`
    """
    need_training()
    given = {
        "networks": network or None,
        "input_sizes": input_size or None,
        "latency_ms": latency,
        "folds": folds,
        "trials": trials,
        "weights": weights,
    }
    wanted = _wanted({name: value for name, value in given.items() if value is not None}, epochs)
    with reporting(err) as report:
        found, number = _searched(wanted, dataset, minutes, workers, winner, report)
    if as_json:
        print_json({**asdict(found), "settings": wanted.model_dump(mode="json"), "model": number})
    else:
        _show(found, number)


def _wanted(given: dict[str, Any], epochs: int | None) -> "SearchSettings":
    from pydantic import ValidationError

    from dentwatch.errors import SettingsError
    from dentwatch.training.search.search_settings import SearchSettings

    try:
        wanted = SearchSettings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(
            f"The search cannot be done: {first['loc'][0]}: {first['msg']} (got {first['input']!r}).",
            "See `dentwatch search --help`.",
        ) from error
    return wanted if epochs is None else wanted.with_epochs(epochs)


def _searched(
    wanted: "SearchSettings",
    dataset: str,
    minutes: float,
    workers: int,
    winner: bool,
    report: Callable[[str, int, int], None],
) -> "tuple[Search, str | None]":
    from dentwatch import settings
    from dentwatch.training.search.study import search as work
    from dentwatch.training.search.winner import train_winner

    loaded = settings.load()
    found = work(loaded, wanted, dataset, minutes=minutes, workers=workers, report=report)
    number = train_winner(loaded, found, progress=report, console=err) if winner else None
    return found, number


def _show(found: "Search", number: str | None) -> None:
    rows = table("Trial", "Network", "AP50", "ms", "Learning rate ×", "State", numbers=("Trial", "AP50", "ms"))
    for one in found.trials[:_SHOWN]:
        network = str(one.params.get("network", ""))
        rate = f"{one.params['learning_rate']:.2f}" if "learning_rate" in one.params else ""
        score = "" if one.ap50 is None else f"{one.ap50:.3f}"
        took = f"{found.latencies[network]:.0f}" if network in found.latencies else ""
        rows.add_row(str(one.number), network, score, took, rate, one.state)
    print_table(rows, f"{found.name}: {len(found.trials)} trials")
    if number is not None:
        out.print(f"The best is model version {number}. Next: dentwatch evaluate --model {number} --compare champion")

"""``dentwatch monitor replay``: photos of a folder through the monitors, as if they were traffic."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dentwatch.cli.output import JsonOption, err, out, print_json, progress, reporting
from dentwatch.errors import MonitoringError

if TYPE_CHECKING:
    from dentwatch.monitoring.feed import FedInspection
    from dentwatch.monitoring.reference import Reference
    from dentwatch.monitoring.replay import Notice
    from dentwatch.serving.inspection import Inspector
    from dentwatch.settings import Settings


def replay(
    photos: Annotated[
        list[str], typer.Argument(metavar="PHOTOS", help="Folders, photos or patterns; sorted by name within a folder.")
    ],
    reference: Annotated[
        str | None,
        typer.Option(
            help="What to compare with: a folder of ordinary photos, or a kept reference (.npz). "
            "Default: the champion's validation photos."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="starter, champion, a version, or a model's folder. Default: the champion, else the starter."
        ),
    ] = None,
    by_vehicle: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="Regular expression: neighbours whose file names agree in its first group are one inspection.",
        ),
    ] = None,
    one_in: Annotated[
        float | None, typer.Option(min=1000, help="Inspections to a false alarm, on average. Default: the setting.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what would have been noticed when, and in which words. Nothing is kept.

    Example: `dentwatch monitor replay new-lamps/ --reference last-month/ --by-vehicle '^([^_]+)_'`
    """
    from dentwatch import settings
    from dentwatch.monitoring.monitors import Monitors
    from dentwatch.monitoring.replay import replay as notices_of
    from dentwatch.serving.inspection import Inspector
    from dentwatch.serving.models import resolve
    from dentwatch.serving.photo_files import find_photos

    loaded = settings.load()
    vehicle_of = _pattern(by_vehicle)
    names = find_photos(photos)
    bundle = resolve(model, loaded)
    inspector = Inspector(bundle, threads=loaded.serving.threads, max_pixels=loaded.data.max_pixels)
    monitors = Monitors(
        _reference(reference, loaded, inspector, vehicle_of),
        loaded.monitoring.one_in if one_in is None else one_in,
    )
    traffic = _measured(names, inspector, vehicle_of, "Replaying")
    found = list(notices_of(traffic, monitors))
    if as_json:
        print_json({"inspections": len(traffic), "notices": [_document(one) for one in found]})
        return
    for one in found:
        out.print(f"{one.at}  {one.inspection}: {one.text}", markup=False)
    if not found:
        out.print(f"Nothing was noticed in {len(traffic)} inspections.")


def _pattern(written: str | None) -> re.Pattern[str] | None:
    if written is None:
        return None
    try:
        return re.compile(written)
    except re.error as error:
        raise typer.BadParameter(f"{written!r} is no regular expression: {error}", param_hint="--by-vehicle") from error


def _reference(
    named: str | None, settings: "Settings", inspector: "Inspector", vehicle_of: re.Pattern[str] | None
) -> "Reference":
    from dentwatch.monitoring.reference import Reference
    from dentwatch.monitoring.replay import reference_of
    from dentwatch.serving.photo_files import find_photos

    if named is None:
        try:
            with reporting(err) as report:
                return Reference.of_champion(settings, report)
        except MonitoringError as error:
            raise MonitoringError(error.message, "Name ordinary photos to compare with: --reference FOLDER.") from error
    if named.endswith(".npz"):
        return Reference.load(Path(named))
    return reference_of(_measured(find_photos([named]), inspector, vehicle_of, "Looking at the reference"), inspector)


def _measured(
    names: Sequence[str], inspector: "Inspector", vehicle_of: re.Pattern[str] | None, what: str
) -> "list[FedInspection]":
    from dentwatch.monitoring.replay import inspections

    with progress() as bar:
        return list(inspections(bar.track(names, description=what), inspector, vehicle_of))


def _document(notice: "Notice") -> dict[str, Any]:
    signal = notice.signal
    more = {} if signal is None else {"cause": signal.cause, "channel": signal.channel, "evidence": signal.evidence}
    return {"at": notice.at, "inspection": notice.inspection, "text": notice.text, **more}

"""``dentwatch data``: photos in, dataset versions out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dentwatch.cli import contradictions, inbox
from dentwatch.cli.disagreements import disagreements
from dentwatch.cli.generate import generate
from dentwatch.cli.output import JsonOption, err, out, print_json, progress

if TYPE_CHECKING:
    from dentwatch.data.ingest import Ingest
    from dentwatch.records.datasets import DatasetStore

app = typer.Typer(
    no_args_is_help=True,
    help="Take photos in, look at dataset versions, and give them out again.",
    epilog="Example: `dentwatch data ingest cars/ && dentwatch data show`",
)

MapOption = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="CLASS=LABEL", help="What a class of the source is here; `ignore` drops it."),
]
MapFileOption = Annotated[
    Path | None,
    typer.Option("--map-file", help="The same as a file: YAML lines `class: label`, or CSV with two columns."),
]
LicenceOption = Annotated[str | None, typer.Option("--licence", help="Licence of photos that state none.")]
ConsentOption = Annotated[str | None, typer.Option("--consent", help="Consent of photos that state none.")]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Processes that examine photos. Default: the setting."),
]
UpdateOption = Annotated[
    bool,
    typer.Option("--update", metavar="", help="Where a known photo comes with other annotations, take the new ones."),
]
RefArgument = Annotated[str, typer.Argument(metavar="REF", help="latest, an id, or at least its first 6 letters.")]


@app.command(
    epilog="Examples:\n\n- `dentwatch data ingest cars/`\n"
    "- `dentwatch data ingest s3://bucket/cars.zip --map 'Paint chip=dent'`\n"
    "- `dentwatch data ingest postgresql://user@host/cars --query 'SELECT photo, vehicle FROM photos'`"
)
def ingest(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A folder, a zip, an fsspec URL of either, or a database URL.")
    ],
    mapping: MapOption = None,
    map_file: MapFileOption = None,
    vehicle_field: Annotated[
        str | None, typer.Option(help="Field of the annotations that holds the vehicle id, if not a usual one.")
    ] = None,
    vehicle_pattern: Annotated[
        str | None, typer.Option(help="Regular expression for a photo's path; its group `vehicle` is the vehicle id.")
    ] = None,
    sidecar: Annotated[
        Path | None, typer.Option(help="CSV with the column name and any of vehicle, split, licence, consent, source.")
    ] = None,
    query: Annotated[str | None, typer.Option(help="SQL query, where SOURCE is a database URL.")] = None,
    licence: LicenceOption = None,
    consent: ConsentOption = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help="Annotation format, where SOURCE holds several."),
    ] = None,
    workers: WorkersOption = None,
    update: UpdateOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take photos and annotations in and make a new dataset version of them and what the latest one holds.

    Photos are stored once by their hash, checked, measured, and split by vehicle. What fails a check is set aside with
    its reason (see `dentwatch data set-aside`); nothing is dropped. It can be interrupted and run again at any time.
    """
    from dentwatch.cli.ingest_summary import print_report
    from dentwatch.data.ingest_report import IngestReport
    from dentwatch.data.provenance import with_source, without_password
    from dentwatch.data.sources import open_source

    ingestion = _ingest(mapping, map_file, workers, update)
    opened = open_source(
        source,
        format=form,
        vehicle_field=vehicle_field,
        vehicle_pattern=vehicle_pattern,
        sidecar=sidecar,
        sql_query=query,
        licence=licence,
        consent=consent,
    )
    report = IngestReport(without_password(source), opened.format)
    with progress() as bar:
        task = bar.add_task(f"Examining photos ({opened.format})", total=opened.count())
        ingestion.run(with_source(opened.photos(), source), report, lambda: bar.advance(task))
    print_json(report.as_plain()) if as_json else print_report(report)
    if not report.seen:
        err.print(f"There are no photos in {report.source}.", markup=False)
        raise typer.Exit(1)


@app.command(epilog="Example: `dentwatch data versions --json | jq -r '.versions[-1].id'`")
def versions(as_json: JsonOption = False) -> None:
    """List the dataset versions, oldest first."""
    from dentwatch.cli.dataset_tables import versions_table

    infos = _store().versions()
    if as_json:
        print_json({"versions": [info.model_dump() for info in infos]})
    elif infos:
        out.print(versions_table(infos))
    else:
        out.print("There is no dataset version yet; `dentwatch data ingest SOURCE` makes one.")


@app.command(epilog="Example: `dentwatch data show latest`")
def show(ref: RefArgument = "latest", as_json: JsonOption = False) -> None:
    """Show what a dataset version holds: splits, labels, vehicles, sources, licences, notes."""
    from dentwatch.cli.dataset_tables import print_info

    info = _store().get(ref).info
    print_json(info.model_dump()) if as_json else print_info(info)


@app.command(epilog="Example: `dentwatch data diff 51f328 latest`")
def diff(
    before: RefArgument,
    after: RefArgument = "latest",
    limit: Annotated[int, typer.Option(min=0, help="Most photos listed (--json lists all).")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show which photos and boxes one dataset version has more, fewer or otherwise than another."""
    from dentwatch.cli.dataset_tables import print_changes
    from dentwatch.data.difference import changes

    store = _store()
    old, new = store.get(before), store.get(after)
    found = changes(old, new)
    if as_json:
        print_json({"before": old.id, "after": new.id, "changes": [change.as_plain() for change in found]})
    else:
        print_changes(found, old.id, new.id, limit)


@app.command(epilog="Example: `dentwatch data export latest --format yolo --out cars-yolo`")
def export(
    ref: RefArgument,
    folder: Annotated[Path, typer.Option("--out", help="Folder to write; it must be new or empty.")],
    form: Annotated[str, typer.Option("--format", help="coco, yolo, yolo-roboflow, voc, label-studio, cvat.")] = "coco",
    as_json: JsonOption = False,
) -> None:
    """Write a dataset version as photos and annotations in a common format; ingesting it again gives the same rows."""
    from dataclasses import asdict

    from dentwatch import settings
    from dentwatch.data.formats.export import export as export_records
    from dentwatch.records.photos import PhotoStore

    version = _store().get(ref)
    with progress() as bar:
        rows = bar.track(version.photos(), total=version.info.photos, description=f"Writing {form}")
        written = export_records(rows, PhotoStore(settings.load().photo_store_url), folder, form)
    if as_json:
        print_json({"version": version.id, **asdict(written)})
    else:
        counts = f"{written.photos:,} photos and {written.annotations:,} boxes"
        out.print(f"{counts} of {version.id[:12]} are in {written.folder}.", markup=False)


@app.command("set-aside", epilog="Example: `dentwatch data set-aside --reason unknown_class`")
def set_aside(
    reason: Annotated[str | None, typer.Option(help="Only what was set aside for this reason.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Most entries listed (--json lists all).")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List what validation set aside, with the reasons; the bytes and annotations are kept."""
    from dataclasses import asdict

    from dentwatch.cli.dataset_tables import print_set_aside

    entries = (entry for entry in _store().set_aside() if reason in (None, entry.reason))
    if as_json:
        print_json({"set_aside": [asdict(entry) for entry in entries]})
    else:
        print_set_aside(entries, limit)


@app.command(epilog="Example: `dentwatch data retry --reason unknown_class --map 'Paint chip=scratch'`")
def retry(
    reason: Annotated[str | None, typer.Option(help="Only what was set aside for this reason.")] = None,
    mapping: MapOption = None,
    map_file: MapFileOption = None,
    licence: LicenceOption = None,
    consent: ConsentOption = None,
    workers: WorkersOption = None,
    update: UpdateOption = False,
    as_json: JsonOption = False,
) -> None:
    """Try again what was set aside, after mapping its classes or changing a setting."""
    from dentwatch import settings
    from dentwatch.cli.ingest_summary import print_report
    from dentwatch.data.retry import Retry

    ingestion = _ingest(mapping, map_file, workers, update)
    attempt = Retry(settings.load(), reason, licence, consent)
    total = sum(attempt.can_try(entry) for entry in _store().set_aside())
    if not total:
        err.print("Nothing that is set aside can be tried again; `dentwatch data set-aside` lists it.")
    if not total and not as_json:
        what = f"for {reason}" if reason else "at all"
        out.print(f"Nothing is set aside {what} that could be tried again.", markup=False)
        return
    with progress() as bar:
        task = bar.add_task("Trying again", total=total)
        report = attempt.run(ingestion, lambda: bar.advance(task))
    print_json(report.as_plain()) if as_json else print_report(report)


app.command(epilog="Example: `dentwatch data generate photos --count 400 --seed 7 --stops -2`")(generate)

app.command()(disagreements)
app.add_typer(inbox.app, name="inbox")
app.add_typer(contradictions.app, name="contradictions")


def _store() -> "DatasetStore":
    from dentwatch import settings
    from dentwatch.records.datasets import DatasetStore

    return DatasetStore(settings.load().dataset_store_url)


def _ingest(mapping: list[str] | None, map_file: Path | None, workers: int | None, update: bool) -> "Ingest":
    from dentwatch import settings
    from dentwatch.data.ingest import Ingest
    from dentwatch.data.label_map import LabelMap, parse_mappings

    labels = LabelMap(parse_mappings(mapping or [], map_file))
    return Ingest(settings.load(), labels, workers, update=update)

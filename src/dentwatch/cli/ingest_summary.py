"""What an ingest reports to people."""

import shlex

from rich.markup import escape
from rich.table import Table

from dentwatch.cli.output import out, print_table, table
from dentwatch.data.ingest_report import Finding, IngestReport
from dentwatch.data.validation import NOTES, REASONS
from dentwatch.records.annotations import SPLITS
from dentwatch.records.dataset_info import DatasetInfo

_SHOWN = 5


def print_report(report: IngestReport) -> None:
    """Print what the ingest saw, what it made of it, and what to do next."""
    print_table(_photos(report), f"Photos of {report.source} ({report.format})")
    if report.photos_set_aside or report.annotations_set_aside:
        print_table(_set_aside(report), "Set aside")
    if report.notes or report.ignored_classes:
        print_table(_notes(report), "Noted on accepted photos")
    if report.version is not None:
        print_table(split_table(report.version), "The dataset version")
    out.print()
    _print_findings(report)
    _print_end(report)


def split_table(info: DatasetInfo) -> Table:
    """Photos, vehicles and boxes by split and label."""
    labels = list(info.boxes_by_label)
    numbers = ("Photos", "Vehicles", *(label.replace("_", " ") for label in labels))
    rows = table("Split", *numbers, numbers=numbers)
    for split in SPLITS:
        boxes = info.boxes_by_split.get(split, {})
        counts = [
            info.photos_by_split[split],
            info.vehicles_by_split[split],
            *(boxes.get(label, 0) for label in labels),
        ]
        rows.add_row(split, *(f"{count:,}" for count in counts))
    totals = [info.photos, info.vehicles, *info.boxes_by_label.values()]
    rows.add_row("all", *(f"{count:,}" for count in totals), style="bold")
    return rows


def _photos(report: IngestReport) -> Table:
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column()
    rows.add_column(justify="right")
    rows.add_row("seen", f"{report.seen:,}")
    rows.add_row("accepted", f"{report.new + report.known:,}", style="bold")
    others = (
        ("  of these known before", report.known),
        ("  of these with new annotations or rights", report.updated),
        ("more copies of the same photo", report.duplicates),
        ("set aside", sum(report.photos_set_aside.values())),
        ("without a stated licence", report.missing_licence),
        ("without a stated consent", report.missing_consent),
    )
    for name, count in others:
        if count:
            rows.add_row(name, f"{count:,}")
    return rows


def _set_aside(report: IngestReport) -> Table:
    rows = table("Reason", "Photos", "Annotations", "What it means", numbers=("Photos", "Annotations"))
    for reason in sorted({*report.photos_set_aside, *report.annotations_set_aside}):
        counts = report.photos_set_aside[reason], report.annotations_set_aside[reason]
        meaning = REASONS.get(reason, "see `dentwatch data set-aside`")
        rows.add_row(reason, *(f"{count:,}" if count else "" for count in counts), meaning)
    return rows


def _notes(report: IngestReport) -> Table:
    rows = table("Note", "Photos", "What it means", numbers=("Photos",))
    for note, count in sorted(report.notes.items()):
        rows.add_row(note, f"{count:,}", NOTES.get(note, ""))
    for name, count in sorted(report.ignored_classes.items()):
        rows.add_row("ignored class", f"{count:,}", escape(f"annotations of {name!r} dropped, as you asked"))
    return rows


def _print_findings(report: IngestReport) -> None:
    origins = {
        "kept": "keep the split they were in",
        "stated": "keep the split that the source states",
        "look-alike": "share look-alike photos and therefore a split",
        "hash": "are split by the hash of their id",
    }
    parts = [
        f"{report.split_origins[origin]:,} {text}" for origin, text in origins.items() if report.split_origins[origin]
    ]
    if parts:
        out.print(f"Vehicles: {'; '.join(parts)}. No vehicle is in two splits.")
    _print_finding("Stated splits that could not be kept, because a vehicle is in one split", report.split_conflicts)
    _print_finding("Look-alike photos in different splits, which flatters results on val and test", report.leaks)
    _print_finding("Photos whose annotations contradict those of the same photo, set aside", report.contradictions)


def _print_finding(title: str, finding: Finding) -> None:
    if not finding.count:
        return
    out.print(f"[yellow]{title}: {finding.count:,}[/]")
    for example in finding.examples[:_SHOWN]:
        out.print(f"  {example}", markup=False)
    if finding.count > _SHOWN:
        out.print(f"  … and {finding.count - _SHOWN:,} more")


def _print_end(report: IngestReport) -> None:
    for name, count in report.unknown_classes.most_common(_SHOWN):
        command = f"dentwatch data retry --map {shlex.quote(name)}=LABEL"
        out.print(f"Class {name!r} ({count:,} boxes) has no label yet; say which: {command}", markup=False)
    if report.contradictions.count:
        out.print("To take the new annotations of photos that contradict: ingest again with --update.")
    if report.waiting_set_aside:
        out.print(f"Set aside in all: {report.waiting_set_aside:,}; `dentwatch data set-aside` lists it.")
    if report.version is None:
        out.print("No photo was accepted, so there is no dataset version yet.")
        return
    waiting = report.version.photos - report.version.annotated
    if waiting:
        out.print(f"Photos without annotations, which wait for review: {waiting:,}.")
    state = "New dataset version" if report.changed else "Nothing changed; the dataset version is still"
    out.print(f"{state} [bold]{report.version.id[:12]}[/] ({report.seconds:.1f} s).")
    out.print("Next: dentwatch train", style="dim")

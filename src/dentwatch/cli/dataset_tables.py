"""Dataset versions, their differences, and what is set aside, as tables for people."""

import json
from collections import Counter
from collections.abc import Iterable

from rich.markup import escape
from rich.table import Table

from dentwatch.cli.ingest_summary import split_table
from dentwatch.cli.output import out, print_table, table
from dentwatch.data.difference import Change
from dentwatch.data.validation import NOTES, REASONS
from dentwatch.records.dataset_info import DatasetInfo
from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.records.set_aside import SetAside

_IMBALANCED = 2  # times as many boxes of one label as of another


def versions_table(infos: list[DatasetInfo]) -> Table:
    """One line per version."""
    numbers = ("Photos", "Annotated", "Vehicles", "Boxes")
    rows = table("Version", "Created (UTC)", *numbers, "Grown from", numbers=numbers)
    for info in infos:
        counts = (info.photos, info.annotated, info.vehicles, info.boxes)
        created = info.created[:16].replace("T", " ")
        rows.add_row(info.id[:12], created, *(f"{count:,}" for count in counts), (info.parent or "")[:8])
    return rows


def print_info(info: DatasetInfo) -> None:
    """Everything about one version."""
    out.print(f"[bold]{info.id}[/]")
    grown = f", grown from {info.parent[:12]}" if info.parent else ""
    out.print(f"Made {info.created}{grown}.")
    out.print(
        f"{info.photos:,} photos of {info.vehicles:,} vehicles; {info.annotated:,} annotated"
        f" ({info.undamaged:,} of them without damage); {info.boxes:,} boxes."
    )
    print_table(split_table(info), "Splits")
    out.print()
    _print_imbalance(info)
    for title, counts in (("Sources", info.sources), ("Licences", info.licences), ("Consents", info.consents)):
        named = ", ".join(f"{name or 'not stated'} ({count:,})" for name, count in counts.items())
        out.print(f"{title}: {named}.", markup=False)
    for note, count in info.notes.items():
        out.print(f"Noted on {count:,} photos: {NOTES.get(note, note)} ({note}).", markup=False)


def _print_imbalance(info: DatasetInfo) -> None:
    """Say it where one of the labels that the product is judged by is much rarer in train than another."""
    counts = {label: info.boxes_by_split.get("train", {}).get(label, 0) for label in HEADLINE_LABELS}
    rare, common = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[common] >= _IMBALANCED * counts[rare]:
        said = f"In train there are {counts[common]:,} boxes of {common} and {counts[rare]:,} of {rare}:"
        out.print(
            f"{said} `dentwatch train --set balance=0.5` shows photos with the rarer label oftener.", markup=False
        )


def print_changes(changes: Iterable[Change], before: str, after: str, limit: int) -> None:
    """The first ``limit`` changes, and the sums."""
    kinds: Counter[str] = Counter()
    added: Counter[str] = Counter()
    removed: Counter[str] = Counter()
    fields: Counter[str] = Counter()
    for change in changes:
        kinds[change.kind] += 1
        added.update(box.label for box in change.boxes_added)
        removed.update(box.label for box in change.boxes_removed)
        fields.update(list(change.fields))
        if kinds.total() <= limit:
            out.print(_sentence(change), markup=False)
    if kinds.total() > limit:
        out.print(f"… and {kinds.total() - limit:,} more (--limit, or --json for all)")
    if not kinds:
        out.print(f"From [bold]{before[:12]}[/] to [bold]{after[:12]}[/] nothing differs.")
        return
    out.print(f"From [bold]{before[:12]}[/] to [bold]{after[:12]}[/]:")
    out.print(", ".join(f"{kinds[kind]:,} photos {kind}" for kind in ("added", "removed", "changed")) + ".")
    for title, counts in (("Boxes added", added), ("Boxes removed", removed), ("Photos with another", fields)):
        if counts:
            out.print(f"{title}: {', '.join(f'{name} {count:,}' for name, count in sorted(counts.items()))}.")


def print_set_aside(entries: Iterable[SetAside], limit: int) -> None:
    """The first ``limit`` entries, and how many there are by reason."""
    rows = table("Photo", "What", "Reason", "Detail")
    reasons: Counter[str] = Counter()
    for entry in entries:
        reasons[entry.reason] += 1
        if reasons.total() <= limit:
            boxes = len(json.loads(entry.annotations or "[]"))
            what = "photo" if entry.kind == "photo" else f"{boxes or 1} annotation{'s' * (boxes > 1)}"
            rows.add_row(escape(entry.name), what, entry.reason, escape(entry.detail))
    if not reasons:
        out.print("Nothing is set aside.")
        return
    if rows.row_count:
        print_table(rows)
    if reasons.total() > limit:
        out.print(f"… and {reasons.total() - limit:,} more (--limit, or --json for all)")
    for reason, count in reasons.most_common():
        out.print(f"{reason}: {count:,} ({REASONS.get(reason, 'see the detail')})")
    out.print("Try again with `dentwatch data retry`, after --map or a changed setting.")


def _sentence(change: Change) -> str:
    parts = [f"{name} {before!r} → {after!r}" for name, (before, after) in change.fields.items()]
    for sign, boxes in (("+", change.boxes_added), ("−", change.boxes_removed)):
        counts = Counter(box.label for box in boxes)
        parts += [f"{sign}{count} {label}" for label, count in sorted(counts.items())]
    return f"{change.kind:8} {change.photo_id[:12]} {change.name}" + (f": {', '.join(parts)}" if parts else "")

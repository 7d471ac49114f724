"""What ``dentwatch monitor`` shows people."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from dentwatch.cli.output import out, print_table, table

if TYPE_CHECKING:
    from dentwatch.monitoring.incidents import Event, Incident
    from dentwatch.monitoring.performance import Performance
    from dentwatch.monitoring.watch_state import WatchState

_COLOURS = {"noticed": "yellow", "drift": "yellow", "critical": "bold red"}


def document_of(one: Any) -> dict[str, Any]:
    """The fields of a dataclass as JSON values."""
    values = {field.name: getattr(one, field.name) for field in fields(one)}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def show_status(found: Mapping[str, Any]) -> None:
    """The answer of ``monitor status``."""
    reference = found["reference"]
    against = (
        found["problem"] or "nothing yet"
        if reference is None
        else f"{reference['photos']:,} photos of {reference['vehicles']:,} vehicles ({reference['source']}), "
        f"as {reference['model']} sees them"
    )
    behind = found["inspections_behind"]
    lines = {
        "Watching": "yes" if found["watching"] else "no: neither `dentwatch serve` nor `dentwatch monitor run` runs",
        "Compared with": against,
        "Inspections": f"{found['inspections_seen']:,} seen" + (f", {behind:,} to be seen" if behind else ""),
        "Incidents": ", ".join(f"{one['level']} {one['id'][:8]}" for one in found["incidents"]) or "none open",
        "To review": ", ".join(f"{count:,} {reason}" for reason, count in found["to_review"].items()) or "nothing",
        "Alerts": f"{found['alerts_waiting']:,} to be delivered",
    }
    if found["silences"]:
        lines["Silent"] = ", ".join(f"{one['key']} until {one['until'][:16]}" for one in found["silences"])
    rows = Table.grid(padding=(0, 2))
    for name, value in lines.items():
        rows.add_row(Text(name, "bold"), Text(value))
    out.print(rows)


def evidence_table(state: "WatchState") -> Table:
    """Slices by channels; what is nearest to an alarm first."""
    channels = list(dict.fromkeys(channel for by in state.evidence.values() for channel in by))
    rows = table("Slice", *channels, numbers=channels)
    for part, by in sorted(state.evidence.items(), key=lambda item: -max(item[1].values(), default=0)):
        rows.add_row(Text(part), *(_share(by.get(channel)) for channel in channels))
    return rows


def show_incidents(found: Sequence["Incident"]) -> None:
    """A list of incidents."""
    if not found:
        out.print("No incident is open.")
        return
    rows = table("Id", "Level", "State", "Since (UTC)", "What")
    for one in found:
        level = Text(one.level, _COLOURS[one.level])
        rows.add_row(one.id[:8], level, one.state, f"{one.since:%Y-%m-%d %H:%M}", Text(one.summary))
    print_table(rows)


def show_incident(one: "Incident", events: Sequence["Event"]) -> None:
    """One incident with its figures and its timeline."""
    out.print(Text.assemble((one.level, _COLOURS[one.level]), f", {one.state}: {one.summary}"))
    if one.harm:
        out.print(Text(str(one.harm["text"])))
    rows = table("Slice", "Statistic", "Before", "Since", "Deviations", numbers=("Before", "Since", "Deviations"))
    for key, evidence in one.evidence.items():
        for moved in evidence["moved"]:
            figures = (f"{moved[name]:.4g}" for name in ("before", "after"))
            rows.add_row(Text(key.rpartition("/")[0]), moved["statistic"], *figures, f"{moved['deviations']:+.1f}")
    print_table(rows, "What moved")
    photos = next(iter(one.evidence.values()))["photos"]
    rows = table("Inspection", "Photo", numbers=("Photo",))
    for photo in photos:
        rows.add_row(photo["inspection_id"], str(photo["position"]))
    print_table(rows, "Photos that show it")
    rows = table("At (UTC)", "Who", "What", "")
    for event in events:
        rows.add_row(f"{event.at:%Y-%m-%d %H:%M}", Text(event.actor), event.kind, Text(event.text))
    print_table(rows, "Timeline")


def performance_table(found: Sequence["Performance"]) -> Table:
    """Groups by rates, each with its interval."""
    rates = list(found[0].rates)
    names = [name.replace("_", " ") for name in rates]
    rows = table("", "Photos", *names, numbers=("Photos", *names))
    for one in found:
        figures = (
            "–" if (rate := one.rates[name]) is None else f"{rate.value:.0%} ({rate.low:.0%}–{rate.high:.0%})"
            for name in rates
        )
        rows.add_row(Text(one.group), f"{one.photos:,}", *figures)
    return rows


def _share(value: float | None) -> Text:
    if value is None:
        return Text("")
    if value >= 1:
        return Text("alarm", "bold red")
    return Text("< 0.1 %" if value < 0.001 else f"{value:.1%}")

"""What ``dentwatch kpis`` shows people."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from dentwatch.cli.output import out, print_table, table

if TYPE_CHECKING:
    from dentwatch.monitoring.kpis.report import Kpi, LoadBand, Report

_WIDE = 100  # columns from which there is room to say what a sample consists of


def show(made: "Report") -> None:
    """The report as tables, one for each group; then what there is no data for, and what would give it."""
    last = made.until - timedelta(days=1)
    only = "".join(f", {name} {value}" for name, value in (("channel", made.channel), ("model", made.model)) if value)
    title = f"KPIs from {made.since} to {last} (UTC){only}"
    known = [group for group in made.groups if any(kpi.value is not None for kpi in group.kpis)]
    for group in known:
        of_group = f"{title}: {made.by} {group.name or '(none)'}" if made.by else title
        print_table(_kpi_table([kpi for kpi in group.kpis if kpi.value is not None], made.currency), of_group)
    if made.load:
        print_table(_load_table(made.load), "What a photo costs as load grows")
    if not known:
        out.print(f"{title}: no data yet.", markup=False)
    if made.by is None:
        _show_wanting([kpi for group in made.groups for kpi in group.kpis if kpi.value is None])
    if any(kpi.note and kpi.sample_of == "verdicts" and kpi.value is not None for one in known for kpi in one.kpis):
        out.print(
            "\nRates count all verdicts. These are no random sample unless photos are reviewed as drawn: "
            "`dentwatch monitor performance` estimates without bias.",
            style="dim",
        )


def _kpi_table(kpis: Sequence["Kpi"], currency: str) -> Table:
    rows = table("KPI", "Value", "95 % interval", "Target", "Trend", "Of", numbers={"Value", "Target", "Trend"})
    for kpi in kpis:
        value, target, trend = (_amount(number, kpi.unit, currency) for number in (kpi.value, kpi.target, kpi.trend))
        ends = [_amount(end, kpi.unit, currency, bare=True) for end in (kpi.low, kpi.high)]
        colour = {True: "green", False: "bold red", None: ""}[kpi.is_met]
        bound = "≥" if kpi.higher_is_better else "≤"
        rows.add_row(
            Text(f"  {kpi.label}: {kpi.title.lower()}" if kpi.label else kpi.title),
            Text(f"{value} ✗" if kpi.is_met is False else value, colour),
            Text(" – ".join(ends) if kpi.low is not None else "", "dim"),
            Text(f"{bound} {target}" if kpi.target is not None else ""),
            Text(f"+{trend}" if kpi.trend is not None and kpi.trend > 0 else trend),
            Text(f"{kpi.sample:,} {kpi.sample_of}" if out.width >= _WIDE else f"{kpi.sample:,}", "dim"),
        )
    return rows


def _load_table(bands: Sequence["LoadBand"]) -> Table:
    names = ("Requests under way", "Photos/s", "Processor s/photo", "Memory", "Photos")
    rows = table(*names, numbers=names)
    for band in bands:
        rows.add_row(
            f"{band.in_flight:.1f}",
            f"{band.photos_per_second:.1f}",
            f"{band.cpu_seconds_per_photo:.3f}",
            _amount(band.resident_bytes, "bytes", ""),
            f"{band.photos:,}",
        )
    return rows


def _show_wanting(kpis: Sequence["Kpi"]) -> None:
    """What there is no data for, by what would give it."""
    wanting: dict[str, list[str]] = {}
    for kpi in kpis:
        title = f"{kpi.title.lower()} of {kpi.label}" if kpi.label else kpi.title.lower()
        wanting.setdefault(kpi.wanting, []).append(title)
    if wanting:
        out.print(Text("\nNo data yet, and what would give it", "bold"))
    for what, titles in wanting.items():
        named = ", ".join(titles[:3]) + (f" and {len(titles) - 3} more" if len(titles) > 3 else "")
        out.print(f"  {named}: {what}", markup=False)


def _amount(value: float | None, unit: str, currency: str, *, bare: bool = False) -> str:
    """A figure with its unit, or ``bare``; "" for none."""
    if value is None:
        return ""
    number, after = {
        "share": (f"{100 * value:.1f}", " %"),
        "ms": (f"{value:,.0f}" if abs(value) >= 10 else f"{value:.1f}", " ms"),
        "s": (f"{value:.3f}", " s"),
        "stars": (f"{value:.2f}", ""),
        "times": (f"{value:.2f}", " ×"),
        "bytes": (f"{value / 1e6:,.0f}", " MB"),
        "money": (f"{value:,.0f}", f" {currency}"),
    }[unit]
    return number if bare else number + after

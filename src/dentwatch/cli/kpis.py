"""``dentwatch kpis``: what the business steers by."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dentwatch.cli.kpi_tables import show
from dentwatch.cli.output import JsonOption, print_json

if TYPE_CHECKING:
    from dentwatch.monitoring.kpis.totals import Period


def kpis(
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="DAY", help="First day, UTC. Default: 30 days.")
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="DAY", help="Day after the last, UTC. Default: tomorrow."),
    ] = None,
    channel: Annotated[str | None, typer.Option(help="Of one channel alone.")] = None,
    model: Annotated[str | None, typer.Option(help="Of one model version alone, as in dentwatch/3.")] = None,
    by: Annotated[
        Literal["day", "channel", "model"] | None, typer.Option(help="Each day, channel or model version by itself.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print one row per figure as CSV, for spreadsheets.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the KPIs: value and 95 % interval, target, trend against the equally long period before.

    Example: `dentwatch kpis --since 2026-11-01 --by channel`
    """
    from contextlib import closing

    from dentwatch import settings
    from dentwatch.monitoring.kpis import rollups
    from dentwatch.monitoring.kpis.report import report
    from dentwatch.monitoring.kpis.totals import Scope
    from dentwatch.records.database import Database

    scope = Scope(_period(since, until), channel, model)
    loaded = settings.load()
    with closing(Database.of(loaded)) as database:
        rollups.catch_up(database)
        with database.reading() as connection:
            made = report(connection, loaded.kpis, scope, by)
    if as_json:
        print_json(made.as_document())
    elif as_csv:
        typer.echo(made.as_csv(), nl=False)
    else:
        show(made)


def _period(since: datetime | None, until: datetime | None) -> "Period":
    from dentwatch.monitoring.kpis.report import DAYS
    from dentwatch.monitoring.kpis.totals import Period

    def day(moment: datetime | None) -> date | None:
        return None if moment is None else moment.date()

    try:
        return Period.named(day(since), day(until), DAYS, datetime.now(UTC).date())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since, --until") from error

"""``dentwatch monitor alerts``: what was told to whom, and whether the receivers can be reached."""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dentwatch.cli.output import JsonOption, out, print_json, print_table, table

if TYPE_CHECKING:
    from dentwatch.monitoring.alerts.outbox import Told


def alerts(
    last: Annotated[int, typer.Option(min=1, help="Most alerts to show.")] = 20,
    test: Annotated[bool, typer.Option("--test", help="Tell every receiver now that this is a test.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the last alerts, newest first, and what became of them at each receiver."""
    from dentwatch import settings
    from dentwatch.monitoring.alerts import outbox
    from dentwatch.records.database import Database

    loaded = settings.load()
    if test:
        _test(as_json)
        return
    with closing(Database.of(loaded)) as database, database.reading() as connection:
        told = outbox.page(connection, limit=last)
    if as_json:
        print_json({"alerts": [_document(one) for one in told]})
    elif told:
        _show(told)
    else:
        out.print("There was nothing to tell yet.")


def _test(as_json: bool) -> None:
    """Tell every receiver; ends with exit code 1 where one cannot be reached."""
    from dentwatch import settings
    from dentwatch.errors import AlertError
    from dentwatch.monitoring.alerts import receivers
    from dentwatch.monitoring.alerts.alert import Alert

    loaded = settings.load()
    receivers.check(loaded)
    alert = Alert("test", "noticed", "A test of Dentwatch's alerts", "Alerts will arrive here.")
    outcomes: dict[str, str] = {}
    for receiver in receivers.of(loaded):
        try:
            receiver.tell(alert)
            outcomes[receiver.name] = "delivered"
        except AlertError as error:
            outcomes[receiver.name] = error.message
    if as_json:
        print_json({"receivers": outcomes})
    elif not outcomes:
        out.print("There are no receivers; DENTWATCH_MONITORING__ALERT_URLS names them.")
    for name, outcome in {} if as_json else outcomes.items():
        out.print(f"{name}: {outcome}", markup=False)
    raise typer.Exit(int(any(outcome != "delivered" for outcome in outcomes.values())))


def _document(told: "Told") -> dict[str, Any]:
    alert = told.alert
    return {
        "number": told.number,
        **{name: getattr(alert, name) for name in alert.__dataclass_fields__},
        "at": alert.at.isoformat(),
        "deliveries": [
            {
                "receiver": one.receiver,
                "state": one.state,
                "attempts": one.attempts,
                "next_at": None if one.next_at is None else one.next_at.isoformat(),
                "delivered_at": None if one.delivered_at is None else one.delivered_at.isoformat(),
                "reason": one.reason,
            }
            for one in told.deliveries
        ],
    }


def _show(told: "list[Told]") -> None:
    from rich.text import Text

    from dentwatch.monitoring.alerts.receivers import title_of

    rows = table("At (UTC)", "Alert", "Receiver", "State", "Attempts", "Why", numbers=("Attempts",))
    for one in told:
        what = f"{one.alert.at:%Y-%m-%d %H:%M}", Text(title_of(one.alert))
        if not one.deliveries:
            rows.add_row(*what, "", "to nobody yet", "", "")
        for delivery in one.deliveries:
            outcome = delivery.receiver, delivery.state, str(delivery.attempts), Text(delivery.reason or "")
            rows.add_row(*what, *outcome, style="red" if delivery.state == "given up" else None)
    print_table(rows, "Alerts")

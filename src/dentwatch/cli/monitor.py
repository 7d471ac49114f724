"""``dentwatch monitor``: drift, incidents, photos to review, and the process that watches."""

import os
import re
import sys
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from dentwatch.cli.actor import ActorOption, actor_of
from dentwatch.cli.monitor_alerts import alerts
from dentwatch.cli.monitor_replay import replay
from dentwatch.cli.monitor_tables import (
    document_of,
    evidence_table,
    performance_table,
    show_incident,
    show_incidents,
    show_status,
)
from dentwatch.cli.output import JsonOption, err, out, print_json, print_table, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection


app = typer.Typer(
    no_args_is_help=True,
    help="Watch for drift, and see what it is, how bad it is, and what to review.",
    epilog="Example: `dentwatch monitor status && dentwatch monitor incidents`",
)
app.command("replay")(replay)
app.command("alerts", epilog="Example: `dentwatch monitor alerts --test`")(alerts)


_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@app.command(epilog="Example: `dentwatch monitor status --json | jq .incidents`")
def status(as_json: JsonOption = False) -> None:
    """Say whether drift is watched for, against what, and what is open."""
    from dentwatch.monitoring import feed, incidents, lease, review_plan, watch_state
    from dentwatch.monitoring.alerts import outbox, silences
    from dentwatch.monitoring.follower import LEASE

    with _reading() as connection:
        state = watch_state.read(connection)
        found = {
            "watching": lease.holder_of(connection, LEASE, datetime.now(UTC)) is not None,
            "problem": state.problem,
            "reference": state.reference,
            "inspections_seen": state.updates,
            "inspections_behind": feed.count_unseen(connection),
            "incidents": [one.as_document() for one in incidents.open_incidents(connection)],
            "to_review": review_plan.count_open(connection),
            "alerts_waiting": outbox.count_waiting(connection),
            "silences": [document_of(one) for one in silences.in_force(connection)],
        }
    if as_json:
        print_json(found)
    else:
        show_status(found)


@app.command(epilog="Example: `dentwatch monitor drift`")
def drift(as_json: JsonOption = False) -> None:
    """Show the evidence of drift in every slice and channel; 100 % raises an alarm."""
    from dentwatch.monitoring import watch_state

    with _reading() as connection:
        state = watch_state.read(connection)
    if as_json:
        print_json({"updates": state.updates, "reference": state.reference, "evidence": state.evidence})
    elif state.evidence:
        out.print(evidence_table(state))
    else:
        out.print(state.problem or "Nothing was compared yet; `dentwatch serve` or `dentwatch monitor run` does it.")


@app.command(epilog="Example: `dentwatch monitor incidents 8d0f2c11 --resolve 'The lamp was replaced.'`")
def incidents(
    incident: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One of them, with its timeline: 8 letters or more.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that are resolved, too.")] = False,
    acknowledge: Annotated[str | None, typer.Option(metavar="TEXT", help="Take it on, with a word about it.")] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Put a note on its timeline.")] = None,
    resolve: Annotated[str | None, typer.Option(metavar="WHY", help="Say that it is over, and why.")] = None,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the open incidents, newest first; or show one, and say what was done about it."""
    from dentwatch.monitoring import incidents as kept

    said = {"acknowledge": acknowledge, "note": note, "resolve": resolve}
    if incident is None:
        if any(said.values()):
            raise typer.BadParameter("name the incident", param_hint="ID")
        with _reading() as connection:
            found = kept.page(connection) if every else kept.open_incidents(connection)
        if as_json:
            print_json({"incidents": [one.as_document() for one in found]})
        else:
            show_incidents(found)
        return
    for action, words in said.items():
        if words:
            _act(incident, action, words, actor_of(actor))
    with _reading() as connection:
        one = kept.existing(connection, incident)
        events = kept.timeline(connection, one.id)
    if as_json:
        print_json({**one.as_document(), "timeline": [document_of(event) for event in events]})
    else:
        show_incident(one, events)


@app.command(epilog="Example: `dentwatch monitor review --limit 10`")
def review(
    limit: Annotated[int, typer.Option(min=1, help="Most photos to list.")] = 20,
    done: Annotated[int | None, typer.Option(min=1, metavar="NUMBER", help="Say that this photo was reviewed.")] = None,
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the photos that people should review, those that matter most first."""
    from dentwatch.monitoring import review_plan
    from dentwatch.records import audit

    if done is not None:
        with _writing() as connection:
            who = actor_of(actor)
            item = review_plan.mark_reviewed(connection, done, who)
            audit.append(connection, who, "review.done", item.inspection_id, {"position": item.position})
    with _reading() as connection:
        found = review_plan.open_items(connection, limit)
        counted = review_plan.count_open(connection)
    if as_json:
        print_json({"waiting": counted, "reviews": [one.as_document() for one in found]})
        return
    if not found:
        out.print("No photo waits to be reviewed.")
        return
    rows = table("Number", "Inspection", "Photo", "Reason", "Probability", numbers=("Number", "Photo", "Probability"))
    for one in found:
        rows.add_row(str(one.number), one.inspection_id, str(one.position), one.reason, f"{one.probability:.3g}")
    print_table(rows, f"{sum(counted.values())} photos wait to be reviewed")


@app.command(epilog="Example: `dentwatch monitor performance --by channel`")
def performance(
    by: Annotated[str, typer.Option(help="all, day, channel, hour or model.")] = "all",
    days: Annotated[int | None, typer.Option(min=1, help="Only inspections of the last days.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Estimate precision, recall and their like from verdicts on reviewed photos, with 95 % intervals."""
    from dentwatch.monitoring import performance as measured

    if by not in measured.GROUPINGS:
        raise typer.BadParameter(f"one of {', '.join(measured.GROUPINGS)}", param_hint="--by")
    since = None if days is None else datetime.now(UTC) - timedelta(days=days)
    with _reading() as connection:
        found = measured.measure(connection, by, since)
    if as_json:
        print_json({"by": by, "groups": [one.as_document() for one in found]})
    elif found:
        out.print(performance_table(found))
    else:
        out.print("No photo was reviewed yet; `dentwatch monitor review` lists those that wait.")


@app.command(epilog="Example: `dentwatch monitor silence all --for 2h --why 'new lamps are being hung'`")
def silence(
    key: Annotated[str, typer.Argument(metavar="KEY", help="An incident's id, an alert's key, or all.")],
    length: Annotated[str, typer.Option("--for", metavar="TIME", help="As in 30m, 2h or 1d; 0m ends a silence.")],
    why: Annotated[str, typer.Option(help="The reason, for the others.")],
    actor: ActorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold alerts back for a while; what is over by then is not told."""
    from dentwatch.monitoring import incident_alerts
    from dentwatch.monitoring import incidents as kept
    from dentwatch.monitoring.alerts import silences
    from dentwatch.records import audit

    duration, who = _duration(length), actor_of(actor)
    with _writing() as connection:
        one = kept.find(connection, key)
        named = key if one is None else incident_alerts.key_of(one)
        made = silences.silence(connection, named, duration, actor=who, why=why)
        audit.append(connection, who, "alerts.silence", named, {"until": made.until.isoformat(), "why": why})
    if as_json:
        print_json(document_of(made))
    else:
        out.print(f"Alerts of {made.key} wait until {made.until:%Y-%m-%d %H:%M} UTC.", markup=False)


@app.command(epilog="Example: `dentwatch monitor run`")
def run(
    model: Annotated[
        str | None,
        typer.Option(
            help="starter, champion, a version, or a model's folder. Default: the champion, else the starter."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="At the start, print model and process id as JSON on stdout.")
    ] = False,
) -> None:
    """Watch for drift until told to stop (SIGTERM or Ctrl-C); `dentwatch serve` does so beside its workers."""
    from dentwatch import settings
    from dentwatch.cli.serve import log_to_stderr
    from dentwatch.monitoring.alerts import receivers
    from dentwatch.monitoring.watcher import watch
    from dentwatch.serving.models import resolve

    loaded = settings.load()
    bundle = resolve(model, loaded)  # what cannot be had is said here, once
    receivers.check(loaded)
    log_to_stderr()

    def announce() -> None:
        err.print(f"Watching what {bundle.name} answers (Ctrl-C stops)", markup=False, soft_wrap=True)
        if as_json:
            print_json({"model": bundle.name, "pid": os.getpid()})
            sys.stdout.flush()

    watch(loaded, model, announce)


@contextmanager
def _reading() -> "Iterator[Connection]":
    from dentwatch import settings
    from dentwatch.records.database import Database

    with closing(Database.of(settings.load())) as database, database.reading() as connection:
        yield connection


@contextmanager
def _writing() -> "Iterator[Connection]":
    from dentwatch import settings
    from dentwatch.records.database import Database

    with closing(Database.of(settings.load())) as database, database.writing() as connection:
        yield connection


def _act(incident: str, action: str, words: str, actor: str) -> None:
    from dentwatch.monitoring import incident_alerts
    from dentwatch.monitoring import incidents as kept
    from dentwatch.monitoring.alerts import outbox
    from dentwatch.records import audit

    with _writing() as connection:
        one = kept.existing(connection, incident)
        if action == "acknowledge":
            kept.acknowledge(connection, one.id, actor, words)
            outbox.stop_repeating(connection, incident_alerts.key_of(one))
        elif action == "note":
            kept.add_note(connection, one.id, actor, words)
        else:
            incident_alerts.tell(connection, kept.resolve(connection, one.id, actor, words))
        audit.append(connection, actor, f"incident.{action}", one.id, {})


def _duration(written: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,4})([mhd])", written)
    if found is None:
        raise typer.BadParameter(f"{written!r} is not like 30m, 2h or 1d", param_hint="--for")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})

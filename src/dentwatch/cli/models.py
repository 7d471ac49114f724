"""``dentwatch models``: what is registered, and which version serves."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dentwatch.cli.actor import ActorOption, actor_of
from dentwatch.cli.output import JsonOption, err, out, print_json, table

if TYPE_CHECKING:
    from dentwatch.records.model_bundle import ModelBundle
    from dentwatch.records.model_versions import ModelVersion
    from dentwatch.records.promotions import Promotion
    from dentwatch.records.registry import Registry
    from dentwatch.records.rollouts import Decision

app = typer.Typer(
    no_args_is_help=True,
    help="List, show, promote and roll back model versions.",
    epilog="Example: `dentwatch models list && dentwatch models show champion`",
)

RefArgument = Annotated[
    str, typer.Argument(metavar="REF", help="A number, champion, challenger, latest, or the start of an id.")
]
AnyModelArgument = Annotated[
    str, typer.Argument(metavar="REF", help="As for `models show`; also `starter` or a model's folder.")
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it is kept with the change.")]


@app.command("list", epilog="Example: `dentwatch models list --json | jq '.versions[].version'`")
def list_versions(as_json: JsonOption = False) -> None:
    """List the model versions, oldest first, with what each is and how well it does."""
    registry = _registry()
    versions, unusable = registry.versions(), registry.unusable()
    if as_json:
        documents = [version.as_document() for version in versions]
        print_json({"versions": documents, "unusable": unusable})
        return
    if versions:
        out.print(_table(versions))
    else:
        out.print("No model is registered yet; `dentwatch train` trains and registers one.", highlight=False)
        out.print("Until then the starter model of the package answers.")
    if unusable:
        numbers = ", ".join(str(number) for number in unusable)
        err.print(f"Not usable, because registered by other means: version {numbers}.")


@app.command(epilog="Example: `dentwatch models show champion`")
def show(ref: RefArgument, as_json: JsonOption = False) -> None:
    """Show where a model version comes from, its figures, and when it was champion."""
    registry = _registry()
    version = registry.get(ref)
    changes = [change for change in registry.history() if version.number in (change.version, change.previous)]
    if as_json:
        print_json({**version.as_document(), "history": [_document(change) for change in changes]})
        return
    out.print(_details(version))
    out.print()
    out.print(_figures(version))
    out.print()
    for change in changes:
        out.print(_sentence(change), markup=False)
    out.print(f"The model card: dentwatch models card {version.number}", style="dim")


@app.command(epilog="Example: `dentwatch models card champion > card.md`")
def card(ref: AnyModelArgument, as_json: JsonOption = False) -> None:
    """Print a model's card: what it is for, what it cannot do, its figures and licences."""
    bundle = _resolve(ref)
    text = bundle.card_path.read_text(encoding="utf-8")
    if as_json:
        print_json({"model": bundle.name, "card": text})
    elif out.is_terminal:
        from rich.markdown import Markdown

        out.print(Markdown(text))
    else:
        typer.echo(text, nl=False)


@app.command(epilog='Example: `dentwatch models promote challenger --reason "AP50 0.31 → 0.36 on the frozen test set"`')
def promote(ref: RefArgument, reason: ReasonOption, actor: ActorOption = None, as_json: JsonOption = False) -> None:
    """Make a model version the champion: from now on it answers."""
    _report(_registry().promote(ref, reason, actor_of(actor)), as_json)


@app.command(epilog='Example: `dentwatch models rollback --reason "twice the false boxes since this morning"`')
def rollback(reason: ReasonOption, actor: ActorOption = None, as_json: JsonOption = False) -> None:
    """Make the previous champion the champion again; a second time goes back two."""
    _report(_registry().rollback(reason, actor_of(actor)), as_json)


@app.command(epilog='Example: `dentwatch models approve challenger --reason "the gate report looks right"`')
def approve(ref: RefArgument, reason: ReasonOption, actor: ActorOption = None, as_json: JsonOption = False) -> None:
    """Let a challenger that passed the gate be rolled out, where DENTWATCH_LOOP__NEEDS_APPROVAL asks for a person."""
    _decide(ref, "approved", reason, actor, as_json)


@app.command(epilog='Example: `dentwatch models veto challenger --reason "it calls reflections dents"`')
def veto(ref: RefArgument, reason: ReasonOption, actor: ActorOption = None, as_json: JsonOption = False) -> None:
    """Stop the rollout of a challenger, at whatever stage it is."""
    _decide(ref, "vetoed", reason, actor, as_json)


@app.command(epilog="Example: `dentwatch models history`")
def history(as_json: JsonOption = False) -> None:
    """Print every change of the champion, oldest first: who, when, why."""
    changes = _registry().history()
    if as_json:
        print_json({"history": [_document(change) for change in changes]})
        return
    for change in changes:
        out.print(_sentence(change), markup=False)
    if not changes:
        out.print("There has been no champion yet; `dentwatch models promote` names one.")


@app.command(
    epilog="Example: `dentwatch models export champion ./model && dentwatch inspect photo.jpg --model ./model`"
)
def export(
    ref: AnyModelArgument,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    as_json: JsonOption = False,
) -> None:
    """Copy a model's files (ONNX, spec, card, weights) into a folder that `--model` and `train` take."""
    from dentwatch.records.registry import export as export_bundle

    bundle = _resolve(ref)
    files = sorted(path.name for path in export_bundle(bundle, folder).folder.iterdir())
    if as_json:
        print_json({"model": bundle.name, "folder": str(folder), "files": files})
    else:
        out.print(f"{bundle.name} → {folder}: {', '.join(files)}", markup=False)


@app.command(epilog="Example: `dentwatch models clean`")
def clean(as_json: JsonOption = False) -> None:
    """Remove what registrations left behind that were killed more than an hour ago."""
    swept = _registry().sweep()
    if as_json:
        print_json({"removed": swept})
    else:
        out.print(f"Removed {swept} unfinished registration{'' if swept == 1 else 's'}.")


def _registry() -> "Registry":
    from dentwatch import settings
    from dentwatch.records.registry import Registry

    return Registry(settings.load())


def _resolve(ref: str) -> "ModelBundle":
    from dentwatch import settings
    from dentwatch.serving.models import resolve

    return resolve(ref, settings.load())


def _table(versions: "list[ModelVersion]") -> Any:
    numbers = ("Version", "AP50 scratch", "dent")
    rows = table("Version", "", "Detector", "Dataset", "AP50 scratch", "dent", "Registered", numbers=numbers)
    for version in versions:
        spec = version.spec
        rows.add_row(
            str(version.number),
            ", ".join(version.aliases),
            f"{spec.kind} {spec.preprocessing.input_size} px",
            spec.dataset_version[:8],
            _ap50(version, "scratch"),
            _ap50(version, "dent"),
            version.registered_at[:10],
            style="bold" if version.is_champion else None,
        )
    return rows


def _ap50(version: "ModelVersion", label: str) -> str:
    """The label's AP50 on test, else on val (marked so), else a dash."""
    figures = {name.replace("/", "_").replace(".", "_"): value for name, value in version.spec.metrics.items()}
    for split, mark in (("test_", ""), ("", ""), ("val_", " val")):
        if (value := figures.get(f"{split}ap50_{label}")) is not None:
            return f"{value:.3f}{mark}"
    return "–"


def _details(version: "ModelVersion") -> Any:
    from rich.table import Table
    from rich.text import Text

    from dentwatch.records.consents import in_words

    spec = version.spec
    facts = {
        "Version": f"{version.reference}{' · ' + ', '.join(version.aliases) if version.aliases else ''}",
        "Id": version.digest,
        "Detector": f"{spec.kind}, input {spec.preprocessing.input_size} px",
        "Thresholds": ", ".join(f"{label} ≥ {value:.3f}" for label, value in spec.thresholds.items()),
        "Dataset version": spec.dataset_version,
        "Run": version.run_id or spec.run_id or "–",
        "Commit": spec.commit or "not recorded",
        "Dentwatch": spec.dentwatch_version,
        "Trained": spec.created_at,
        "Registered": version.registered_at,
        "Licences": "; ".join(f"{right.name}: {right.licence}" for right in spec.rights),
        "Consents": in_words(spec.consents) or "not recorded",
        "ONNX and network": ", ".join(f"{name} {value:.2g}" for name, value in spec.parity.items()),
        "Files": version.source,
    }
    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        grid.add_row(Text(name, style="dim"), Text(value, overflow="fold"))
    return grid


def _figures(version: "ModelVersion") -> Any:
    rows = table("Figure", "Value", numbers=("Value",))
    for name, value in sorted(version.spec.metrics.items()):
        rows.add_row(name, f"{value:.4g}")
    return rows if version.spec.metrics else "No figures are recorded."


def _document(change: "Promotion") -> dict[str, Any]:
    return {
        "action": change.action,
        "version": change.version,
        "previous": change.previous,
        "reason": change.reason,
        "actor": change.actor,
        "at": change.at,
    }


def _sentence(change: "Promotion") -> str:
    instead = "" if change.previous is None else f" instead of {change.previous}"
    verb = "went back to" if change.action == "rollback" else "made"
    return (
        f"{change.at[:16].replace('T', ' ')}  {change.actor} {verb} {change.version} champion{instead}: {change.reason}"
    )


def _report(change: "Promotion", as_json: bool) -> None:
    """Put a change on the audit log, and say what it was."""
    from dentwatch import settings
    from dentwatch.records import audit
    from dentwatch.records.database import Database

    if change.version != change.previous:
        loaded = settings.load()
        with closing(Database.of(loaded)) as database, database.writing() as connection:
            model = f"{loaded.tracking.model_name}/{change.version}"
            details = {"previous": change.previous, "reason": change.reason}
            audit.append(connection, change.actor, f"model.{change.action}", model, details)
    if as_json:
        print_json(_document(change))
    elif change.version == change.previous:
        out.print(f"Model version {change.version} is the champion already; nothing was changed.")
    else:
        instead = "" if change.previous is None else f" instead of {change.previous}"
        out.print(f"Model version {change.version} is now the champion{instead}.")


def _decide(ref: str, decision: "Decision", reason: str, actor: str | None, as_json: bool) -> None:
    from dentwatch import settings
    from dentwatch.records import rollouts
    from dentwatch.records.database import Database

    model = _registry().get(ref).reference
    with closing(Database.of(settings.load())) as database, database.writing() as connection:
        rollout = rollouts.decide(connection, model, decision, actor_of(actor), reason)
    if as_json:
        print_json(rollout.as_document())
    else:
        out.print(f"The rollout of {model} is {decision}.", markup=False)

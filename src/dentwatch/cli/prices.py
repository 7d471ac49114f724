"""``dentwatch prices``: what damage costs."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dentwatch.cli.output import JsonOption, out, print_json, print_table, table

if TYPE_CHECKING:
    from rich.table import Table

    from dentwatch.serving.price_table import PriceTable

app = typer.Typer(
    no_args_is_help=True,
    help="Check the price table that answers put a price on damage with.",
    epilog="Example: `dentwatch prices check prices.yaml`",
)


@app.command(epilog="Example: `dentwatch prices check prices.yaml`")
def check(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A price table in YAML; default: the one that is in use.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a price table, and show what it says."""
    from dentwatch import settings
    from dentwatch.serving.price_file import PACKAGED, path_in_use, read_table

    path = path_in_use(settings.load()) if file is None else file
    prices = read_table(path)
    if as_json:
        print_json({"file": str(path), "version": prices.version, **prices.model_dump(mode="json")})
        return
    out.print(f"{path} is valid: {prices.version}, in {prices.currency}.", markup=False)
    print_table(_costs(prices), "Lowest and highest cost, and the size from which a damage is moderate and severe")
    print_table(_classes(prices), "Factors")
    limit = "no limit" if prices.cap is None else f"at most {prices.cap:,g} {prices.currency}"
    out.print(f"\nFor one listing: {limit}. From a size of {prices.close_up_from:g} on, a photo is a close-up.")
    if prices.valid_from > date.today():
        out.print(f"It says that it is valid from {prices.valid_from} only; it is used all the same.", style="yellow")
    if path.resolve() == PACKAGED.resolve():
        out.print(
            "Its amounts are placeholders: docs/pricing.md says how to put your own in their place.", style="yellow"
        )


def _costs(prices: "PriceTable") -> "Table":
    from dentwatch.records.labels import LABELS
    from dentwatch.serving.price_table import SEVERITIES

    numbers = (*SEVERITIES, "moderate from", "severe from")
    shown = table("label", *numbers, numbers=numbers)
    for label in LABELS:
        of_label = prices.of_label(label)
        ranges = ("{:,g} – {:,g}".format(*of_label.costs(level)) for level in SEVERITIES)
        shown.add_row(label, *ranges, f"{of_label.moderate_from:g}", f"{of_label.severe_from:g}")
    return shown


def _classes(prices: "PriceTable") -> "Table":
    shown = table("vehicle class", "factor", "", numbers=("factor",))
    for name, factor in prices.vehicle_classes.items():
        shown.add_row(name, f"{factor:g}", "unless stated otherwise" if name == prices.default_class else "")
    return shown

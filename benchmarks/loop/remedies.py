"""What each remedy brings for some drifts: recall and precision on val photos of the newest dataset version.

DENTWATCH_HOME=… python benchmarks/loop/remedies.py --model FOLDER
"""

import argparse
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dentwatch.loop.remedies import compete, known, said
from dentwatch.loop.steps import Bench
from dentwatch.records.database import Database
from dentwatch.records.model_bundle import Adaptation, ModelBundle
from dentwatch.settings import load

DRIFTS = (
    ("dark", "under-exposure", 3.0, 1.0),
    ("dark", "low light with its noise", 3.0, 1.0),
    ("dark", "low light with its noise", 4.0, 0.25),
    ("blur", "defocus", 6.0, 1.0),
    ("blur", "defocus", 9.0, 0.25),
    ("compressed", "JPEG", 8.0, 1.0),
)
"""Cause, way, amount in its unit, share of the photos."""


def main() -> None:
    """Let them compete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    options = parser.parse_args()
    settings, champion = load(), ModelBundle.load(options.model)
    bench, console = Bench(settings, Database.of(settings), lambda *_: None), Console(width=140)
    for cause, way, amount, share in DRIFTS:
        drift = Adaptation(incident="", cause=cause, way=way, amount=amount, share=share, slice="all")
        with tempfile.TemporaryDirectory() as scratch:
            outcome = compete(bench, champion, drift, Path(scratch), known(settings.loop))
        table = Table(title=f"{way}, {amount:g}, {100 * share:.0f} % of the photos; %")
        for name in ("remedy", "recall", "precision", "lost as taken", "asked again"):
            table.add_column(name, justify="left" if name == "remedy" else "right")
        for one in outcome.tried:
            figures = (100 * one.recall, 100 * one.precision, one.lost, 100 * one.asked_again)
            table.add_row(one.name, *(f"{figure:.1f}" for figure in figures))
        console.print(table)
        console.print(said(outcome.tried, outcome.winner))


if __name__ == "__main__":
    main()

"""The Airflow DAGs call commands that exist, in words that they understand; Airflow itself is not needed to say so."""

import ast
import re
import shlex
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from dentwatch.cli.app import app
from dentwatch.loop.steps import Kind

EXAMPLE = Path(__file__).parents[1] / "examples" / "airflow"
TREE = ast.parse((EXAMPLE / "dentwatch_dags.py").read_text(encoding="utf-8"))


def constant(name: str) -> dict[str, Any]:
    """A constant of the module."""
    [value] = [
        node.value
        for node in TREE.body
        if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == [name]
    ]
    found: dict[str, Any] = ast.literal_eval(value)
    return found


@pytest.mark.parametrize("call", constant("CALLS").values())
def test_every_call_is_understood(call: str) -> None:
    arguments = shlex.split(re.sub(r"{minutes}", "5", re.sub(r"{(?!minutes)\w+}", "word", call)))
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[arguments.pop(0)]
    with command.make_context(command.name, arguments) as context:  # parsed, not carried out
        assert context.params["as_json"], "the task reads what it prints"


def test_every_task_calls_what_there_is() -> None:
    called = {
        node.args[0].value
        for node in ast.walk(TREE)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "dentwatch"
        and isinstance(node.args[0], ast.Constant)
    }
    assert called == set(constant("CALLS"))


def test_every_kind_of_step_belongs_to_one_pipeline() -> None:
    kinds = [kind for of_one in constant("PIPELINES").values() for kind in of_one]
    assert sorted(kinds) == sorted(get_args(Kind))

"""The file of a price table: where it is, and what is wrong with it, down to the line."""

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from dentwatch.errors import SettingsError
from dentwatch.serving.price_table import PriceTable
from dentwatch.settings import Settings

FILE_NAME = "prices.yaml"
PACKAGED = Path(__file__).with_name(FILE_NAME)
"""The table that comes with the package: placeholders."""

_WAY_OUT = "Correct it; docs/pricing.md explains every field, and `dentwatch prices check` tries it."


def path_in_use(settings: Settings) -> Path:
    """The file that the setting ``serving.price_table`` names, else ``prices.yaml`` in the home, else the package's."""
    own = settings.home / FILE_NAME
    return settings.serving.price_table or (own if own.exists() else PACKAGED)


def read_table(path: Path) -> PriceTable:
    """The price table in ``path``.

    Raises :class:`SettingsError` naming file, line and field when it cannot be read or is not a valid table.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except OSError as error:
        raise SettingsError(
            f"The price table {path} cannot be read: {error.strerror}.",
            "Name a file that exists: in the setting serving.price_table, or after `dentwatch prices check`.",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:  # ValueError: such as the date 2026-13-01
        mark = getattr(error, "problem_mark", None)
        raise _wrong(path, mark.line + 1 if mark else None, f"it is not YAML: {_brief(error)}") from error
    if root is None or not isinstance(content, dict):
        raise _wrong(path, None, "it is not a table of fields")
    _refuse_duplicates(path, root)
    try:
        return PriceTable.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        loc = [part for part in first["loc"] if part != "[key]"]
        said = first["msg"].removeprefix("Value error, ")
        if first["type"] in ("extra_forbidden", "missing"):
            said = {"extra_forbidden": "there is no such field", "missing": "it is missing"}[first["type"]]
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        field = ".".join(map(str, loc))
        raise _wrong(path, _line(root, loc), f"{field + ': ' if field else ''}{said}{more}") from error


def _wrong(path: Path, line: int | None, said: str) -> SettingsError:
    return SettingsError(f"The price table {path} cannot be used{f', line {line}' if line else ''}: {said}.", _WAY_OUT)


def _brief(error: Exception) -> str:
    return str(getattr(error, "problem", None) or error)


def _line(node: yaml.Node, loc: Sequence[int | str]) -> int | None:
    """The line, from 1, of the innermost part of ``loc`` that the file has; None where it has not even the first."""
    line = None
    for part in loc:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def _refuse_duplicates(path: Path, node: yaml.Node, above: tuple[str, ...] = ()) -> None:
    """Raise for a field that stands there twice: YAML itself would silently take the last."""
    if not isinstance(node, yaml.MappingNode) or len(above) > 3:  # no deeper than a table can be
        return
    seen: set[str] = set()
    for key, value in node.value:
        name = str(key.value)
        if name in seen:
            raise _wrong(path, key.start_mark.line + 1, f"{'.'.join((*above, name))} stands there twice")
        seen.add(name)
        _refuse_duplicates(path, value, (*above, name))

"""From the class names of a source to the labels of Dentwatch."""

import csv
import io
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dentwatch.errors import DataError
from dentwatch.records.labels import LABELS

IGNORE = "ignore"
"""What a class maps to when its annotations are to be dropped on purpose (``-`` says the same)."""

# Only names that mean one thing; what could mean several ("damage", "paint chip", "broken") is left to the user.
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "scratch": ("scratches", "scratched", "car scratch", "paint scratch", "scrape", "scuff", "cizik", "kratzer"),
    "dent": ("dents", "dented", "car dent", "ding", "gocuk", "delle"),
    "crack": ("cracks", "cracked", "catlak"),
    "glass_shatter": (
        "shattered glass", "glass shattered", "broken glass", "glass broken", "glass crack", "cracked glass",
        "broken windshield", "broken windscreen", "windshield crack", "cam catlagi",
    ),
    "lamp_broken": (
        "broken lamp", "broken light", "broken lights", "broken headlight", "broken head light", "broken tail light",
        "broken taillight", "headlight broken", "far hasar",
    ),
    "tire_flat": ("flat tire", "flat tyre", "tyre flat", "tire flat", "punctured tire", "lastik patlak"),
    "other": ("others", "other damage", "diger"),
}  # fmt: skip


def normal_form(name: str) -> str:
    """A class name without case, accents and punctuation, such as ``"cizik"`` for ``"Çizik "``.

    Names that are all punctuation stay as they are.
    """
    plain = unicodedata.normalize("NFKD", name.replace("ı", "i").replace("İ", "i")).casefold()
    letters = "".join(char if char.isalnum() else " " for char in plain if not unicodedata.combining(char))
    return " ".join(letters.split()) or name


class LabelMap:
    """Class names → labels: what the user says first, else the labels themselves and their plain synonyms."""

    def __init__(self, stated: Mapping[str, str] | None = None) -> None:
        self._labels = {normal_form(label): label for label in LABELS}
        for label, names in _SYNONYMS.items():
            self._labels.update({normal_form(name): label for name in names})
        for name, target in (stated or {}).items():
            self._labels[normal_form(name)] = _checked(name, target)

    def label_of(self, name: str) -> str | None:
        """The label for a class name, :data:`IGNORE` for one to drop, None for one that nobody has explained."""
        return self._labels.get(normal_form(name))


def _checked(name: str, target: str) -> str:
    target = target.strip()
    if target in ("-", IGNORE):
        return IGNORE
    for label in LABELS:
        if normal_form(label) == normal_form(target):
            return label
    raise DataError(
        f"The class {name!r} cannot be mapped to {target!r}: there is no such label.",
        f"Labels are {', '.join(LABELS)}; `ignore` drops a class on purpose.",
    )


def parse_mappings(options: list[str], file: Path | None = None) -> dict[str, str]:
    """``SOURCE=TARGET`` options and a mapping file (YAML, or CSV with two columns) as one mapping; options win.

    Raises :class:`DataError` naming the option or line that cannot be understood.
    """
    mapping = _read_file(file) if file else {}
    for option in options:
        name, separator, target = option.rpartition("=")
        if not separator or not name.strip() or not target.strip():
            raise DataError(
                f"The mapping {option!r} cannot be understood.",
                "Write SOURCE=TARGET, such as --map 'Paint chip=scratch'.",
            )
        mapping[name.strip()] = target.strip()
    for name, target in mapping.items():
        _checked(name, target)
    return mapping


def _read_file(file: Path) -> dict[str, str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix.lower() != ".csv":
            content: Any = yaml.safe_load(text)
            if isinstance(content, dict) and all(isinstance(target, str) for target in content.values()):
                return {str(name): target for name, target in content.items()}
        else:
            rows = [row for row in csv.reader(io.StringIO(text)) if row]
            rows = rows[1:] if rows and normal_form(rows[0][-1]) in ("target", "label", "to") else rows
            if all(len(row) == 2 for row in rows):
                return {name.strip(): target.strip() for name, target in rows}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, csv.Error) as error:
        raise DataError(f"The mapping file {file} cannot be read: {error}.", "Check its path and content.") from error
    raise DataError(
        f"The mapping file {file} is not a mapping.",
        "Write one line per class: `Paint chip: scratch` in YAML, `Paint chip,scratch` in CSV.",
    )

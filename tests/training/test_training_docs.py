"""docs/training.md names every setting of a run, with its default, and nothing that is not one."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from dentwatch.training.run_settings import AugmentationSettings, RunSettings

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text()


def _rows(title: str) -> dict[str, str]:
    """Setting → default of the table under a heading."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([a-z_]+)` \| ([^|]*) \|", section, re.MULTILINE))


def _told(value: Any) -> str:
    return (
        ", ".join(map(_told, value))
        if isinstance(value, tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


@pytest.mark.parametrize(
    ("title", "settings"), [("Settings of a run", RunSettings), ("Augmentation", AugmentationSettings)]
)
def test_every_setting_is_documented_with_its_default(title: str, settings: type[BaseModel]) -> None:
    rows = _rows(title)
    assert rows.keys() == settings.model_fields.keys()
    defaults = settings().model_dump()
    defaults.pop("augmentation", None)
    for name in ("size", "minutes", "learning_rate", "weights"):  # told in words: they depend on something
        defaults.pop(name, None)
    for name, value in defaults.items():
        assert rows[name].strip("`").replace("−", "-") == _told(value), name


def test_every_setting_has_a_description() -> None:
    for settings in (RunSettings, AugmentationSettings):
        for name, field in settings.model_fields.items():
            assert field.description or name == "augmentation"

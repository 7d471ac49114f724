"""Where rights are required, a model that learnt from photos without consent does not begin to serve by itself."""

import json
from pathlib import Path

import pytest
from tiny_cars import write_source
from training_command import SMALL, dentwatch

from dentwatch.records.registry import Registry
from dentwatch.settings import Settings

pytestmark = pytest.mark.timeout(900)  # whole runs of the command line, on a machine that may be busy

_STRICT = {"DENTWATCH_DATA__REQUIRE_RIGHTS": "true"}
_QUICK = (*SMALL, "--epochs", "1", "--json")


def test_the_first_model_is_champion_once_its_photos_state_a_consent(stocked: Path, tmp_path: Path) -> None:
    first = dentwatch("train", "--name", "first", *_QUICK, home=stocked, **_STRICT)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["champion"] is False
    assert "22 of 22 photos of its dataset version state no consent." in first.stderr
    registry = Registry(Settings(home=stocked))
    assert registry.get(1).spec.consents == {"": 22}
    assert "Consents to the use of photos: none stated 22." in registry.bundle(1).card_path.read_text(encoding="utf-8")

    source = write_source(tmp_path / "again")
    again = dentwatch("data", "ingest", source, "--consent", "owner agreed", home=stocked, **_STRICT)
    assert again.returncode == 0, again.stderr
    second = dentwatch("train", "--name", "second", *_QUICK, "--weights", "1", home=stocked, **_STRICT)
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout)["champion"] is True
    spec = registry.get(2).spec
    assert spec.consents == {"owner agreed": 22}
    weights = next(right for right in spec.rights if right.name.startswith("Dentwatch"))
    assert weights.source.endswith("(consents: none stated 22)")

"""What a person writes names the model that answers."""

import shutil
import subprocess
from pathlib import Path

import pytest
import tiny_model
from rectangles import rectangle_graph, write_bundle

from dentwatch import settings
from dentwatch.errors import ModelError
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.registry import Registry
from dentwatch.serving import models
from dentwatch.serving.models import resolve

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def starter(tmp_path: Path, bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package folder with a starter model in it, whatever the checkout holds."""
    folder = tmp_path / "package" / "starter"
    shutil.copytree(bundle.folder, folder)
    monkeypatch.setattr(models.resources, "files", lambda package: folder.parent / package.rpartition(".")[2])
    return folder


def test_the_starter_answers_until_there_is_a_champion(home: Path, starter: Path, bundle: ModelBundle) -> None:
    for ref in (None, "starter"):
        found = resolve(ref, settings.load())
        assert found.folder == starter
        assert found.name == f"starter/{bundle.fingerprint}"


def test_the_starter_is_known_by_its_whole_name_and_that_of_another_is_not(
    home: Path, starter: Path, bundle: ModelBundle
) -> None:
    assert resolve(f"starter/{bundle.fingerprint}", settings.load()).folder == starter
    with pytest.raises(ModelError, match="of another installation"):
        resolve("starter/0123456789ab", settings.load())


def test_a_champion_answers_before_the_starter(home: Path, starter: Path, tmp_path: Path) -> None:
    loaded = settings.load()
    registry = Registry(loaded)
    first = registry.register(tiny_model.write_bundle(tmp_path / "tiny"))
    assert resolve(None, loaded).folder == starter  # a challenger serves nobody yet
    assert resolve("challenger", loaded).name == first.reference
    registry.promote(first.number, reason="first", actor="test")
    for ref in (None, "champion", str(first.number), first.reference):
        assert resolve(ref, loaded).name == first.reference
    assert resolve("starter", loaded).folder == starter
    with pytest.raises(ModelError, match="no model version '7'"):
        resolve("7", loaded)


def test_a_folder_is_its_own_name(home: Path, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "mine", rectangle_graph()).folder
    assert resolve(str(folder), settings.load()).name.startswith("mine/")


def test_a_folder_that_is_no_model_says_what_it_lacks(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"lacks model\.onnx and model\.json"):
        resolve(str(tmp_path), settings.load())


def test_a_side_that_is_no_multiple_of_its_stride_is_named(home: Path, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "odd", rectangle_graph("any"))
    path = bundle.folder / "model.json"
    path.write_text(path.read_text().replace('"stride": 0', '"stride": 48'))
    with pytest.raises(ModelError, match=r"model\.json is damaged.*256 pixels is no multiple of its stride of 48"):
        resolve(str(bundle.folder), settings.load())


def test_a_name_without_a_registry_says_what_there_is(home: Path) -> None:
    with pytest.raises(ModelError, match=r"no model 'champion'.*Use `starter`"):
        resolve("champion", settings.load())


def test_an_installation_without_a_starter_says_so(home: Path, starter: Path) -> None:
    shutil.rmtree(starter)
    with pytest.raises(ModelError, match="without a starter model"):
        resolve(None, settings.load())


def test_equal_networks_have_equal_fingerprints_and_others_do_not(tmp_path: Path) -> None:
    one, same = (write_bundle(tmp_path / name, rectangle_graph()) for name in ("one", "same"))
    other = write_bundle(tmp_path / "other", rectangle_graph(side=128))
    assert one.fingerprint == same.fingerprint != other.fingerprint


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="not a git checkout")
@pytest.mark.parametrize("name", ["model.onnx", "model.json", "card.md"])
def test_the_starter_travels_with_the_package(name: str) -> None:
    """The wheel holds what git does not ignore."""
    ignored = subprocess.run(["git", "check-ignore", "-q", f"src/dentwatch/starter/{name}"], cwd=ROOT, check=False)
    assert ignored.returncode == 1

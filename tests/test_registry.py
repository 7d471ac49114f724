"""The registry keeps whole models, names one champion, and never hands out anything else than what was registered."""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import tiny_model

from dentwatch import settings
from dentwatch.errors import ModelError
from dentwatch.records.model_versions import digest_of
from dentwatch.records.registry import Registry, champion, export, resolve
from dentwatch.records.registry_peek import Glimpse, peek
from dentwatch.records.registry_view import RegistryView, view
from dentwatch.records.tracking import ensure_experiment, open_client


@pytest.fixture
def registry(home: Path, empty_tracking_database: Path) -> Registry:
    home.mkdir()
    shutil.copy(empty_tracking_database, home)
    return Registry(settings.load())


def _register(registry: Registry, folder: Path, **changes: object) -> int:
    return registry.register(tiny_model.write_bundle(folder, **changes)).number


def test_version_keeps_everything_that_a_reader_asks_for(registry: Registry, tmp_path: Path) -> None:
    run = open_client(settings.load()).create_run(ensure_experiment(settings.load())).info.run_id
    bundle = tiny_model.write_bundle(tmp_path / "model", run_id=run)

    version = registry.register(bundle, run_id=run)

    assert (version.number, version.reference, version.aliases) == (1, "dentwatch/1", ("challenger",))
    assert version.spec == bundle.spec
    assert version.run_id == run
    assert version.digest == digest_of(bundle.folder)
    assert version.as_document()["spec"]["dataset_version"] == "5d1f00aa33bb"
    fetched = registry.bundle(1)
    assert fetched.name == "dentwatch/1"
    for name in ("model.onnx", "model.json", "card.md"):
        assert (fetched.folder / name).read_bytes() == (bundle.folder / name).read_bytes()


def test_unknown_run_is_refused(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no run 'feedbeef'"):
        registry.register(tiny_model.write_bundle(tmp_path / "model"), run_id="feedbeef")
    assert registry.versions() == []


def test_same_model_again_is_the_same_version(registry: Registry, tmp_path: Path) -> None:
    bundle = tiny_model.write_bundle(tmp_path / "model")
    first = registry.register(bundle, aliases=())
    again = registry.register(bundle, aliases=("challenger",))
    assert (first.number, again.number) == (1, 1)
    assert again.aliases == ("challenger",)


def test_every_kind_of_reference_finds_its_version(registry: Registry, tmp_path: Path) -> None:
    _register(registry, tmp_path / "one", nms_iou=0.5)
    _register(registry, tmp_path / "two", nms_iou=0.6)
    registry.promote(1, "the first", "ada")
    first = registry.get("champion")
    assert first.number == 1
    for ref in (1, "1", "dentwatch/1", first.digest, first.digest[:6]):
        assert registry.get(ref) == first
    assert registry.get("latest").number == registry.get("challenger").number == 2
    with pytest.raises(ModelError, match=r"no model version 'best'. There are: 1 \(champion\), 2 \(challenger\)"):
        registry.get("best")


@pytest.mark.parametrize("tracked", [False, True], ids=["no database", "no models"])
def test_empty_registry_names_the_way_out(home: Path, empty_tracking_database: Path, tracked: bool) -> None:
    if tracked:
        home.mkdir()
        shutil.copy(empty_tracking_database, home)
    registry = Registry(settings.load())
    assert registry.versions() == []
    assert registry.champion() is None
    assert registry.history() == []
    for ask in (lambda: registry.get("champion"), lambda: registry.rollback("why", "ada")):
        with pytest.raises(ModelError, match="dentwatch"):
            ask()


def test_damaged_cache_is_fetched_again_and_damaged_files_are_refused(registry: Registry, tmp_path: Path) -> None:
    version = registry.register(tiny_model.write_bundle(tmp_path / "model"))
    registry.bundle(1).onnx_path.write_bytes(b"damaged")
    assert digest_of(registry.bundle(1).folder) == version.digest

    registry.bundle(1).onnx_path.write_bytes(b"damaged")
    (stored,) = (settings.load().home / "artifacts").rglob("model.onnx")
    stored.write_bytes(b"damaged too")
    with pytest.raises(ModelError, match="are not what was registered"):
        registry.bundle(1)
    stored.unlink()
    with pytest.raises(ModelError, match=r"are not what was registered|cannot be fetched"):
        registry.bundle(1)


def test_home_that_was_moved_still_finds_its_files(
    registry: Registry, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _register(registry, tmp_path / "model")
    moved = home.rename(tmp_path / "moved")
    monkeypatch.setenv("DENTWATCH_HOME", str(moved))
    settings.load.cache_clear()
    assert Registry(settings.load()).bundle(1).folder.is_relative_to(moved)


def test_promotion_and_rollback_keep_their_history(registry: Registry, tmp_path: Path) -> None:
    for number, threshold in enumerate((0.2, 0.3, 0.4), start=1):
        _register(registry, tmp_path / str(number), thresholds={"scratch": threshold})
        registry.promote("challenger", f"reason {number}", "ada")
    assert [version.aliases for version in registry.versions()] == [(), (), ("champion",)]

    assert registry.rollback("too many false boxes", "bob").version == 2
    assert registry.rollback("still too many", "bob").version == 1
    assert registry.get("champion").number == 1
    with pytest.raises(ModelError, match="no earlier champion"):
        registry.rollback("once more", "bob")

    told = [
        (change.action, change.version, change.previous, change.reason, change.actor) for change in registry.history()
    ]
    assert told == [
        ("promote", 1, None, "reason 1", "ada"),
        ("promote", 2, 1, "reason 2", "ada"),
        ("promote", 3, 2, "reason 3", "ada"),
        ("rollback", 2, 3, "too many false boxes", "bob"),
        ("rollback", 1, 2, "still too many", "bob"),
    ]


def test_promoting_the_champion_changes_nothing(registry: Registry, tmp_path: Path) -> None:
    _register(registry, tmp_path / "model")
    registry.promote(1, "first", "ada")
    assert registry.promote(1, "again", "ada").previous == 1
    assert [change.reason for change in registry.history()] == ["first"]


def test_version_that_cannot_serve_is_never_champion(registry: Registry, tmp_path: Path) -> None:
    _register(registry, tmp_path / "model")
    for stored in (settings.load().home / "artifacts").rglob("model.onnx"):
        stored.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="are not what was registered"):
        registry.promote(1, "why not", "ada")
    assert registry.champion() is None


def test_champion_registered_again_does_not_challenge_itself(registry: Registry, tmp_path: Path) -> None:
    _register(registry, tmp_path / "model")
    registry.promote(1, "why", "ada")
    assert registry.register(tiny_model.write_bundle(tmp_path / "model")).aliases == ("champion",)


def test_sweeping_spares_the_models_of_other_names(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlflow.MlflowClient.finalize_logged_model", lambda *_: None)
    _register(registry, tmp_path / "model")
    monkeypatch.setattr("dentwatch.records.registry._ABANDONED_AFTER_MS", -1)
    tracking = settings.TrackingSettings(model_name="other")
    other = Registry(settings.Settings(home=settings.load().home, tracking=tracking))
    assert other.sweep() == registry.sweep() == 0
    assert registry.bundle(1).name == "dentwatch/1"


def test_sweeping_goes_on_when_files_cannot_be_removed(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError("the bucket is locked")

    with monkeypatch.context() as patch, pytest.raises(PermissionError):
        patch.setattr("mlflow.MlflowClient.create_model_version", fail)
        _register(registry, tmp_path / "model")
    monkeypatch.setattr("dentwatch.records.registry._ABANDONED_AFTER_MS", -1)
    with monkeypatch.context() as patch:
        patch.setattr("dentwatch.records.model_files.discard", fail)
        assert _register(registry, tmp_path / "model") == 1
    assert "could not be removed: the bucket is locked" in caplog.text
    assert registry.sweep() == 1
    assert registry.bundle(1).name == "dentwatch/1"


def test_version_of_another_tool_is_listed_as_unusable(registry: Registry, tmp_path: Path) -> None:
    _register(registry, tmp_path / "model")
    client = open_client(settings.load())
    client.create_model_version("dentwatch", source=str(tmp_path / "model"))
    client.set_registered_model_alias("dentwatch", "champion", "2")
    assert [version.number for version in registry.versions()] == [1]
    assert registry.unusable() == [2]
    assert registry.champion() is None
    assert champion(settings.load()) is None
    with pytest.raises(ModelError, match="no model version 'champion'"):
        registry.get("champion")


def test_looking_past_mlflow_sees_what_mlflow_sees(registry: Registry, tmp_path: Path) -> None:
    assert peek("champion", settings.load()) == []
    version = registry.register(tiny_model.write_bundle(tmp_path / "model"))
    assert peek("champion", settings.load()) == []
    assert champion(settings.load()) is None
    registry.promote(1, "why", "ada")
    assert peek("champion", settings.load()) == [Glimpse(version.number, version.digest)]
    assert peek("challenger", settings.load()) == []
    for bundle in (champion(settings.load()), resolve("champion", settings.load()), resolve("1", settings.load())):
        assert bundle is not None
        assert bundle.name == "dentwatch/1"
        assert digest_of(bundle.folder) == version.digest


def test_champion_is_found_without_importing_mlflow(registry: Registry, tmp_path: Path) -> None:
    _register(registry, tmp_path / "model")
    registry.promote(1, "why", "ada")
    code = """
        import sys
        from dentwatch.serving.models import resolve
        from dentwatch.settings import load
        assert resolve(None, load()).name == "dentwatch/1"
        assert "mlflow" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


def test_exported_folder_is_a_model_and_never_overwrites(registry: Registry, tmp_path: Path) -> None:
    version = registry.register(tiny_model.write_bundle(tmp_path / "model"))
    bundle = export(registry.bundle(1), tmp_path / "copies" / "one")
    assert digest_of(bundle.folder) == version.digest
    with pytest.raises(ModelError, match="not empty"):
        export(registry.bundle(1), bundle.folder)


def test_list_reads_many_versions(registry: Registry, tmp_path: Path) -> None:
    first = registry.register(tiny_model.write_bundle(tmp_path / "model"))
    client = open_client(settings.load())
    tags = client.get_model_version("dentwatch", "1").tags
    for _ in range(30):
        client.create_model_version("dentwatch", source=first.source, tags=tags)
    assert [version.number for version in registry.versions()] == list(range(1, 32))
    assert registry.get(first.digest).number == 31


def test_the_view_of_the_registry_is_what_mlflow_says_without_importing_it(registry: Registry, tmp_path: Path) -> None:
    assert view(settings.load()) == RegistryView(dismissed={})
    numbers = [_register(registry, tmp_path / str(number), metrics={"val/ap50": number / 10}) for number in range(3)]
    registry.promote(numbers[0], "the first", "ada")
    registry.promote(numbers[1], "better", "ada")
    registry.dismiss(numbers[2], "worse", "dentwatch")
    registry.rollback("it was not", "bob")
    seen = view(settings.load())
    assert seen.versions == tuple(registry.versions())
    assert seen.history == tuple(registry.history())
    assert seen.dismissed is not None
    assert seen.dismissed.keys() == {numbers[2]}
    program = """
        import sys
        from dentwatch import settings
        from dentwatch.records.registry_view import view
        print(len(view(settings.load()).versions), "mlflow" in sys.modules)
    """
    said = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["3", "False"]


def test_the_view_of_no_registry_is_empty(home: Path) -> None:
    assert view(settings.load()) == RegistryView()

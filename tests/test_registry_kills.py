"""Whatever is killed, the registry holds whole model versions and one champion; and two may register at once."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_model

from dentwatch.records import registry as registry_module
from dentwatch.records.registry import Registry
from dentwatch.settings import Settings

# Forks once per moment, because importing MLflow and making its tables take seconds; each child is killed by SIGKILL.
_KILLED = """
import os, signal, sys
from pathlib import Path

from dentwatch.records.tracking import quiet_mlflow
quiet_mlflow()
import mlflow.pyfunc
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store
from mlflow import MlflowClient

from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.model_files import write_mlflow_model
from dentwatch.records.registry import Registry
from dentwatch.settings import Settings

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def kill_before(method):
    setattr(MlflowClient, method, die)

def kill_after(method):
    original = getattr(MlflowClient, method)
    def call(*given, **named):
        original(*given, **named)
        die()
    setattr(MlflowClient, method, call)

bundle = ModelBundle.load(Path(sys.argv[1]))
write_mlflow_model(bundle.folder, Path(sys.argv[2]) / "warm-up")
for moment in sys.argv[3:]:
    child = os.fork()
    if child == 0:
        registry = Registry(Settings(home=Path(sys.argv[2]) / moment))
        action, when, method = moment.split("-")
        if action == "promote":
            registry.register(bundle)
        {"before": kill_before, "after": kill_after}[when](method)
        registry.register(bundle) if action == "register" else registry.promote("latest", "why", "ada")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (moment, status)
"""
_WITHOUT_VERSION = (
    "register-before-log_model_artifacts",
    "register-after-log_model_artifacts",
    "register-before-create_model_version",
)
_WITH_VERSION = ("register-after-create_model_version", "register-before-set_registered_model_alias")
_NOT_PROMOTED = "promote-before-set_registered_model_alias"
_PROMOTED = "promote-after-set_registered_model_alias"


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory, empty_tracking_database: Path) -> Path:
    """A folder with one home per moment of death, named after it."""
    folder = tmp_path_factory.mktemp("homes")
    tiny_model.write_bundle(folder / "model")
    moments = (*_WITHOUT_VERSION, *_WITH_VERSION, _NOT_PROMOTED, _PROMOTED)
    for moment in moments:
        (folder / moment).mkdir()
        shutil.copy(empty_tracking_database, folder / moment)
    subprocess.run([sys.executable, "-c", _KILLED, folder / "model", folder, *moments], check=True)
    return folder


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "_ABANDONED_AFTER_MS", -1)


@pytest.mark.parametrize("moment", _WITHOUT_VERSION)
def test_killed_registration_is_no_version_and_is_swept(homes: Path, moment: str, impatient: None) -> None:
    registry = Registry(Settings(home=homes / moment))
    assert registry.versions() == []
    assert registry.unusable() == []

    assert registry.sweep() == 1
    assert registry.sweep() == 0
    assert list((homes / moment / "artifacts").rglob("model.onnx")) == []

    again = registry.register(tiny_model.write_bundle(homes / "model"))
    assert (again.number, again.aliases) == (1, ("challenger",))
    assert registry.bundle(1).spec == again.spec


@pytest.mark.parametrize("moment", _WITH_VERSION)
def test_version_whose_registration_was_killed_late_is_whole(homes: Path, moment: str, impatient: None) -> None:
    registry = Registry(Settings(home=homes / moment))
    (version,) = registry.versions()
    assert version.aliases == ()
    assert registry.bundle(1).spec == version.spec

    assert registry.sweep() == 0
    again = registry.register(tiny_model.write_bundle(homes / "model"))
    assert (again.number, again.aliases) == (1, ("challenger",))
    assert registry.bundle("challenger").name == "dentwatch/1"


def test_promotion_killed_before_it_happened_did_not_happen(homes: Path) -> None:
    registry = Registry(Settings(home=homes / _NOT_PROMOTED))
    assert registry.champion() is None
    assert registry.history() == []
    assert registry.promote(1, "second try", "ada").version == 1
    assert [change.reason for change in registry.history()] == ["second try"]


def test_promotion_killed_after_it_happened_is_on_record(homes: Path) -> None:
    registry = Registry(Settings(home=homes / _PROMOTED))
    champion = registry.champion()
    assert champion is not None
    assert champion.number == 1
    assert [(change.version, change.reason, change.done) for change in registry.history()] == [(1, "why", True)]


def test_two_processes_register_at_once_in_a_fresh_home(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from dentwatch.settings import Settings;"
        "from dentwatch.records.registry import Registry; from dentwatch.records.model_bundle import ModelBundle;"
        "Registry(Settings(home=Path(sys.argv[1]))).register(ModelBundle.load(Path(sys.argv[2])))"
    )
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    processes = []
    for name, overlap in (("one", 0.5), ("two", 0.6)):
        tiny_model.write_bundle(tmp_path / name, nms_iou=overlap)
        command = [sys.executable, "-c", code, tmp_path / "home", tmp_path / name]
        processes.append(subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True))
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert errors == ""
    assert list(folder.iterdir()) == []
    registry = Registry(Settings(home=tmp_path / "home"))
    assert [version.number for version in registry.versions()] == [1, 2]
    assert {registry.bundle(number).spec.nms_iou for number in (1, 2)} == {0.5, 0.6}
    assert registry.get("challenger").number in (1, 2)

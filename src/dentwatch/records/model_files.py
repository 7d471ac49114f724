"""The files of model versions: to the artifact store and back.

They are stored as an MLflow model whose loader is code of this package, so that ``mlflow.pyfunc.load_model`` works on
every version and unpickles nothing.
"""

import shutil
import tempfile
import time
import warnings
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from dentwatch.errors import ModelError
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.model_versions import BUNDLE_FILES, NAME_TAG, ModelVersion, digest_of
from dentwatch.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

_LOADER = "dentwatch.serving.pyfunc"
_BUNDLE = "bundle"
_DATA = Path("data") / _BUNDLE  # where MLflow puts a loader's data


def copy(source: Path, folder: Path) -> Path:
    """Copy the files of the bundle in ``source``, and no others, into the new folder ``folder``."""
    folder.mkdir()
    for name in BUNDLE_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    return folder


def upload(
    client: "MlflowClient", bundle: ModelBundle, experiment: str, run_id: str | None, tags: dict[str, str]
) -> "LoggedModel":
    """Store the bundle as an MLflow model of ``run_id``; it stays pending until the version that names it is there."""
    spec = bundle.spec
    logged = client.create_logged_model(
        experiment,
        name=f"{spec.detector}-{spec.size}",
        source_run_id=run_id,
        tags=tags,
        model_type="dentwatch",
    )
    with tempfile.TemporaryDirectory(prefix="dentwatch-model-") as scratch:
        folder = Path(scratch) / "model"
        write_mlflow_model(copy(bundle.folder, Path(scratch) / _BUNDLE), folder, logged.model_id, run_id)
        client.log_model_artifacts(logged.model_id, str(folder))
    return logged


def write_mlflow_model(bundle: Path, folder: Path, model_id: str | None = None, run_id: str | None = None) -> None:
    """Write the bundle in ``bundle`` as an MLflow model into the new folder ``folder``."""
    import mlflow.pyfunc
    from mlflow.models import Model

    with warnings.catch_warnings():
        # MLflow wants an example beside the signature; an example photo would be in every version for nothing.
        warnings.filterwarnings("ignore", message=r"(?s).*An input example was not provided", category=UserWarning)
        mlflow.pyfunc.save_model(
            folder,
            loader_module=_LOADER,
            data_path=str(bundle),
            mlflow_model=Model(model_id=model_id, run_id=run_id, model_uuid=model_id),
            signature=signature(),
            pip_requirements=[f"dentwatch=={installed_version('dentwatch')}"],
        )


def signature() -> "ModelSignature":
    """What every version takes and answers, in MLflow's words; :mod:`dentwatch.serving.pyfunc` keeps it."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array, Object, Property

    box = [Property(name, DataType.double) for name in ("score", "x", "y", "width", "height")]
    detection = Object([Property("label", DataType.string), *box])
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.binary)]),
        outputs=Schema(
            [
                ColSpec(Array(detection), "detections", required=False),
                ColSpec(DataType.string, "error", required=False),
            ]
        ),
        params=ParamSchema([ParamSpec("min_score", DataType.double, None)]),
    )


def cached(digest: str, settings: Settings) -> Path | None:
    """The folder in ``DENTWATCH_HOME`` that holds the model with this id, if it is there and undamaged."""
    folder = _cache(digest, settings)
    return folder if folder.is_dir() and digest_of(folder) == digest else None


def _cache(digest: str, settings: Settings) -> Path:
    return settings.home.absolute() / "models" / digest


def fetch(version: ModelVersion, settings: Settings) -> Path:
    """Download the version's bundle to ``DENTWATCH_HOME``, where it appears whole or not at all; returns its folder.

    Raises :class:`ModelError` when the files cannot be had or are not what was registered.
    """
    from mlflow.artifacts import download_artifacts

    folder = _cache(version.digest, settings)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as scratch:
        try:
            source = _stored(version, settings)
            download_artifacts(f"{source}/{_DATA}", dst_path=scratch, tracking_uri=settings.tracking_uri)
        except Exception as error:  # every artifact store has exceptions of its own
            raise ModelError(
                f"The files of model version {version.reference} cannot be fetched from {version.source}: {error}",
                "Check that the artifact store can be reached and still holds them.",
            ) from error
        fetched = Path(scratch) / _BUNDLE
        if digest_of(fetched) != version.digest:
            raise ModelError(
                f"The files of model version {version.reference} in {version.source} are not what was registered.",
                "Restore them from a backup, or use another version.",
            )
        if folder.exists():
            shutil.rmtree(folder)  # a damaged copy
        try:
            fetched.rename(folder)
        except OSError:  # another process put it there in the meantime
            if digest_of(folder) != version.digest:
                raise
    return folder


def _stored(version: ModelVersion, settings: Settings) -> str:
    """Where the version's files are: as recorded, or at the same place of a ``DENTWATCH_HOME`` that was moved."""
    path = urlsplit(version.source).path if version.source.startswith("file:") else ""
    if path and not Path(unquote(path)).is_dir() and settings.tracking_artifacts:
        return f"{settings.tracking_artifacts}/models/{version.logged_model}/artifacts"
    return version.source


def abandoned(client: "MlflowClient", experiment: str, name: str, older_than_ms: int) -> "list[LoggedModel]":
    """Models that were to be registered as ``name``, began to be so long ago, and never were."""
    from mlflow.entities import LoggedModelStatus

    before = int(time.time() * 1000) - older_than_ms
    found: list[LoggedModel] = []
    token: str | None = None
    while True:
        # The status cannot be part of the filter: MLflow 3.17's SQL store finds nothing then.
        page = client.search_logged_models([experiment], page_token=token)
        found += [model for model in page if model.tags.get(NAME_TAG) == name and model.creation_timestamp < before]
        token = page.token
        if not token:
            return [model for model in found if model.status == LoggedModelStatus.PENDING]


def discard(client: "MlflowClient", model: "LoggedModel", settings: Settings) -> None:
    """Delete a model that no version names, with its files."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    files: Any = get_artifact_repository(model.artifact_location, tracking_uri=settings.tracking_uri)
    files.delete_artifacts()
    client.delete_logged_model(model.model_id)

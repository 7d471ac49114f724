"""Where experiments are kept: MLflow, opened quietly and in the right place.

By default everything lies in ``DENTWATCH_HOME``: runs and model versions in ``mlflow.db`` (SQLite), their files in
``artifacts/``. The settings ``tracking.uri`` and ``tracking.artifacts`` name anything else that MLflow speaks:
PostgreSQL and S3, or a tracking server. Importing MLflow takes seconds, so nothing here does before it must.
"""

import fcntl
import logging
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dentwatch.errors import ModelError
from dentwatch.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

_log = logging.getLogger(__name__)
_SQLITE = "sqlite:///"

# Read by MLflow when it is imported or used. A person's own setting of any of these wins.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # no usage reports over the network
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",  # no "Creating initial MLflow database tables…"
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # the command line shows its own progress
    "MLFLOW_UV_AUTO_DETECT": "false",  # a lock file in the working directory says nothing about the model
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # about 15 s for a server that is away, instead of minutes
    "GIT_PYTHON_REFRESH": "quiet",  # no warning where git is not installed
}


def quiet_mlflow() -> None:
    """Keep MLflow off the network and its housekeeping out of the logs; call it before MLflow is imported."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def sqlite_path(settings: Settings) -> Path | None:
    """The file of the tracking database, where it is SQLite."""
    uri = settings.tracking_uri
    return Path(uri.removeprefix(_SQLITE).split("?")[0]) if uri.startswith(_SQLITE) else None


def has_store(settings: Settings) -> bool:
    """Whether anything can have been tracked yet; answered without MLflow. A server is taken to hold something."""
    path = sqlite_path(settings)
    return path is None or path.is_file()


def store_name(settings: Settings) -> str:
    """The tracking URI without user and password, fit for messages."""
    return re.sub(r"://[^/@]*@", "://", settings.tracking_uri.split("?")[0])


def open_client(settings: Settings) -> "MlflowClient":
    """A client of the tracking store and model registry that the settings name; the database is made if needed.

    Raises :class:`ModelError` when it cannot be opened.
    """
    quiet_mlflow()
    from mlflow import MlflowClient

    path = sqlite_path(settings)
    try:
        with nullcontext() if path is None else _only_one(path):
            client = MlflowClient(tracking_uri=settings.tracking_uri, registry_uri=settings.tracking_uri)
            client.search_registered_models(max_results=1)  # opens the registry too while the tables may be made
    except Exception as error:  # each kind of store fails with exceptions of its own
        said = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise ModelError(
            f"The experiments and models in {store_name(settings)} cannot be opened: {said}.",
            "Check DENTWATCH_TRACKING__URI, and that it names an MLflow server or database that is up.",
        ) from error
    return client


@contextmanager
def _only_one(database: Path) -> Iterator[None]:
    """One process at a time opens the database: two that make its tables at once would both fail."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure_experiment(settings: Settings, client: "MlflowClient | None" = None) -> str:
    """The id of the experiment that the settings name; it is made if needed, with its files under ``DENTWATCH_HOME``.

    Call it before a training run starts, so that MLflow does not make the experiment itself and put the run's files
    into ``./mlruns``.
    """
    client = client or open_client(settings)
    from mlflow import MlflowException

    name = settings.tracking.experiment
    if (found := client.get_experiment_by_name(name)) is None:
        try:
            return str(client.create_experiment(name, artifact_location=settings.tracking_artifacts))
        except MlflowException:  # another process was quicker
            if (found := client.get_experiment_by_name(name)) is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def git_commit() -> str:
    """The git commit of the code that is running, with ``-dirty`` where tracked files have changed since.

    Empty where the code is not a git checkout, such as an installed package; the log says so.
    """
    here = Path(__file__).resolve()
    # An installed copy may lie inside somebody else's repository, whose commit would say nothing about this code.
    if _git(here.parent, "ls-files", "--error-unmatch", here.name) is None:
        _log.info("No git commit is recorded: %s is not in a git checkout.", here.parent.parent)
        return ""
    commit = _git(here.parent, "rev-parse", "HEAD") or ""
    changed = _git(here.parent, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changed else commit


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says, or None where it fails or is not installed."""
    environment: dict[str, Any] = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # asking must not lock the checkout
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, env=environment
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()

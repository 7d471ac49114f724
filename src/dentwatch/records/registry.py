"""The model registry: numbered model versions, of which one is the champion. A thin layer over MLflow's.

A version appears whole or not at all. Its files are uploaded first and it is then created, with everything that
Dentwatch asks of it, in one transaction; a process killed before that leaves only files that no version names, and
:meth:`Registry.sweep` removes those. Becoming champion is one write of one alias.
"""

import json
import logging
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dentwatch.errors import ModelError
from dentwatch.records import admission, model_files
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.model_versions import (
    CHALLENGER,
    CHAMPION,
    DIGEST_TAG,
    DISMISSED_TAG,
    LOGGED_MODEL_TAG,
    NAME_TAG,
    SPEC_TAG,
    ModelVersion,
    digest_of,
)
from dentwatch.records.promotions import Promotion, history_of, previous_champion
from dentwatch.records.registry_peek import Glimpse, peek
from dentwatch.records.tracking import ensure_experiment, has_store, open_client, store_name
from dentwatch.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import RegisteredModel

_log = logging.getLogger(__name__)

LATEST = "latest"
_MOST_REASON = 4_000  # letters; MLflow keeps 5,000 in a tag
_PREFIX_LENGTH = 6  # shortest prefix of an id that names a version
_ABANDONED_AFTER_MS = 60 * 60 * 1000  # no upload takes an hour; one that is still pending then was killed


class Registry:
    """The model versions that the settings' tracking store holds under ``tracking.model_name``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._name = settings.tracking.model_name
        self._opened: MlflowClient | None = None

    # Reading

    def versions(self) -> list[ModelVersion]:
        """Every usable model version, oldest first."""
        return [version for version in self._listed() if isinstance(version, ModelVersion)]

    def unusable(self) -> list[int]:
        """Numbers of versions that were registered under this name by other means, which Dentwatch cannot serve."""
        return [version for version in self._listed() if isinstance(version, int)]

    def get(self, ref: str | int) -> ModelVersion:
        """The version that ``ref`` names: a number, ``dentwatch/3``, an alias, ``latest``, an id or its start.

        Raises :class:`ModelError` when there is none, or several.
        """
        text = str(ref).strip().removeprefix(f"{self._name}/")
        versions = self.versions()
        if text == LATEST and versions:
            return versions[-1]
        found = [version for version in versions if text in version.aliases or text == str(version.number)]
        if not found and len(text) >= _PREFIX_LENGTH:
            found = [version for version in versions if version.digest.startswith(text)]
        if len({version.digest for version in found}) > 1:
            numbers = ", ".join(str(version.number) for version in found)
            raise ModelError(f"{ref!r} fits several model versions: {numbers}.", "Give more digits, or a number.")
        if not found:
            raise ModelError(f"There is no model version {ref!r}.", _what_there_is(versions))
        return found[-1]  # equal ids are equal models: the newest number stands for them

    def champion(self) -> ModelVersion | None:
        """The version that serves; None while there is none."""
        return next((version for version in self.versions() if version.is_champion), None)

    def of_run(self, run_id: str) -> ModelVersion | None:
        """The version that the MLflow run ``run_id`` trained; those that were made of it later do not count."""
        return next((version for version in self.versions() if run_id and version.run_id == run_id), None)

    def bundle(self, ref: str | int) -> ModelBundle:
        """The files of the version that ``ref`` names, from the cache in ``DENTWATCH_HOME``, fetched if needed.

        They are held against the version's id every time; nothing in them is unpickled.
        Raises :class:`ModelError` when there is no such version or its files are missing or damaged.
        """
        version = self.get(ref)
        folder = model_files.cached(version.digest, self._settings) or model_files.fetch(version, self._settings)
        return ModelBundle.load(folder, name=version.reference)

    def history(self) -> list[Promotion]:
        """Every change of the champion, oldest first."""
        model = self._model()
        return [] if model is None else history_of(model.tags, _alias(model, CHAMPION))

    # Changing

    def register(
        self, bundle: ModelBundle, run_id: str | None = None, aliases: tuple[str, ...] = (CHALLENGER,)
    ) -> ModelVersion:
        """Make ``bundle`` a model version with ``aliases``; the same bundle again gives the version it already is.

        ``run_id`` is the MLflow run that trained it. Raises :class:`dentwatch.errors.ExportError` when the exported
        network is not the trained one, and :class:`ModelError` when card, rights or run are missing.
        """
        admission.check(bundle)
        digest = digest_of(bundle.folder)
        same = [version for version in self.versions() if version.digest == digest]
        number = same[-1].number if same else self._create(bundle, digest, run_id)
        for alias in aliases:
            if not (alias == CHALLENGER and self.get(number).is_champion):  # nobody challenges himself
                self._client().set_registered_model_alias(self._name, alias, str(number))
        return self.get(number)

    def promote(self, ref: str | int, reason: str, actor: str) -> Promotion:
        """Make the version that ``ref`` names the champion, and record who did so and why.

        Its files are fetched and checked first, so that no champion is named that cannot serve. Promoting the
        champion changes and records nothing (``version == previous``). Raises :class:`ModelError`.
        """
        version = self.get(ref)
        model = self._existing_model()
        promotion = Promotion.announce("promote", version.number, _alias(model, CHAMPION), reason, actor)
        if promotion.previous == version.number:
            return promotion.finished()
        self.bundle(version.number)
        done = self._carry_out(promotion)
        if _alias(self._existing_model(), CHALLENGER) == version.number:
            self._client().delete_registered_model_alias(self._name, CHALLENGER)  # it no longer challenges anybody
        return done

    def dismiss(self, ref: str | int, reason: str, actor: str) -> None:
        """Say that a version is not to become champion: it challenges nobody any more, and its tags say why.

        Raises :class:`ModelError` where there is none, or where it is the champion.
        """
        version = self.get(ref)
        if version.is_champion:
            raise ModelError(f"{version.reference} is the champion.", "Roll back, or promote another version.")
        said = json.dumps({"reason": reason[:_MOST_REASON], "actor": actor}, ensure_ascii=False)
        self._client().set_model_version_tag(self._name, str(version.number), DISMISSED_TAG, said)
        if _alias(self._existing_model(), CHALLENGER) == version.number:
            self._client().delete_registered_model_alias(self._name, CHALLENGER)

    def rollback(self, reason: str, actor: str) -> Promotion:
        """Make the previous champion the champion again; doing so twice goes back two. Raises :class:`ModelError`."""
        model = self._model()
        champion = None if model is None else _alias(model, CHAMPION)
        previous = None if champion is None else previous_champion(self.history(), champion)
        if previous is None:
            raise ModelError(
                "There is no earlier champion to roll back to.",
                "`dentwatch models list` shows what there is; `dentwatch models promote` names another champion.",
            )
        promotion = Promotion.announce("rollback", previous, champion, reason, actor)
        self.bundle(previous)
        return self._carry_out(promotion)

    def sweep(self) -> int:
        """Remove files of registrations that were killed more than an hour ago; returns how many there were."""
        if not has_store(self._settings):
            return 0
        client = self._client()
        known = {version.logged_model for version in self.versions()}
        experiment = ensure_experiment(self._settings, client)
        swept = 0
        for pending in model_files.abandoned(client, experiment, self._name, _ABANDONED_AFTER_MS):
            if pending.model_id in known:  # killed after the version was there: only the mark is missing
                client.finalize_logged_model(pending.model_id, "READY")
                continue
            try:
                model_files.discard(client, pending, self._settings)
                swept += 1
            except Exception as error:  # artifact stores fail in their own ways, and tidying up must not stop the work
                _log.warning("The unfinished model %s could not be removed: %s", pending.model_id, error)
        return swept

    def _create(self, bundle: ModelBundle, digest: str, run_id: str | None) -> int:
        client = self._client()
        run_id = self._checked_run(run_id, bundle.spec.run_id)
        self._make_model()
        self.sweep()
        experiment = ensure_experiment(self._settings, client)
        tags = {DIGEST_TAG: digest, NAME_TAG: self._name}
        logged = model_files.upload(client, bundle, experiment, run_id, tags)
        created = client.create_model_version(
            self._name,
            source=logged.artifact_location,
            run_id=run_id,
            # A server wants to know whose files these are; a database would look it up in MLflow's global store.
            model_id=None if self._settings.tracks_in_database else logged.model_id,
            description=f"{bundle.spec.kind}, trained on {bundle.spec.dataset_version}",
            tags={
                DIGEST_TAG: digest,
                SPEC_TAG: bundle.spec.model_dump_json(),
                LOGGED_MODEL_TAG: logged.model_id,
            },
        )
        client.finalize_logged_model(logged.model_id, "READY")
        return int(created.version)

    def _checked_run(self, run_id: str | None, recorded: str) -> str | None:
        """The run to link to; one that only the bundle names may lie in another store and is then left out."""
        client = self._client()
        from mlflow import MlflowException

        try:
            return str(client.get_run(run_id or recorded).info.run_id) if run_id or recorded else None
        except MlflowException as error:
            if run_id is None:
                return None
            raise ModelError(
                f"There is no run {run_id!r} in {store_name(self._settings)}.", "Name the run that trained the model."
            ) from error

    def _carry_out(self, promotion: Promotion) -> Promotion:
        """Announce, change, confirm: the alias is the truth, the tags around it say how it came about."""
        client = self._client()
        client.set_registered_model_tag(self._name, *promotion.as_tag())
        client.set_registered_model_alias(self._name, CHAMPION, str(promotion.version))
        done = promotion.finished()
        client.set_registered_model_tag(self._name, *done.as_tag())
        return done

    def _client(self) -> "MlflowClient":
        """MLflow, opened once; called before anything is imported from it, so that it is quiet."""
        if self._opened is None:
            self._opened = open_client(self._settings)
        return self._opened

    def _model(self) -> "RegisteredModel | None":
        if not has_store(self._settings):
            return None
        client = self._client()
        from mlflow import MlflowException

        try:
            return client.get_registered_model(self._name)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def _existing_model(self) -> "RegisteredModel":
        model = self._model()
        if model is None:
            raise ModelError("No model is registered yet.", _what_there_is([]))
        return model

    def _make_model(self) -> None:
        if self._model() is not None:
            return
        client = self._client()
        from mlflow import MlflowException

        try:
            client.create_registered_model(self._name, description="Finds damage in photos of used cars.")
        except MlflowException:  # another process was quicker
            self._existing_model()

    def _listed(self) -> list[ModelVersion | int]:
        """Every version by number; one that is not ours as its number alone."""
        model = self._model()
        if model is None:
            return []
        named: dict[int, list[str]] = {}
        for alias, number in model.aliases.items():
            named.setdefault(int(number), []).append(alias)
        found = sorted(self._pages(), key=lambda version: int(version.version))
        return [
            ModelVersion.from_mlflow(version, tuple(sorted(named.get(int(version.version), ()))))
            or int(version.version)
            for version in found
        ]

    def _pages(self) -> list[Any]:
        found: list[Any] = []
        token: str | None = None
        while True:
            page = self._client().search_model_versions(f"name='{self._name}'", max_results=1000, page_token=token)
            found += page
            token = page.token
            if not token:
                return found


def resolve(ref: str, settings: Settings) -> ModelBundle:
    """The bundle of the registered version that ``ref`` names; raises :class:`ModelError`."""
    known = _glimpsed(peek(ref, settings), settings) if ref in (CHAMPION, CHALLENGER) else None
    return known or Registry(settings).bundle(ref)


def champion(settings: Settings) -> ModelBundle | None:
    """The bundle of the version that serves; None while there is none. Raises :class:`ModelError`."""
    return _bearing(CHAMPION, settings)


def challenger(settings: Settings) -> ModelBundle | None:
    """The bundle of the version that wants to serve; None while there is none. Raises :class:`ModelError`."""
    return _bearing(CHALLENGER, settings)


def _bearing(alias: str, settings: Settings) -> ModelBundle | None:
    seen = peek(alias, settings)
    if seen == [] or not has_store(settings):
        return None
    if known := _glimpsed(seen, settings):
        return known
    registry = Registry(settings)
    version = next((version for version in registry.versions() if alias in version.aliases), None)
    return None if version is None else registry.bundle(version.number)


def _glimpsed(seen: list[Glimpse] | None, settings: Settings) -> ModelBundle | None:
    """The bundle of a version that was seen without MLflow, if it lies in the cache."""
    if not seen:
        return None
    folder = model_files.cached(seen[0].digest, settings)
    return None if folder is None else ModelBundle.load(folder, f"{settings.tracking.model_name}/{seen[0].number}")


def export(bundle: ModelBundle, folder: Path) -> ModelBundle:
    """Copy a version's files into ``folder``, which must be new or empty; raises :class:`ModelError` otherwise."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ModelError(f"{folder} is not empty.", "Name a new folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.absolute().parent) as scratch:
        copied = model_files.copy(bundle.folder, Path(scratch) / "model")
        if folder.exists():
            folder.rmdir()
        shutil.move(copied, folder)
    return ModelBundle.load(folder)


def _alias(model: "RegisteredModel", alias: str) -> int | None:
    number = model.aliases.get(alias)
    return None if number is None else int(number)


def _what_there_is(versions: list[ModelVersion]) -> str:
    if not versions:
        return "No model is registered yet; `dentwatch train` trains and registers one."
    shown = [
        f"{version.number}{' (' + ', '.join(version.aliases) + ')' if version.aliases else ''}" for version in versions
    ]
    return f"There are: {', '.join(shown[-20:])}."

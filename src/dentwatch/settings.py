"""Every setting of Dentwatch, in one place.

A setting is read from the environment (``DENTWATCH_`` + its name in capitals; groups are joined by ``__``, as in
``DENTWATCH_DATA__MIN_SIDE=200``), else from ``settings.toml`` in ``DENTWATCH_HOME``, else it has the default below.
"""

import base64
import binascii
import os
import tomllib
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings.exceptions import SettingsError as UnreadableValue

from dentwatch.errors import SettingsError
from dentwatch.label_studio_settings import LabelStudioSettings
from dentwatch.settings_group import Group as Group  # noqa: PLC0414 (it is known by this name)

_PREFIX, _SEPARATOR = "DENTWATCH_", "__"


class DataSettings(Group):
    """What the data pipeline accepts."""

    min_side: int = Field(96, ge=1, description="Shortest side, in pixels, that a photo must have.")
    max_pixels: int = Field(
        100_000_000, ge=1, description="Most pixels a photo may decode to; more is called a decompression bomb."
    )
    near_duplicate_distance: int = Field(
        4, ge=0, le=16, description="Perceptual hashes (64 bits) this close or closer are near duplicates."
    )
    require_rights: bool = Field(
        False, description="Set photos aside without a licence or consent, refuse models that learnt from such ones."
    )
    val_share: float = Field(0.15, ge=0, lt=1, description="Share of vehicles that the hash puts into val.")
    test_share: float = Field(
        0.15, ge=0, lt=1, validate_default=True, description="Share of vehicles that the hash puts into test."
    )
    workers: int = Field(2, ge=1, description="Processes that hash and decode photos during ingest.")

    @field_validator("test_share")
    @classmethod
    def _something_is_left_for_train(cls, share: float, info: ValidationInfo) -> float:
        if share + info.data.get("val_share", 0.0) >= 1:
            raise ValueError("val_share and test_share together must stay below 1, so that vehicles are left for train")
        return share


class ServingSettings(Group):
    """How the inspection service answers."""

    host: str = Field("127.0.0.1", description="Address that `dentwatch serve` binds to.")
    port: int = Field(8000, ge=0, le=65535, description="Port that `dentwatch serve` binds to; 0 takes a free one.")
    workers: int = Field(2, ge=1, description="Worker processes of `dentwatch serve`.")
    threads: int = Field(1, ge=1, description="Inference threads per worker process.")
    engine: Literal["auto", "onnxruntime", "openvino"] = Field(
        "auto", description="What runs the network; auto: the fastest that is installed and answers the same."
    )
    int8: bool = Field(
        False, description="Try the network in 8 bits, and use it where it is faster and its boxes stay the same."
    )
    max_photos: int = Field(40, ge=1, description="Most photos in one inspection.")
    max_photo_bytes: int = Field(25_000_000, ge=1, description="Most bytes of one photo.")
    max_pixels: int = Field(
        52_000_000, ge=1, description="Most pixels of one photo: a phone's 50 megapixels, and no decompression bomb."
    )
    max_request_pixels: int = Field(
        480_000_000, ge=1, description="Most pixels of all photos of a request together: 40 of 12 megapixels."
    )
    max_body_bytes: int = Field(250_000_000, ge=1, description="Most bytes of one request to the service.")
    concurrency: int = Field(1, ge=1, description="Photos that a worker process looks at at a time.")
    queue: int = Field(
        16, ge=0, description="Requests that may wait their turn in a worker process; more are told to come back (503)."
    )
    held_bytes: int = Field(
        200_000_000, ge=1, description="Most bytes of requests that a worker process holds; more are told to come back."
    )
    min_free_bytes: int = Field(
        500_000_000, ge=0, description="Free bytes of the disk below which no inspection is taken any more."
    )
    idempotency_hours: float = Field(24, gt=0, description="How long an Idempotency-Key is remembered.")
    follow_seconds: float = Field(2, gt=0, description="Seconds between looks at the registry for another champion.")
    shadow: bool = Field(False, description="Show every photo to the challenger, too, and only log what it says.")
    canary_share: float = Field(0, ge=0, le=1, description="Share of vehicles that the challenger answers.")
    rate: float = Field(100, gt=0, description="Requests per second that one API key may make for long.")
    burst: int = Field(200, ge=1, description="Requests that one API key may make at once after a pause.")
    key_concurrency: int = Field(16, ge=1, description="Requests of one API key that may be under way at a time.")
    price_table: Path | None = Field(
        None, description="YAML file of the price table; default: `prices.yaml` in home, else the package's."
    )
    webhook_secret: SecretStr = Field(
        SecretStr(""),
        description="Signs webhooks: `whsec_` and 24 to 64 random bytes in Base64, or several with spaces between. "
        "Empty: webhooks are refused.",
    )
    webhook_private_targets: bool = Field(
        False, description="Webhooks may go to loopback and private addresses, and over http."
    )

    @property
    def webhook_keys(self) -> list[bytes]:
        """The keys that webhooks are signed with: the new one first, while receivers change over from an old one."""
        return [_signing_key(secret) for secret in self.webhook_secret.get_secret_value().split()]

    @field_validator("webhook_secret")
    @classmethod
    def _secrets_are_keys(cls, secrets: SecretStr) -> SecretStr:
        for secret in secrets.get_secret_value().split():
            _signing_key(secret)
        return secrets


class MonitoringSettings(Group):
    """How drift is watched for, what of it is harmless, and who is told."""

    enabled: bool = Field(True, description="`dentwatch serve` watches for drift beside its worker processes.")
    one_in: float = Field(
        1_000_000, ge=1000, description="Clean inspections, on average, until a false alarm; shared by all slices."
    )
    look_seconds: float = Field(2, gt=0, description="Seconds between looks for finished inspections.")
    review_share: float = Field(
        0.02, gt=0, le=1, description="Share of all photos that are drawn at random for people to review."
    )
    harm_tolerance: float = Field(
        5, ge=0, le=100, description="Recall that a drift may cost before it is critical, percentage points."
    )
    alert_urls: SecretStr = Field(
        SecretStr(""),
        description="Where alerts go: URLs that Apprise understands, with spaces or line ends between. Empty: nowhere.",
    )
    alert_repeat_hours: float = Field(24, gt=0, description="An alert that is not over is said again after this long.")

    @property
    def alert_receivers(self) -> list[str]:
        """The URLs of ``alert_urls``, secrets and all."""
        return self.alert_urls.get_secret_value().split()

    @field_validator("alert_urls")
    @classmethod
    def _receivers_are_urls(cls, urls: SecretStr) -> SecretStr:
        for number, url in enumerate(urls.get_secret_value().split(), 1):
            if "://" not in url:
                raise ValueError(f"number {number} of them is no URL (mailto://…, slack://…, json://…)")
        return urls


class KpiSettings(Group):
    """What the business wants to reach, and what things cost it."""

    currency: str = Field("EUR", pattern="^[A-Z]{3}$", description="ISO 4217 code of the costs and amounts of KPIs.")
    manual_inspection_cost: float = Field(30, ge=0, description="What a person's inspection of a car costs.")
    review_cost: float = Field(0.5, ge=0, description="What it costs that a person reviews a photo.")
    compute_cost_per_hour: float = Field(0.05, ge=0, description="What an hour of one processor core costs.")
    target_detection_accuracy: float = Field(0.6, ge=0, le=1, description="Least detection accuracy.")
    target_photo_accuracy: float = Field(0.85, ge=0, le=1, description="Least photo-level accuracy.")
    target_precision: float = Field(0.8, ge=0, le=1, description="Least precision, of all and of each label.")
    target_recall: float = Field(0.7, ge=0, le=1, description="Least recall, of all and of each label.")
    target_false_positive_rate: float = Field(0.2, ge=0, le=1, description="Highest false-positive rate.")
    target_false_negative_rate: float = Field(0.3, ge=0, le=1, description="Highest false-negative rate.")
    target_photo_ms: float = Field(300, gt=0, description="Most milliseconds for 95 of 100 photos.")
    target_inspection_ms: float = Field(3000, gt=0, description="Most milliseconds for 95 of 100 inspections.")
    target_satisfaction_mean: float = Field(4, ge=1, le=5, description="Least mean rating, 1 to 5.")
    target_satisfaction_share: float = Field(0.75, ge=0, le=1, description="Least share of ratings of 4 or 5.")
    target_adoption_rate: float = Field(0.5, ge=0, le=1, description="Least share of listings with an inspection.")
    target_cost_savings: float = Field(0, description="Least cost savings in the period that is shown.")
    target_price_error: float = Field(150, ge=0, description="Highest mean absolute error of the price effect.")
    target_cpu_seconds_per_photo: float = Field(0.5, gt=0, description="Most processor seconds per photo.")
    target_load_growth: float = Field(
        1.25, ge=1, description="Most processor time per photo under the highest load, as a multiple of the lowest."
    )
    target_resident_bytes: float = Field(4_000_000_000, gt=0, description="Most memory of all worker processes, bytes.")


class LoopSettings(Group):
    """How the loop closes: what it may do by itself, how often, and how carefully a new champion comes about."""

    enabled: bool = Field(True, description="Steps that follow from incidents and new photos are asked for.")
    inbox: str | None = Field(
        None, description="fsspec URL of the inbox for annotated photos; default: `inbox` in home."
    )
    settle_seconds: float = Field(
        10, ge=0, description="A batch in the inbox is taken in once it has not changed for so long."
    )
    retrain_cooldown_hours: float = Field(
        24, ge=0, description="Hours after a retraining in which no incident or batch starts another of the same cause."
    )
    retrains_per_day: int = Field(4, ge=0, description="Most retrainings that the loop starts within 24 hours.")
    retrain_minutes: float = Field(60, gt=0, description="Most minutes that a retraining trains.")
    retrain_epochs: int = Field(20, ge=1, description="Most passes over the train split of a retraining.")
    search_minutes: float = Field(120, gt=0, description="Most minutes that a search for a better model tries.")
    new_photos: int = Field(50, ge=1, description="New annotated photos that are worth the weekly retraining.")
    latency_ratio: float = Field(
        1.2, gt=0, description="Most time per photo that a challenger may take, as a multiple of the champion's."
    )
    tolerated_loss: float = Field(
        1, ge=0, le=100, description="Recall or AP50 that a challenger may lose on unchanged photos, percentage points."
    )
    most_asked_again: float = Field(
        0.3, ge=0, le=1, description="Most drifted photos, as a share, that stricter photo rules may ask for again."
    )
    needs_approval: bool = Field(False, description="A challenger that passed the gate waits for a person's approval.")
    shadow_photos: int = Field(200, ge=0, description="Photos that a challenger sees in the shadow before the canary.")
    canary_share: float = Field(0.1, gt=0, le=1, description="Share of vehicles that the canary answers.")
    canary_photos: int = Field(200, ge=0, description="Photos that the canary answers before it becomes champion.")
    rollout_hours: float = Field(72, gt=0, description="Hours after which a stage without enough photos is given up.")
    guard_hours: float = Field(
        24, ge=0, description="Hours after a promotion in which it may be rolled back by itself."
    )
    calm_inspections: int = Field(
        100, ge=1, description="Inspections without an alarm after which the monitors count as calm."
    )
    nightly_hour: int = Field(
        2, ge=0, le=23, description="Hour (UTC) after which the champion is evaluated and the weekly retraining is due."
    )
    frozen_test: bool = Field(True, description="Photos of later batches never enter the test split.")


class UpSettings(Group):
    """Where what `dentwatch up` starts listens, on 127.0.0.1."""

    dagster_port: int = Field(3000, ge=1, le=65535, description="Port of Dagster's pages.")
    code_port: int = Field(4266, ge=1, le=65535, description="Port at which Dagster's parts ask for the pipelines.")
    mlflow_port: int = Field(5000, ge=1, le=65535, description="Port of MLflow's pages.")
    runs: int = Field(2, ge=1, description="Dagster runs that may be under way at a time.")


class TrackingSettings(Group):
    """Where experiments and models are kept."""

    uri: str | None = Field(None, description="MLflow tracking URI; default: SQLite in DENTWATCH_HOME.")
    artifacts: str | None = Field(
        None,
        description="URI of the folder or bucket for the files of runs and models; default: `artifacts` in home, or "
        "where the tracking server puts them.",
    )
    experiment: str = Field("dentwatch", description="MLflow experiment that runs are logged to.")
    model_name: str = Field("dentwatch", description="Name of the registered model.")
    loggers: str = Field(
        "mlflow,tensorboard",
        description="Comma-separated: mlflow, tensorboard, wandb, comet, neptune (the last three need their package).",
    )


class Settings(BaseSettings):
    """All settings; see :func:`load`."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter=_SEPARATOR, env_ignore_empty=True, extra="forbid"
    )

    home: Path = Field(Path(".dentwatch"), description="Folder that holds all state.")
    photos_url: str | None = Field(None, description="fsspec URL of the photo store; default: `photos` in home.")
    datasets_url: str | None = Field(None, description="fsspec URL of dataset versions; default: `datasets` in home.")
    database_url: str | None = Field(
        None, description="SQLAlchemy URL of the database; default: SQLite, `dentwatch.db` in home."
    )
    data: DataSettings = DataSettings()
    serving: ServingSettings = ServingSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    kpis: KpiSettings = KpiSettings()
    loop: LoopSettings = LoopSettings()
    up: UpSettings = UpSettings()
    tracking: TrackingSettings = TrackingSettings()
    label_studio: LabelStudioSettings = LabelStudioSettings()

    @classmethod
    def settings_customise_sources(  # noqa: D102 (inherited)
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=_file())

    @property
    def photo_store_url(self) -> str:
        """Where photo bytes are kept."""
        return self.photos_url or str(self.home.absolute() / "photos")

    @property
    def dataset_store_url(self) -> str:
        """Where dataset versions are kept."""
        return self.datasets_url or str(self.home.absolute() / "datasets")

    @property
    def database_location(self) -> str:
        """The SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite:///{self.home.absolute() / 'dentwatch.db'}"

    @property
    def inbox_url(self) -> str:
        """Where annotated photos are dropped."""
        return self.loop.inbox or str(self.home.absolute() / "inbox")

    @property
    def tracking_uri(self) -> str:
        """The MLflow tracking and registry URI."""
        return self.tracking.uri or f"sqlite:///{self.home.absolute() / 'mlflow.db'}"

    @property
    def tracking_artifacts(self) -> str | None:
        """The URI that files of runs and models go to; None leaves it to the tracking server."""
        default = (self.home.absolute() / "artifacts").as_uri() if self.tracks_in_database else None
        return self.tracking.artifacts or default

    @property
    def tracks_in_database(self) -> bool:
        """Whether this process writes the tracking database itself, instead of asking a tracking server."""
        return self.tracking_uri.startswith(("sqlite:", "postgresql", "mysql", "mssql"))


@lru_cache
def load() -> Settings:
    """The settings of this process.

    Raises :class:`SettingsError` naming the setting whose value cannot be used, or the name that is no setting.
    """
    try:
        loaded = Settings()
    except ValidationError as error:
        raise _refused(error) from error
    except UnreadableValue as error:
        raise SettingsError(f"A setting in the environment cannot be read: {error}.", _WAY_OUT) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{_file()} is not valid TOML: {error}.", f"Correct it. {_WAY_OUT}") from error
    for name in os.environ:  # of unknown names, only groups can be told from what other programs mean
        if name.startswith(_PREFIX) and _SEPARATOR in name and name not in names():
            raise _unknown(name, "the environment")
    return loaded


def names() -> dict[str, FieldInfo]:
    """Every setting by its name in the environment, as in ``DENTWATCH_DATA__MIN_SIDE``."""
    found: dict[str, FieldInfo] = {}
    for name, field in Settings.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, Group):
            found |= {variable(name, member): inner for member, inner in group.model_fields.items()}
        else:
            found[variable(name)] = field
    return found


def _signing_key(secret: str) -> bytes:
    """The bytes of a webhook secret, as Standard Webhooks writes it."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ValueError("it is not whsec_ and Base64") from error
    if not 24 <= len(key) <= 64:
        raise ValueError(f"it holds {len(key)} bytes, and a secret has 24 to 64")
    return key


_WAY_OUT = "docs/settings.md lists every setting."


def _file() -> Path:
    return Path(os.environ.get(f"{_PREFIX}HOME") or ".dentwatch") / "settings.toml"


def variable(*parts: object) -> str:
    """The name of a setting in the environment: of its group, where it has one, and its own."""
    return _PREFIX + _SEPARATOR.join(str(part).upper() for part in parts)


def _refused(error: ValidationError) -> SettingsError:
    first = error.errors()[0]
    name = variable(*first["loc"])
    in_environment = name in os.environ
    place = "the environment" if in_environment else str(_file()) if _file().exists() else "the defaults"
    if first["type"] == "extra_forbidden":
        return _unknown(name if in_environment else ".".join(map(str, first["loc"])), place)
    called = name if in_environment else f"{'.'.join(map(str, first['loc']))} ({name})"
    wrong = first["msg"].removeprefix("Value error, ")
    known = names().get(name)
    got = "" if known is not None and known.annotation is SecretStr else f" (got {first['input']!r})"
    return SettingsError(
        f"The setting {called} in {place} cannot be used: {wrong}{got}.",
        f"Correct it. {_WAY_OUT}",
    )


def _unknown(name: str, place: str) -> SettingsError:
    known = {variable: variable for variable in names()}
    if place != "the environment":
        known = {variable.removeprefix(_PREFIX).lower().replace(_SEPARATOR, "."): variable for variable in known}
    near = get_close_matches(name, known, 1)
    return SettingsError(
        f"There is no setting {name}, which {place} sets.", f"Did you mean {near[0]}? {_WAY_OUT}" if near else _WAY_OUT
    )

"""Every setting of Dentwatch, in one place.

A setting is read from the environment (``DENTWATCH_`` + its name in capitals; groups are joined by ``__``, as in
``DENTWATCH_DATA__MIN_SIDE=200``), else from ``settings.toml`` in ``DENTWATCH_HOME``, else it has the default below.
"""

import os
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from dentwatch.errors import SettingsError


class DataSettings(BaseModel):
    """What the data pipeline accepts."""

    min_side: int = Field(96, ge=1, description="Shortest side, in pixels, that a photo must have.")
    max_pixels: int = Field(
        100_000_000, ge=1, description="Most pixels a photo may decode to; more is called a decompression bomb."
    )
    near_duplicate_distance: int = Field(
        4, ge=0, le=16, description="Perceptual hashes (64 bits) this close or closer are near duplicates."
    )
    require_rights: bool = Field(
        False, description="Set photos aside that name no licence or no consent (otherwise they are only counted)."
    )
    val_share: float = Field(0.15, ge=0, lt=1, description="Share of vehicles that the hash puts into val.")
    test_share: float = Field(0.15, ge=0, lt=1, description="Share of vehicles that the hash puts into test.")
    workers: int = Field(2, ge=1, description="Processes that hash and decode photos during ingest.")


class ServingSettings(BaseModel):
    """How the inspection service answers."""

    host: str = Field("127.0.0.1", description="Address that `dentwatch serve` binds to.")
    port: int = Field(8000, ge=0, le=65535, description="Port that `dentwatch serve` binds to; 0 takes a free one.")
    threads: int = Field(1, ge=1, description="Inference threads per worker process.")
    max_photos: int = Field(40, ge=1, description="Most photos in one inspection.")
    max_photo_bytes: int = Field(25_000_000, ge=1, description="Most bytes of one photo.")
    max_body_bytes: int = Field(250_000_000, ge=1, description="Most bytes of one request to the service.")
    concurrency: int = Field(2, ge=1, description="Inspections that a worker process works on at a time.")
    queue: int = Field(16, ge=0, description="Inspections that may wait their turn; more are told to come back (503).")


class TrackingSettings(BaseModel):
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

    model_config = SettingsConfigDict(env_prefix="DENTWATCH_", env_nested_delimiter="__", extra="forbid")

    home: Path = Field(Path(".dentwatch"), description="Folder that holds all state.")
    photos_url: str | None = Field(None, description="fsspec URL of the photo store; default: `photos` in home.")
    datasets_url: str | None = Field(
        None, description="fsspec URL of the dataset versions; default: `datasets` in home."
    )
    data: DataSettings = DataSettings()  # type: ignore[call-arg]
    serving: ServingSettings = ServingSettings()  # type: ignore[call-arg]
    tracking: TrackingSettings = TrackingSettings()  # type: ignore[call-arg]

    @classmethod
    def settings_customise_sources(  # noqa: D102 (inherited)
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        home = Path(os.environ.get("DENTWATCH_HOME", ".dentwatch"))
        toml = TomlConfigSettingsSource(settings_cls, toml_file=home / "settings.toml")
        return init_settings, env_settings, toml

    @property
    def photo_store_url(self) -> str:
        """Where photo bytes are kept."""
        return self.photos_url or str(self.home.absolute() / "photos")

    @property
    def dataset_store_url(self) -> str:
        """Where dataset versions are kept."""
        return self.datasets_url or str(self.home.absolute() / "datasets")

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

    Raises :class:`SettingsError` naming the setting whose value cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "DENTWATCH_" + "__".join(str(part).upper() for part in first["loc"])
        raise SettingsError(
            f"The setting {name} cannot be used: {first['msg']} (got {first['input']!r}).",
            "Correct it in the environment or in settings.toml of DENTWATCH_HOME.",
        ) from error

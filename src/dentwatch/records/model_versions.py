"""A model version as the registry lists it, and how it is written into the registry's tags."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dentwatch.records.model_bundle import CARD_NAME, ONNX_NAME, SPEC_NAME, WEIGHTS_NAME, ModelSpec
from dentwatch.records.quality_limits import QUALITY_NAME

CHAMPION = "champion"
CHALLENGER = "challenger"

BUNDLE_FILES = (ONNX_NAME, SPEC_NAME, CARD_NAME, WEIGHTS_NAME, QUALITY_NAME)
DIGEST_TAG = "dentwatch.digest"
SPEC_TAG = "dentwatch.spec"
LOGGED_MODEL_TAG = "dentwatch.logged_model"
NAME_TAG = "dentwatch.registered_as"
DISMISSED_TAG = "dentwatch.dismissed"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One registered model version.

    ``number`` counts up from 1, ``digest`` is its unique id (see :func:`digest_of`), ``run_id`` the MLflow run it
    came from (empty when from none), ``registered_at`` UTC in ISO 8601, ``source`` the URI of its files.
    """

    name: str
    number: int
    digest: str
    aliases: tuple[str, ...]
    spec: ModelSpec
    run_id: str
    registered_at: str
    source: str
    logged_model: str = ""

    @property
    def reference(self) -> str:
        """What answers call it, as in ``dentwatch/3``."""
        return f"{self.name}/{self.number}"

    @property
    def is_champion(self) -> bool:
        """Whether it is the version that serves."""
        return CHAMPION in self.aliases

    def as_document(self) -> dict[str, Any]:
        """Everything about it, for ``--json``."""
        return {
            "version": self.number,
            "name": self.reference,
            "id": self.digest,
            "aliases": list(self.aliases),
            "registered_at": self.registered_at,
            "run_id": self.run_id,
            "source": self.source,
            "spec": self.spec.model_dump(mode="json"),
        }

    @classmethod
    def from_mlflow(cls, version: Any, aliases: tuple[str, ...]) -> "ModelVersion | None":
        """The MLflow model version as one of ours; None where somebody else registered it, without our tags."""
        tags = version.tags
        if DIGEST_TAG not in tags or SPEC_TAG not in tags:
            return None
        return cls(
            name=version.name,
            number=int(version.version),
            digest=tags[DIGEST_TAG],
            aliases=aliases,
            spec=ModelSpec.model_validate_json(tags[SPEC_TAG]),
            run_id=version.run_id or "",
            registered_at=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).isoformat(timespec="seconds"),
            source=version.source,
            logged_model=tags.get(LOGGED_MODEL_TAG, ""),
        )


def digest_of(folder: Path) -> str:
    """The unique id of the model in ``folder``: SHA-256 (hex) over the names and SHA-256 of its files.

    Only the files of a bundle count, so a copy that gained other files keeps its id.
    """
    digests: dict[str, str] = {}
    for name in BUNDLE_FILES:
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()

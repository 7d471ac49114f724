"""The reference: the photos that production is compared with.

By default they are the champion's validation photos: the champion is known to work on those, and has not learnt from
them. Where the champion's dataset version is not at hand, or production comes over another channel, the reference is
warmed up on production traffic that is taken to be in order.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from dentwatch.errors import MonitoringError
from dentwatch.monitoring.embedding import EmbeddingSpace
from dentwatch.monitoring.features import FEATURE_NAMES, photo_features
from dentwatch.records.detections import Detection
from dentwatch.records.photos import write_atomically
from dentwatch.settings import Settings

if TYPE_CHECKING:
    from dentwatch.records.database import Database
    from dentwatch.records.model_bundle import ModelBundle

Floats = NDArray[np.float64]
Source = Literal["validation", "traffic"]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many photos are done and how many there are."""

_SPACE_FIELDS = ("centre", "whitening", "neighbours")


@dataclass(frozen=True, slots=True)
class Reference:
    """``features`` ``(N, F)`` of photos of ``vehicles`` (``N`` ids), as the model version ``model`` sees them.

    ``F`` are :data:`~dentwatch.monitoring.features.FEATURE_NAMES`. ``source`` says whether they are validation photos
    of ``dataset_version`` or production traffic (then it is empty); ``created_at`` is UTC, ISO 8601. ``thresholds`` are
    the model's operating thresholds by label; ``space`` is what embeddings are held against, made of other vehicles
    than these, and None where there were too few.
    """

    features: Floats
    vehicles: tuple[str, ...]
    model: str
    dataset_version: str
    source: Source
    created_at: str
    thresholds: dict[str, float] = field(default_factory=dict)
    space: EmbeddingSpace | None = None

    @classmethod
    def of_champion(cls, settings: Settings, progress: Progress | None = None) -> "Reference":
        """The validation photos of the champion; see :func:`.champion_reference.champion_reference`."""
        from dentwatch.monitoring.champion_reference import champion_reference

        return champion_reference(settings, progress)

    @classmethod
    def of_traffic(
        cls, database: "Database", bundle: "ModelBundle", *, since: datetime | None = None, photos: int = 2000
    ) -> "Reference":
        """Production traffic; see :func:`.traffic_reference.traffic_reference`."""
        from dentwatch.monitoring.traffic_reference import traffic_reference

        return traffic_reference(database, bundle, since=since, photos=photos)

    def features_of(
        self,
        statistics: Mapping[str, float],
        detections: Sequence[Detection],
        embedding: NDArray[np.floating] | None,
        size: tuple[int, int],
    ) -> Floats:
        """The features of a production photo, to be held against this reference; see :func:`photo_features`.

        Detections below the operating thresholds, which some callers ask for, do not count. Those of a caller who
        asked for higher scores only are no likeness of the reference's: leave such photos out.
        """
        floors = self.thresholds
        said = [one for one in detections if one.score >= floors.get(one.label, np.inf)] if floors else detections
        return photo_features(statistics, said, embedding, size, self.space)

    def save(self, path: Path) -> None:
        """Write it as one file of arrays (NumPy's ``.npz``, nothing in it is pickled); whole or not at all."""
        about = {
            "model": self.model,
            "dataset_version": self.dataset_version,
            "source": self.source,
            "created_at": self.created_at,
            "thresholds": self.thresholds,
            "measured_by": _measured_by(),
        }
        space = {} if self.space is None else {name: getattr(self.space, name) for name in _SPACE_FIELDS}
        buffer = BytesIO()
        np.savez_compressed(
            buffer,
            allow_pickle=False,
            features=self.features,
            vehicles=np.array(self.vehicles, dtype=np.str_),
            about=np.array(json.dumps(about)),
            **space,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path.with_name(f".{path.name}.part"), path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "Reference":
        """Read what :meth:`save` wrote.

        Raises :class:`MonitoringError` for a file that is damaged, or was measured by another version.
        """
        try:
            with np.load(path, allow_pickle=False) as kept:
                about = json.loads(str(kept["about"]))
                measured_by = about.pop("measured_by")
                space = EmbeddingSpace(*(kept[name] for name in _SPACE_FIELDS)) if "centre" in kept else None
                found = cls(features=kept["features"], vehicles=tuple(kept["vehicles"].tolist()), space=space, **about)
        except Exception as error:  # zip, NumPy and JSON each have their own words for a damaged file
            raise MonitoringError(
                f"The reference {path} cannot be read: {error}.", "Remove the file; it is then made again."
            ) from error
        if measured_by != _measured_by():
            raise MonitoringError(
                f"The reference {path} was measured by another version of Dentwatch, so its features may differ.",
                "Remove the file; it is then made again.",
            )
        return found


def now() -> str:
    """The time of making, as a reference says it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _measured_by() -> list[str]:
    return [version("dentwatch"), *FEATURE_NAMES]

"""The model that is served, as contracts know it: a name, a version, and answers about photos."""

from collections.abc import Sequence
from http import HTTPStatus

from starlette.requests import Request

from dentwatch.serving.answers import PhotoAnswer, PhotoFailure, PhotoResult
from dentwatch.serving.contracts.body import refused
from dentwatch.serving.inspection import Photo
from dentwatch.serving.problems import RefusedError
from dentwatch.serving.service import InspectionService
from dentwatch.settings import ServingSettings, Settings


class ServedModel:
    """The model version that ``service`` answers with, under the name that the registry gives it."""

    def __init__(self, service: InspectionService, settings: Settings) -> None:
        self.name = settings.tracking.model_name
        self._service = service
        self._limits = settings.serving

    @property
    def version(self) -> str:
        """The version that answers: its number in the registry, or the first digits of the network's SHA-256."""
        return self._service.model.rpartition("/")[2]

    @property
    def limits(self) -> ServingSettings:
        """How many photos of how many bytes a request may carry."""
        return self._limits

    def check_asked(self, request: Request) -> None:
        """Raise :class:`RefusedError` (404) unless the path of ``request`` names this model, and its version if any."""
        name, version = request.path_params["name"], request.path_params.get("version")
        if name != self.name:
            raise RefusedError(
                HTTPStatus.NOT_FOUND, "no-such-model", f"There is no model {name}; this service has {self.name}."
            )
        if version is not None and version != self.version:
            raise RefusedError(
                HTTPStatus.NOT_FOUND,
                "no-such-version",
                f"Version {version} of {name} is not served; {self.version} is. Without a version, that one answers.",
            )

    async def results(self, photos: Sequence[Photo], min_score: float | None) -> list[PhotoResult]:
        """An answer or a failure per photo; see :meth:`InspectionService.inspect`."""
        return await self._service.inspect(photos, min_score)

    async def answers(self, photos: Sequence[Photo], min_score: float | None) -> list[PhotoAnswer]:
        """An answer per photo.

        For contracts that know tensors only, where a photo that failed would look like one without damage: it raises
        :class:`RefusedError` (400) that names the first such photo.
        """
        answers = []
        for result in await self.results(photos, min_score):
            if isinstance(result, PhotoFailure):
                raise refused(result.reason.replace("_", "-"), f"{result.photo}: {result.error}")
            answers.append(result)
        return answers


def check_min_score(value: object) -> float | None:
    """``value`` as the least score to answer; None stands for the model's own thresholds.

    Raises :class:`RefusedError` (400) for anything but a number from 0 to 1.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise refused("min-score", f"min_score must be a number from 0 to 1, not {str(value)[:40]}.")
    return float(value)

"""The quality gate: is a photo good enough for the model's answer to be relied on, and if not, what is to be done?

It compares photo statistics, which are computed anyway, with measured :mod:`dentwatch.records.quality_limits`. A photo
that fails is answered all the same; the answer says that it is unreliable, and it is not priced.
"""

from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from dentwatch.data.statistics import STATISTICS_SIDE, PhotoStatistics
from dentwatch.errors import ModelError
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.quality_limits import QualityLimit, QualityLimits, QualityReason

DEFAULT_LIMITS = Path(str(resources.files("dentwatch.serving"))) / "quality_limits.json"
"""The limits that ship with the package, for models without limits of their own."""

ADVICE: dict[QualityReason, str] = {
    "too_dark": "Take the photo again with more light: in daylight, under a lamp or with the flash, and with nothing "
    "over the lens.",
    "too_bright": "Take the photo again with less light: turn the flash off, keep the sun behind you, or tap on the "
    "car so that the camera sets its exposure by it.",
    "blurred": "Take the photo again: hold the phone still with both hands and tap on the damage to focus.",
    "too_small": "Send the photo as the camera took it, not a preview or a screenshot of it.",
    "empty": "Wipe the lens, keep fingers away from it, point the camera at the car and take the photo again.",
    "noisy": "Take the photo again with more light and without zooming in: the camera had to amplify what it saw.",
}
"""What the person who holds the camera can do about each reason."""

_DETAIL: dict[QualityReason, str] = {
    "too_dark": "The photo is too dark: its mean brightness is {value:.0f} of 255, and {limit:.0f} is needed.",
    "too_bright": "The photo is too bright: {value:.0%} of it is white, and at most {limit:.0%} may be.",
    "blurred": "The photo is blurred: its sharpness is {value:.2f}, and {limit:.2f} is needed.",
    "too_small": "The photo is too small: it has {value:.4f} megapixels, and {limit:.4f} are needed.",
    "empty": "The photo shows hardly anything: its contrast is {value:.0%} of its brightness, and {limit:.0%} is "
    "needed.",
    "noisy": "The photo is too noisy: its noise is {value:.0f} of 255, and at most {limit:.0f} may be.",
}


class QualityFault(BaseModel):
    """One reason why a photo is unreliable."""

    model_config = ConfigDict(frozen=True)

    reason: QualityReason
    detail: str = Field(description="What is wrong, for a person.")
    advice: str = Field(description="What the person who holds the camera can do about it.")
    value: float = Field(description="The photo's statistic.")
    limit: float = Field(description="What it is held against.")


class Quality(BaseModel):
    """Whether the answer about a photo can be relied on."""

    model_config = ConfigDict(frozen=True)

    reliable: bool = Field(description="False where too much damage is missed in photos like this; not priced then.")
    reasons: tuple[QualityFault, ...] = Field((), description="Why not; empty for a reliable photo.")


class QualityGate:
    """Judges photos by ``limits``; one gate may be used by several threads.

    Raises :class:`ModelError` for limits of a statistic that is not measured, or is measured at another scale.
    """

    def __init__(self, limits: QualityLimits) -> None:
        self.limits = limits
        unknown = sorted({one.statistic for one in limits.limits if not hasattr(PhotoStatistics, one.statistic)})
        if unknown:
            raise ModelError(
                f"The quality limits of {limits.model} name statistics that are not measured: {', '.join(unknown)}.",
                "Measure them again with this version.",
            )
        if limits.statistics_side != STATISTICS_SIDE:
            # Sharpness and noise depend on the scale: limits of another one would refuse good photos, or none.
            raise ModelError(
                f"The quality limits of {limits.model} are for statistics at {limits.statistics_side} px, and this "
                f"version measures them at {STATISTICS_SIDE} px.",
                "Measure them again with `dentwatch quality`.",
            )

    @classmethod
    def of(cls, bundle: ModelBundle) -> "QualityGate":
        """The gate for a model: its own limits, or those that ship with the package.

        Raises :class:`ModelError` when the model's limits are damaged.
        """
        return cls(bundle.quality_limits or QualityLimits.load(DEFAULT_LIMITS))

    def check(self, statistics: PhotoStatistics) -> Quality:
        """Hold a photo's statistics against every limit; all reasons that hold are named."""
        measured = [(limit, float(getattr(statistics, limit.statistic))) for limit in self.limits.limits]
        faults = tuple(_fault(limit, value) for limit, value in measured if limit.is_beyond(value))
        return Quality(reliable=not faults, reasons=faults)


def _fault(limit: QualityLimit, value: float) -> QualityFault:
    return QualityFault(
        reason=limit.reason,
        detail=_DETAIL[limit.reason].format(value=value, limit=limit.limit),
        advice=ADVICE[limit.reason],
        value=value,
        limit=limit.limit,
    )

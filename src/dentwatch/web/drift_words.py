"""The names of slices, channels and statistics as people read them."""

from dataclasses import dataclass

from dentwatch.data.statistics import STATISTIC_NAMES
from dentwatch.monitoring.drift.slices import OTHER
from dentwatch.monitoring.incidents import WHOLE
from dentwatch.web import wording

_NO_SHARE = 0.0005  # is said to be none


@dataclass(frozen=True, slots=True)
class Statistic:
    """What a figure of photos is called, what it means, and whether it is a share in [0, 1]."""

    name: str
    about: str
    is_share: bool = False

    def said(self, value: float | None) -> str:
        """A value of it."""
        if value is None:
            return wording.NOTHING
        if self.is_share:
            return wording.percent(value, 0 if value >= 0.1 or value < _NO_SHARE else 1)
        return wording.short(round(value, 4)).replace("-", "\N{MINUS SIGN}")


CHANNELS: dict[str, tuple[str, str]] = {
    "light": ("Light", "brightness and contrast"),
    "optics": ("Sharpness", "blur, grain, blocks"),
    "colour": ("Colour", "saturation and cast"),
    "camera": ("Camera", "size and shape"),
    "detections": ("Detections", "what is found"),
    "content": ("Content", "the kind of scene"),
}
"""What each channel of the detectors is called, and what it watches."""

STATISTICS: dict[str, Statistic] = {
    "luma_mean": Statistic("Brightness", "mean, 0 black to 255 white"),
    "luma_p5": Statistic("Shadows", "brightness that 5 % of pixels stay under"),
    "luma_p95": Statistic("Lights", "brightness that 5 % of pixels go beyond"),
    "contrast": Statistic("Contrast", "standard deviation of the brightness"),
    "dark_clip": Statistic("Black pixels", "share of the photo", is_share=True),
    "bright_clip": Statistic("Blown-out pixels", "share of the photo", is_share=True),
    "sharpness": Statistic("Sharpness", "of edges, against the contrast; logarithm"),
    "noise": Statistic("Grain", "standard deviation of the noise"),
    "saturation": Statistic("Saturation", "0 grey to 100 % pure colours", is_share=True),
    "colour_cast": Statistic("Warmth", "red against blue; logarithm, 0 is neutral"),
    "blockiness": Statistic("JPEG blocks", "steps at the edges of blocks; logarithm"),
    "resolution": Statistic("Size", "megapixels of the original"),
    "aspect": Statistic("Shape", "width against height; logarithm, 0 is square"),
    "top_score": Statistic("Highest score", "of what the model found in a photo"),
    "boxes": Statistic("Damages found", "in a photo"),
    "scratch_share": Statistic("Scratches", "share of the damages found", is_share=True),
    "mean_score": Statistic("Mean score", "of what the model found in a photo"),
    "embedding_distance": Statistic("Distance in kind", "to the middle of the reference photos"),
    "embedding_nearest": Statistic("Distance to the nearest", "of the reference photos"),
}
"""Every figure in which drift is looked for; the first are those of :mod:`dentwatch.data.statistics`."""

MEASURED = STATISTIC_NAMES
"""The figures that every photo has, in the order in which they are shown."""

_DIMENSIONS = {"channel": "Channel {}", "device": "Device {}", "region": "Region {}"}


def statistic(name: str) -> Statistic:
    """A figure; one that is not known is called by its name."""
    return STATISTICS.get(name) or Statistic(wording.words(name).capitalize(), "")


def channel(name: str) -> str:
    """What a channel of the detectors is called."""
    return CHANNELS[name][0] if name in CHANNELS else wording.words(name).capitalize()


def slice_(key: str) -> str:
    """A slice of the traffic: ``channel=app`` is ``Channel app``."""
    dimension, _, value = key.partition("=")
    if key == WHOLE:
        return "All photos"
    if dimension == "hour" and value.isdigit():
        return f"Hour {value} to {(int(value) + 1) % 24:02} UTC"
    if value == OTHER:
        return f"Every other {dimension}"
    return _DIMENSIONS.get(dimension, f"{wording.words(dimension).capitalize()} {{}}").format(value)

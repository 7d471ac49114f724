"""A photo to review as a task of Label Studio, and an annotation of one as a whole review."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree.ElementTree import Element, ParseError, SubElement, fromstring, tostring

from dentwatch.data.formats.label_studio_regions import read_regions
from dentwatch.errors import LoopError
from dentwatch.monitoring.review_tasks import ReviewTask
from dentwatch.monitoring.whole_reviews import WholeReview
from dentwatch.records.annotations import Box
from dentwatch.records.labels import LABELS

NUMBER = "dentwatch_review"
"""The field of a task's data that names the photo's number in the review plan."""

_NEAR = 0.001  # of the photo's longer side: a box that was moved by less was not moved


@dataclass(frozen=True, slots=True)
class Interface:
    """How a project's labelling interface calls what is needed: the labels' tag, the image's tag and its field."""

    label: str
    image: str
    field: str

    @classmethod
    def of(cls, xml: str) -> "Interface | None":
        """What an interface says; None for one that is still empty. Raises :class:`LoopError` for one without boxes."""
        try:
            root = fromstring(xml)  # noqa: S314 (from the Label Studio that the settings name)
        except ParseError as error:
            raise LoopError(f"The project's labelling interface is no XML: {error}.", "Correct it there.") from error
        if len(root) == 0:
            return None
        labels = root.find(".//RectangleLabels")
        images = {one.get("name"): one for one in root.iter("Image")}
        image = images.get(labels.get("toName")) if labels is not None else None
        if labels is None or image is None:
            raise LoopError(
                "The project's labelling interface has no RectangleLabels on an Image.",
                "Empty it, and Dentwatch writes its own.",
            )
        return cls(labels.get("name", ""), image.get("name", ""), image.get("value", "").removeprefix("$"))


OWN_INTERFACE = Interface("label", "image", "image")


def own_interface() -> str:
    """The labelling interface that a project without one is given, XML."""
    view = Element("View")
    SubElement(view, "Image", name="image", value="$image", zoom="true")
    labels = SubElement(view, "RectangleLabels", name="label", toName="image")
    for label in LABELS:
        SubElement(labels, "Label", value=label)
    return tostring(view, encoding="unicode")


def task_document(task: ReviewTask, photo_url: str, interface: Interface) -> dict[str, Any]:
    """The photo as a task, with what the model found as a prediction."""
    results = [
        {
            "id": one.id,
            "type": "rectanglelabels",
            "from_name": interface.label,
            "to_name": interface.image,
            "original_width": task.width,
            "original_height": task.height,
            "image_rotation": 0,
            "score": one.score,
            "value": {**_percent(one.box, task), "rotation": 0, "rectanglelabels": [one.label]},
        }
        for one in task.detections
    ]
    data = {interface.field: photo_url, NUMBER: task.item.number, "reason": task.item.reason, "vehicle": task.vehicle}
    score = min((one.score for one in task.detections), default=1.0)
    prediction = {"model_version": task.model or "dentwatch", "score": score, "result": results}
    return {"data": data, "predictions": [prediction]}


def newest(task: Mapping[str, Any]) -> dict[str, Any] | None:
    """The annotation of a task that counts: the newest that was not cancelled; None where there is none."""
    found = [one for one in task.get("annotations") or [] if not one.get("was_cancelled")]
    return max(found, key=lambda one: str(one.get("updated_at") or one.get("created_at") or ""), default=None)


def review_of(task: ReviewTask, annotation: Mapping[str, Any]) -> WholeReview:
    """What an annotation says about the photo.

    A detection that is still where it was, with its label, is right. Raises :class:`LoopError` for a region that is no
    box with a label of Dentwatch's.
    """
    regions = read_regions(annotation, f"photo {task.item.number}")
    if regions.problems:
        raise LoopError(f"{regions.problems[0][1]}.", "Correct it in Label Studio; only labelled boxes are taken.")
    scale = task.width / (regions.width or task.width)
    drawn: list[tuple[str, Box]] = []
    for one in regions.annotations:
        if one.label not in LABELS:
            raise LoopError(f"The label {one.label!r} is none of {', '.join(LABELS)}.", "Rename it in Label Studio.")
        drawn.append((one.label, _fitted(one.box, scale, task)))
    verdicts: dict[str, Literal["right", "wrong"]] = {}
    for found in task.detections:
        same = next((one for one in drawn if one[0] == found.label and _is_near(one[1], found.box, task)), None)
        verdicts[found.id] = "wrong" if same is None else "right"
        if same is not None:
            drawn.remove(same)
    return WholeReview(verdicts, frozenset(one for one in drawn if one[1].width > 0 and one[1].height > 0))


def _percent(box: Box, task: ReviewTask) -> dict[str, float]:
    across, down = 100 / task.width, 100 / task.height
    return {"x": box.x * across, "y": box.y * down, "width": box.width * across, "height": box.height * down}


def _fitted(box: Box, scale: float, task: ReviewTask) -> Box:
    """A box in pixels of the photo, cut at its edges."""
    left, top, right, bottom = (side * scale for side in box.xyxy)
    left, right = (min(max(0.0, one), task.width) for one in (left, right))
    top, bottom = (min(max(0.0, one), task.height) for one in (top, bottom))
    x, y = round(left, 2), round(top, 2)
    return Box(x, y, min(round(right - x, 2), task.width - x), min(round(bottom - y, 2), task.height - y))


def _is_near(one: Box, other: Box, task: ReviewTask) -> bool:
    limit = max(1.0, _NEAR * max(task.width, task.height))
    return all(abs(a - b) <= limit for a, b in zip(one.xyxy, other.xyxy, strict=True))

"""Label Studio JSON, writing side: ``tasks.json``, ``images`` and the labelling interface to import them with.

Photos are named by Label Studio's local-files address, with the export's folder as document root.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from dentwatch.data.formats.writer import Classes
from dentwatch.data.formats.xml import legal
from dentwatch.records.annotations import Annotation, PhotoRecord


class LabelStudioWriter:
    """Streams tasks; a photo that nobody has annotated is a task without annotations."""

    keeps_annotation_fields = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._classes = Classes()
        self._count = 0
        self._out = (folder / "tasks.json").open("w", encoding="utf-8")
        self._out.write("[")

    def folder_for(self, record: PhotoRecord) -> str:  # noqa: ARG002 (all photos lie together)
        """The folder of the photos."""
        return "images"

    def add(self, record: PhotoRecord, file: str) -> None:
        """Write the photo's task."""
        self._count += 1
        stated = {
            "image": f"/data/local-files/?d={quote(file)}",
            "vehicle": record.vehicle,
            "split": record.split,
            "licence": record.licence,
            "consent": record.consent,
            "source": record.source,
            "width": record.width,
            "height": record.height,
        }
        task: dict[str, Any] = {"id": self._count, "data": {key: value for key, value in stated.items() if value}}
        task["annotations"] = []
        if record.annotated:
            results = [self._result(record, item, number) for number, item in enumerate(record.annotations, start=1)]
            task["annotations"].append({"id": self._count, "was_cancelled": False, "result": results})
        self._out.write(("," if self._count > 1 else "") + "\n" + json.dumps(task, ensure_ascii=False))

    def close(self) -> None:
        """End the list and write the labelling interface."""
        self._out.write("\n]\n")
        self._out.close()
        view = Element("View")
        SubElement(view, "Image", name="image", value="$image")
        labels = SubElement(view, "RectangleLabels", name="label", toName="image")
        for name in self._classes.names:
            SubElement(labels, "Label", value=legal(name))
        indent(view)
        ElementTree(view).write(self._folder / "labeling_interface.xml", encoding="utf-8")

    def _result(self, record: PhotoRecord, annotation: Annotation, number: int) -> dict[str, Any]:
        self._classes.number(annotation.label)
        box = annotation.box
        meta = {"original_label": annotation.original_label, "annotator": annotation.annotator}
        return {
            "id": f"{self._count}-{number}",
            "type": "rectanglelabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": record.width,
            "original_height": record.height,
            "image_rotation": 0,
            "value": {
                "x": box.x / record.width * 100,
                "y": box.y / record.height * 100,
                "width": box.width / record.width * 100,
                "height": box.height / record.height * 100,
                "rotation": 0,
                "rectanglelabels": [annotation.label],
            },
            "meta": {key: value for key, value in meta.items() if value is not None},
        }

"""CVAT XML 1.1 "for images", writing side: ``annotations.xml`` and ``images/<subset>``, as CVAT's own zip has them."""

import posixpath
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from dentwatch.data.formats.writer import Classes
from dentwatch.data.formats.xml import legal
from dentwatch.records.annotations import Annotation, PhotoRecord

_ATTRIBUTES = ("original_label", "annotator")


class CvatWriter:
    """Streams image elements into a file of their own; the labels, which go first, are known at the end."""

    keeps_annotation_fields = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._classes = Classes()
        self._count = 0
        self._images = (folder / "images.part").open("w", encoding="utf-8")

    def folder_for(self, record: PhotoRecord) -> str:
        """The folder of the record's split, where CVAT puts the photos of a subset, and looks for them first."""
        return f"images/{record.split}"

    def add(self, record: PhotoRecord, file: str) -> None:
        """Write the image element of an annotated photo."""
        if not record.annotated:
            return
        attributes = {
            "id": str(self._count),
            "name": legal(posixpath.relpath(file, self.folder_for(record))),
            "subset": record.split,
            "width": str(record.width),
            "height": str(record.height),
        }
        self._count += 1
        image = Element("image", attributes)
        _attribute(SubElement(image, "tag", label="photo", source="manual"), "vehicle", record.vehicle)
        for annotation in record.annotations:
            self._classes.number(annotation.label)
            image.append(_box(annotation))
        indent(image)
        self._images.write(tostring(image, encoding="unicode") + "\n")

    def close(self) -> None:
        """Write ``annotations.xml``."""
        self._images.close()
        part = self._folder / "images.part"
        meta = Element("meta")
        task = SubElement(meta, "task")
        SubElement(task, "name").text = "Dentwatch"
        SubElement(task, "size").text = str(self._count)
        SubElement(task, "mode").text = "annotation"
        labels = SubElement(task, "labels")
        for name in self._classes.names:
            _label(labels, name, "rectangle", _ATTRIBUTES)
        _label(labels, "photo", "tag", ("vehicle",))
        indent(meta)
        with (self._folder / "annotations.xml").open("w", encoding="utf-8") as out:
            out.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n')
            out.write(tostring(meta, encoding="unicode") + "\n")
            with part.open(encoding="utf-8") as lines:
                out.writelines(lines)
            out.write("</annotations>\n")
        part.unlink()


def _box(annotation: Annotation) -> Element:
    left, top, right, bottom = (repr(float(side)) for side in annotation.box.xyxy)
    corners = {"xtl": left, "ytl": top, "xbr": right, "ybr": bottom}
    element = Element("box", {"label": legal(annotation.label), "source": "manual", "occluded": "0", **corners})
    element.set("z_order", "0")
    for name in _ATTRIBUTES:
        value = getattr(annotation, name)
        if value is not None:
            _attribute(element, name, value)
    return element


def _attribute(parent: Element, name: str, value: str) -> None:
    SubElement(parent, "attribute", name=name).text = legal(value)


def _label(parent: Element, name: str, kind: str, attributes: tuple[str, ...]) -> None:
    label = SubElement(parent, "label")
    SubElement(label, "name").text = legal(name)
    SubElement(label, "type").text = kind
    listed = SubElement(label, "attributes")
    for attribute in attributes:
        element = SubElement(listed, "attribute")
        for tag, text in (("name", attribute), ("mutable", "False"), ("input_type", "text")):
            SubElement(element, tag).text = text

"""Pascal VOC, writing side: ``JPEGImages``, ``Annotations`` and ``ImageSets/Main``."""

import posixpath
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from dentwatch.data.formats.xml import legal
from dentwatch.records.annotations import Annotation, PhotoRecord

_PHOTOS = "JPEGImages"


class VocWriter:
    """One XML file per annotated photo, in the same subfolder of ``Annotations`` as the photo is of ``JPEGImages``."""

    keeps_annotation_fields = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sets = folder / "ImageSets" / "Main"
        self._sets.mkdir(parents=True)

    def folder_for(self, record: PhotoRecord) -> str:  # noqa: ARG002 (all photos lie together)
        """The folder of the photos."""
        return _PHOTOS

    def add(self, record: PhotoRecord, file: str) -> None:
        """Write the XML of an annotated photo and put it on its split's list."""
        if not record.annotated:
            return
        below = posixpath.relpath(file, _PHOTOS)
        identifier = posixpath.splitext(below)[0]
        root = Element("annotation")
        _add(root, "folder", posixpath.dirname(file))
        _add(root, "filename", posixpath.basename(file))
        _add(SubElement(root, "source"), "database", record.source or "Dentwatch")
        _add(root, "vehicle", record.vehicle)
        size = SubElement(root, "size")
        for name, value in (("width", record.width), ("height", record.height), ("depth", 3)):
            _add(size, name, str(value))
        _add(root, "segmented", "0")
        for annotation in record.annotations:
            root.append(_object(annotation))
        indent(root)
        path = self._folder / "Annotations" / f"{identifier}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
        with (self._sets / f"{record.split}.txt").open("a", encoding="utf-8") as out:
            out.write(f"{identifier}\n")

    def close(self) -> None:
        """Nothing is left to write."""


def _object(annotation: Annotation) -> Element:
    element = Element("object")
    _add(element, "name", annotation.label)
    for name, value in (("pose", "Unspecified"), ("truncated", "0"), ("difficult", "0"), ("occluded", "0")):
        _add(element, name, value)
    bounds = SubElement(element, "bndbox")
    for name, side in zip(("xmin", "ymin", "xmax", "ymax"), annotation.box.xyxy, strict=True):
        _add(bounds, name, repr(float(side)))
    for name, text in (("original_label", annotation.original_label), ("annotator", annotation.annotator)):
        if text is not None:
            _add(element, name, text)
    return element


def _add(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = legal(text)

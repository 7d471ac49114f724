"""XML read safely: no entity is expanded and nothing is fetched (https://docs.python.org/3/library/xml.html)."""

import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from dentwatch.data.formats.scan import Scan
from dentwatch.errors import SourceError

_SNIFFED_PER_FOLDER = 20
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@contextmanager
def opened(scan: Scan, path: str) -> Iterator[IO[bytes]]:
    """An XML file opened for parsing; parse errors become :class:`SourceError` naming the file and the line."""
    try:
        with scan.tree.open(path) as file:
            yield file
    except ParseError as error:
        raise SourceError(
            f"{path} in {scan.tree.location} is not XML: {error}.",
            "Export the annotations again, or remove the file.",
        ) from error
    except DefusedXmlException as error:
        raise SourceError(
            f"{path} in {scan.tree.location} declares XML entities, which annotations do not need.",
            "Such a file is broken or hostile; export the annotations again.",
        ) from error
    except (LookupError, ValueError) as error:  # unknown encodings
        raise SourceError(f"{path} in {scan.tree.location} is not XML: {error}.") from error


def root_tags(scan: Scan) -> dict[str, str | SourceError]:
    """The outermost element's name of each XML file, or why it cannot be told.

    Only a file's beginning is read; where the first files of a large folder are alike, the rest are taken to be so.
    """
    folders: dict[str, list[str]] = {}
    for path in scan.ending(".xml"):
        folders.setdefault(posixpath.dirname(path), []).append(path)
    tags: dict[str, str | SourceError] = {}
    for paths in folders.values():
        for path in paths[:_SNIFFED_PER_FOLDER]:
            tags[path] = _root_tag(scan, path)
        kinds = {tags[path] for path in paths[:_SNIFFED_PER_FOLDER]}
        alike = next(iter(kinds)) if len(kinds) == 1 else None
        for path in paths[_SNIFFED_PER_FOLDER:]:
            tags[path] = alike if isinstance(alike, str) else _root_tag(scan, path)
    return tags


def _root_tag(scan: Scan, path: str) -> str | SourceError:
    try:
        with opened(scan, path) as file:
            for _, element in iterparse(file, events=("start",)):
                return str(element.tag)
    except SourceError as error:
        return error
    return ""


def elements(scan: Scan, path: str, *tags: str) -> Iterator[Element]:
    """The outermost elements so named, one at a time, each forgotten when the next is asked for."""
    with opened(scan, path) as file:
        depth = 0
        open_elements: list[Element] = []
        for event, element in iterparse(file, events=("start", "end")):
            if event == "start":
                open_elements.append(element)
                depth += element.tag in tags
                continue
            open_elements.pop()
            if element.tag in tags:
                depth -= 1
                if depth == 0:
                    yield element
                    for parent in open_elements[-1:]:  # what was handed on is let go
                        parent.clear()


def legal(text: str) -> str:
    """The text with characters that XML 1.0 cannot hold (control characters) replaced by U+FFFD."""
    return _NOT_IN_XML.sub("�", text)

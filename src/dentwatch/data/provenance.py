"""Which source a photo came from, in words that are the same on every machine."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from dentwatch.data.incoming import IncomingPhoto


def source_name(location: str) -> str:
    """The name of a source: the last part of its path, without what is true of one machine only.

    ``/data/bilgi/`` and ``s3://cars/bilgi.zip`` are both ``bilgi``; a database URL gives the database's name.
    """
    if "://" not in location:
        path = Path(location).expanduser().resolve()
        return path.stem if path.suffix.lower() == ".zip" else path.name
    last = location.split("?", 1)[0].split("::", 1)[-1].rstrip("/").rsplit("/", 1)[-1]
    return last.removesuffix(".zip")


def without_password(location: str) -> str:
    """The location as it may be shown: a password in its URL becomes ``***``."""
    return re.sub(r"(?<=://)([^/@:]*):[^/]*@", r"\1:***@", location)


def with_source(photos: Iterable[IncomingPhoto], location: str) -> Iterator[IncomingPhoto]:
    """The photos, each with a source: its own, else the name of the ``location`` it was found at."""
    name = source_name(location)
    for photo in photos:
        yield photo if photo.source else replace(photo, source=name)

"""Photos out of a query on any database that SQLAlchemy speaks to.

A row is a photo. Its bytes are in the column ``photo``, or in the file of this machine that ``path`` names, or at the
fsspec URL in ``url``. ``annotations`` holds a JSON list of objects with ``label`` and ``bbox`` (``[x, y, width,
height]`` in pixels of the upright photo; ``annotator`` and ``original_label`` if known), ``[]`` for a photo without
damage, or NULL for one that nobody has looked at. ``name``, ``vehicle``, ``split``, ``licence``, ``consent``,
``source``, ``width`` and ``height`` are optional.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from dentwatch.data.formats.fields import box_of_xywh, size_of, split_of, text_of, vehicle_of
from dentwatch.data.incoming import IncomingAnnotation, IncomingPhoto, MissingPhoto
from dentwatch.data.sources.overrides import Overrides
from dentwatch.data.sources.readers import BytesReader, LocalReader, UrlReader
from dentwatch.errors import SourceError

ROWS_AT_ONCE = 16
"""Rows fetched together: they may hold whole photos."""

_PHOTO_COLUMNS = ("photo", "path", "url")
_HINT = "Give a SQLAlchemy URL such as postgresql+psycopg://user:password@host/database or sqlite:///file.db."


@dataclass
class DatabaseSource:
    """The photos of a query, streamed a few rows at a time."""

    url: str
    query: str
    vehicle_field: str | None
    overrides: Overrides
    format: str = "sql"

    def count(self) -> None:
        """Unknown: counting would run the query twice."""

    def photos(self) -> Iterator[IncomingPhoto]:
        """The photos in the query's order; raises :class:`SourceError` when it cannot be run or lacks columns."""
        return self.overrides.apply(self._photos())

    def _photos(self) -> Iterator[IncomingPhoto]:
        engine = self._engine()
        name = engine.url.render_as_string(hide_password=True)
        try:
            with engine.connect() as connection:
                streaming = connection.execution_options(stream_results=True, yield_per=ROWS_AT_ONCE)
                rows = streaming.exec_driver_sql(self.query)
                self._check_columns(name, list(rows.keys()) if rows.returns_rows else [])
                for number, row in enumerate(rows.mappings(), start=1):
                    yield self._photo(number, row)
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise SourceError(f"The query on {name} failed: {cause}.", "Correct the query or the URL.") from error
        finally:
            engine.dispose()

    def _engine(self) -> Engine:
        try:
            return create_engine(make_url(self.url))
        except (NoSuchModuleError, ImportError) as error:
            driver = self.url.split(":", 1)[0]
            raise SourceError(f"The database driver {driver} cannot be used: {error}.", "Install it.") from error
        except (ArgumentError, ValueError) as error:  # bad ports are ValueErrors
            raise SourceError("The location given with a query is not a database URL.", _HINT) from error

    def _check_columns(self, name: str, columns: list[str]) -> None:
        if not set(columns) & set(_PHOTO_COLUMNS):
            raise SourceError(
                f"The query on {name} returns {', '.join(columns) or 'no columns'}, so no photo can be found.",
                "It must return `photo` (bytes), `path` or `url`.",
            )
        if self.vehicle_field and self.vehicle_field not in columns:
            raise SourceError(
                f"The query on {name} does not return the vehicle field {self.vehicle_field}.",
                f"It returns {', '.join(columns)}.",
            )

    def _photo(self, number: int, row: Mapping[Any, Any]) -> IncomingPhoto:
        name = text_of(row.get("name")) or text_of(row.get("path")) or text_of(row.get("url")) or f"row {number}"
        annotations, problems = _annotations(row.get("annotations"), name)
        return IncomingPhoto(
            name,
            _reader(row, name),
            annotations,
            width=size_of(row.get("width")),
            height=size_of(row.get("height")),
            vehicle=vehicle_of(row, self.vehicle_field),
            split=split_of(row.get("split")),
            licence=text_of(row.get("licence")),
            consent=text_of(row.get("consent")),
            source=text_of(row.get("source")) or "",
            problems=problems,
        )


def _reader(row: Mapping[Any, Any], name: str) -> Callable[[], bytes]:
    if row.get("photo") is not None:
        return BytesReader(bytes(row["photo"]))
    if text_of(row.get("path")):
        return LocalReader(str(row["path"]))
    if text_of(row.get("url")):
        return UrlReader(str(row["url"]))
    return MissingPhoto(name, "the query, which returns neither its bytes nor a path or URL")


def _annotations(value: object, name: str) -> tuple[tuple[IncomingAnnotation, ...] | None, tuple[tuple[str, str], ...]]:
    if value is None:
        return None, ()
    if isinstance(value, (str, bytes, bytearray, memoryview)):
        try:
            value = json.loads(value if isinstance(value, str) else bytes(value))
        except ValueError as error:
            return None, (("annotations_malformed", f"the annotations of {name} are not JSON: {error}"),)
    if value is None:  # the JSON null
        return None, ()
    if not isinstance(value, list):
        return None, (("annotations_malformed", f"the annotations of {name} are not a list"),)
    annotations, problems = [], []
    for position, item in enumerate(value):
        fields = item if isinstance(item, dict) else {}
        label, box = text_of(fields.get("label")), box_of_xywh(fields.get("bbox"))
        if label is None:
            problems.append(("class_unknown", f"annotation {position} of {name} has no label"))
        elif box is None:
            problems.append(("box_malformed", f"annotation {position} of {name} has bbox {fields.get('bbox')!r}"))
        else:
            annotator, original = text_of(fields.get("annotator")), text_of(fields.get("original_label"))
            annotations.append(IncomingAnnotation(label, box, annotator, original))
    return tuple(annotations), tuple(problems)

"""Open a source of photos, whatever it is."""

from pathlib import Path

from dentwatch.data.formats.contract import ReadOptions
from dentwatch.data.formats.registry import FORMATS
from dentwatch.data.formats.scan import Scan
from dentwatch.data.sources.files import PHOTOS, open_files
from dentwatch.data.sources.overrides import Overrides
from dentwatch.data.sources.source import Source
from dentwatch.data.sources.trees import open_tree
from dentwatch.errors import SourceError

_DATABASES = ("sqlite", "postgresql", "mysql", "mariadb", "oracle", "mssql")


def open_source(
    location: str,
    *,
    format: str | None = None,
    vehicle_field: str | None = None,
    vehicle_pattern: str | None = None,
    sidecar: Path | None = None,
    sql_query: str | None = None,
    licence: str | None = None,
    consent: str | None = None,
) -> Source:
    """Open the photos at ``location``: a folder, a zip, an fsspec URL of either, or (with ``sql_query``) a database.

    ``format`` names the annotation format where several are present. A vehicle id comes from ``sidecar`` (a CSV with
    the column ``name`` and any of vehicle, split, licence, consent, source), else from ``vehicle_pattern`` (a regular
    expression searched in the photo's path; its group ``vehicle``, or its first group), else from the source: its
    field ``vehicle_field``, or a usual one. ``licence`` and ``consent`` hold where nothing else states any.

    Raises :class:`SourceError` when the source cannot be opened or understood.
    """
    if format is not None and format not in (*FORMATS, PHOTOS):
        raise SourceError(f"{format!r} is not a format.", f"Formats are {', '.join((*FORMATS, PHOTOS))}.")
    overrides = Overrides.load(vehicle_pattern, sidecar, licence, consent)
    if sql_query is not None:
        from dentwatch.data.sources.database import DatabaseSource

        return DatabaseSource(location, sql_query, vehicle_field, overrides)
    if location.split(":", 1)[0].split("+", 1)[0] in _DATABASES and "://" in location:
        raise SourceError(
            "A database needs a query that returns the photos.",
            'Add --query, such as "SELECT name, path, annotations FROM photos".',
        )
    return open_files(Scan(open_tree(location)), format, ReadOptions(vehicle_field), overrides)

"""Where photos and annotations come from: a folder, a zip, an fsspec URL or a database query."""

from dentwatch.data.sources.opening import open_source
from dentwatch.data.sources.source import Source

__all__ = ["Source", "open_source"]

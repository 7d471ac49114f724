"""Photos and dataset versions live on S3 as they do in a folder, tried against a real S3-speaking server."""

from pathlib import Path
from typing import Any

import pytest
from garage import fleet
from test_sources_s3 import bucket

from dentwatch.data.ingest import Ingest
from dentwatch.data.provenance import with_source
from dentwatch.data.sources import open_source
from dentwatch.errors import PhotoError
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.photos import PhotoStore
from dentwatch.settings import Settings

__all__ = ["bucket"]


def take_in(source: str, settings: Settings, workers: int = 1) -> str:
    report = Ingest(settings, workers=workers).run(with_source(open_source(source).photos(), source))
    assert report.version is not None
    return report.version.id


def test_an_ingest_into_s3_is_the_ingest_into_a_folder(bucket: Any, tmp_path: Path) -> None:
    source = fleet(tmp_path / "cars", 34).add("bad.jpg", b"no photo", []).write()
    cloud = Settings(home=tmp_path / "home", photos_url="s3://photos/store", datasets_url="s3://photos/sets")
    version = take_in(source, cloud, workers=2)
    assert version == take_in(source, Settings(home=tmp_path / "local"))

    store, photos = DatasetStore("s3://photos/sets"), PhotoStore("s3://photos/store")
    rows = list(store.get(version[:8]).photos())
    assert len(rows) == 34
    assert photos.get(rows[0].photo_id) == (tmp_path / "cars" / rows[0].name).read_bytes()
    assert photos.local_path(rows[0].photo_id) is None
    assert len(list(photos.photo_ids())) == 35
    with pytest.raises(PhotoError, match="not in the photo store"):
        photos.get("0" * 64)

    more = fleet(tmp_path / "more", 3, first=40).write()
    assert store.get("latest").id == version
    second = take_in(more, cloud)
    assert [info.id for info in store.versions()] == [version, second]
    assert [entry.reason for entry in store.set_aside()] == ["not_an_image"]
    assert len(list(store.figures())) == 37

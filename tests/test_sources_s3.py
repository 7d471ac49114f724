"""Photos on S3, read over HTTP from a real server: SeaweedFS, or moto's where SeaweedFS is not installed."""

import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from photo_trees import boxes, photo, reasons, write_tree, write_zip
from test_sources import call

from dentwatch.data.sources import open_source
from dentwatch.errors import PhotoError, SourceError

KEYS = {"AWS_ACCESS_KEY_ID": "reader", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
COCO = {
    "images": [{"id": 1, "file_name": "a b é.jpg", "vehicle": "V1", "split": "test"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
    "categories": [{"id": 1, "name": "dent"}],
}
FILES: dict[str, Any] = {"ann.json": COCO, "images/a b é.jpg": photo(), "unlisted#1.jpg": photo(colour="blue")}


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


SEAWEEDFS = shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


def seaweedfs(program: str, folder: Path) -> Iterator[str]:
    """A SeaweedFS server with an S3 gateway; its address."""
    names = ("master.port", "volume.port", "filer.port", "s3.port")
    ports = free_ports(8)
    options = [f"-{name}={port}" for name, port in zip((*names, *(f"{n}.grpc" for n in names)), ports, strict=True)]
    credentials = [{"accessKey": KEYS["AWS_ACCESS_KEY_ID"], "secretKey": KEYS["AWS_SECRET_ACCESS_KEY"]}]
    identity = {"name": "reader", "credentials": credentials, "actions": ["Admin", "Read", "Write", "List"]}
    write_tree(folder, {"s3.json": {"identities": [identity]}, "data/empty": ""})
    command = [program, "-logtostderr=true", "server", f"-dir={folder}/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += ["-s3", "-filer", f"-s3.config={folder}/s3.json", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += ["-master.telemetry=false", "-master.volumeSizeLimitMB=32", "-volume.max=8", *options]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            yield f"http://127.0.0.1:{ports[3]}"
        finally:
            server.kill()  # asked politely, it takes half a minute


def moto() -> Iterator[str]:
    """Moto's S3 server; its address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A bucket on a running server, as an fsspec file system; the environment leads to it."""
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()
    servers = seaweedfs(SEAWEEDFS, tmp_path_factory.mktemp("s3")) if SEAWEEDFS else moto()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": next(servers)}.items():
            environment.setenv(name, value)
        system = S3FileSystem()
        deadline = time.monotonic() + 60
        while True:
            try:
                system.mkdir("photos")
                break
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        for path, value in FILES.items():
            system.pipe(f"photos/cars/{path}", value if isinstance(value, bytes) else json.dumps(value).encode())
        yield system
    S3FileSystem.clear_instance_cache()
    servers.close()


def test_a_bucket_is_read_as_a_folder_is(bucket: Any) -> None:
    source = open_source("s3://photos/cars")
    assert (source.format, source.count()) == ("coco", 2)
    listed, unlisted = source.photos()
    assert (listed.name, listed.vehicle, listed.split) == ("images/a b é.jpg", "V1", "test")
    assert boxes(listed) == [("dent", 1, 2, 4, 6)]
    assert (unlisted.name, unlisted.annotations) == ("unlisted#1.jpg", None)
    assert (listed.read(), unlisted.read()) == (FILES["images/a b é.jpg"], FILES["unlisted#1.jpg"])


def test_another_process_reads_from_the_bucket(bucket: Any) -> None:
    reads = [item.read for item in open_source("s3://photos/cars").photos()]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(call, reads)) == [photo(), photo(colour="blue")]


def test_a_zip_in_a_bucket_is_read_without_fetching_it_whole(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from s3fs.core import S3File

    fetched, fetch = [], S3File._fetch_range

    def counted(file: Any, start: int, end: int) -> bytes:
        fetched.append(len(data := fetch(file, start, end)))
        return data

    monkeypatch.setattr(S3File, "_fetch_range", counted)
    archive = write_zip(tmp_path / "x.zip", {**FILES, "large.bin": os.urandom(20_000_000)})
    bucket.put(str(archive), "photos/zips/cars.zip")
    listed, unlisted = open_source("s3://photos/zips/cars.zip").photos()
    assert (boxes(listed), listed.read(), unlisted.read()) == ([("dent", 1, 2, 4, 6)], photo(), photo(colour="blue"))
    assert 0 < sum(fetched) < 6_000_000  # of 20 MB


def test_yolo_reads_sizes_from_the_bucket(bucket: Any) -> None:
    files = {"data.yaml": b"nc: 1\nnames: [dent]", "a.jpg": photo(), "a.txt": b"0 0.5 0.5 0.2 0.4"}
    for path, data in files.items():
        bucket.pipe(f"photos/yolo/{path}", data)
    (found,) = open_source("s3://photos/yolo").photos()
    assert boxes(found) == [("dent", 40, 15, 60, 35)]
    assert reasons(found) == []


def test_what_is_not_there_says_so(bucket: Any) -> None:
    for url in ("s3://photos/nothing", "s3://no-such-bucket/x", "s3://photos/no.zip", "nosuch://x/y"):
        with pytest.raises(SourceError, match=url):
            open_source(url)
    bucket.pipe("photos/gone/a.jpg", b"x")
    (found,) = open_source("s3://photos/gone").photos()
    bucket.rm("photos/gone/a.jpg")
    with pytest.raises(PhotoError) as caught:
        found.read()
    assert caught.value.reason == "missing"


@pytest.mark.skipif(not SEAWEEDFS, reason="moto's server lets everybody in")
def test_wrong_credentials_say_so(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    type(bucket).clear_instance_cache()
    with pytest.raises(SourceError, match="s3://photos/cars") as caught:
        open_source("s3://photos/cars")
    assert caught.value.hint is not None
    assert "credentials" in caught.value.hint
    type(bucket).clear_instance_cache()
